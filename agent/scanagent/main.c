/* SPDX-License-Identifier: MIT */
/*
 * scanagent: options.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "service.h"

#define THREADS_MAX  256
#define RECEIVES_MAX 64

/* Files come as bytes in the file system's encoding, which g_option leaves alone. */
struct arguments {
        int threads;
        int receives;
        char *port;
        char *runtime_dir;
        char *patterns;
        char *hashes;
        char *yara;
        char *log;
        gboolean json;
        int delay;
        int crash_after;
        gboolean mute;
        gboolean allow_all;
        gboolean version;
};

static void arguments_clear(struct arguments *arguments)
{
        g_free(arguments->port);
        g_free(arguments->runtime_dir);
        g_free(arguments->patterns);
        g_free(arguments->hashes);
        g_free(arguments->yara);
        g_free(arguments->log);
}

static bool parse(struct arguments *a, int *argc, char ***argv, GError **error)
{
        const GOptionEntry entries[] = {
                { "port", 0, 0, G_OPTION_ARG_STRING, &a->port, "Port of the filter (\\OnAccessPort)", "NAME" },
                { "runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &a->runtime_dir,
                  "Runtime directory of the filter manager ($FLTSIM_RUNTIME_DIR)", "DIR" },
                { "threads", 0, 0, G_OPTION_ARG_INT, &a->threads,
                  "Files that are scanned at a time (one per processor)", "N" },
                { "receives", 0, 0, G_OPTION_ARG_INT, &a->receives,
                  "Messages asked for in advance, for each thread (4)", "M" },
                { "signatures", 0, 0, G_OPTION_ARG_FILENAME, &a->patterns, "Byte patterns, NAME=HEX a line", "FILE" },
                { "hashes", 0, 0, G_OPTION_ARG_FILENAME, &a->hashes, "SHA-256 hashes, HEX NAME a line", "FILE" },
                { "yara", 0, 0, G_OPTION_ARG_FILENAME, &a->yara, "YARA rules", "FILE" },
                { "log", 0, 0, G_OPTION_ARG_FILENAME, &a->log, "Append the log to FILE (standard output)", "FILE" },
                { "json", 0, 0, G_OPTION_ARG_NONE, &a->json, "Log one JSON object a line", NULL },
                { "delay", 0, 0, G_OPTION_ARG_INT, &a->delay, "Wait before each answer", "MS" },
                { "crash-after", 0, 0, G_OPTION_ARG_INT, &a->crash_after, "Die of the Nth message", "N" },
                { "mute", 0, 0, G_OPTION_ARG_NONE, &a->mute, "Receive, but never answer", NULL },
                { "allow-all", 0, 0, G_OPTION_ARG_NONE, &a->allow_all, "Answer \"clean\" at once, look at nothing",
                  NULL },
                { "version", 0, 0, G_OPTION_ARG_NONE, &a->version, "Show the version", NULL },
                { NULL },
        };
        g_autoptr(GOptionContext) context = g_option_context_new(NULL);

        g_option_context_set_summary(context, "Scans the files that the filter onaccess asks about.");
        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, argc, argv, error))
                return false;
        if (*argc > 1) {
                g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s: no arguments are taken", (*argv)[1]);
                return false;
        }
        if (a->threads < 1 || a->threads > THREADS_MAX || a->receives < 1 || a->receives > RECEIVES_MAX ||
            a->delay < 0 || a->crash_after < 0) {
                g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "--threads is 1 to %d, --receives 1 to %d, --delay and --crash-after not negative",
                            THREADS_MAX, RECEIVES_MAX);
                return false;
        }
        return true;
}

/* Before any thread is made: all of them inherit it, and signalfd gets what is blocked. */
static void block_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        signal(SIGPIPE, SIG_IGN);
}

static int run(const struct arguments *arguments)
{
        struct fm_service_options options = {
                .port = arguments->port != NULL ? arguments->port : "\\OnAccessPort",
                .threads = (unsigned)arguments->threads,
                .receives = (unsigned)arguments->receives,
                .files = { arguments->patterns, arguments->hashes, arguments->yara },
                .log_fd = STDOUT_FILENO,
                .json = arguments->json,
                .delay = (unsigned)arguments->delay,
                .crash_after = (unsigned)arguments->crash_after,
                .mute = arguments->mute,
                .allow_all = arguments->allow_all,
        };
        int status;

        if (arguments->runtime_dir != NULL)
                g_setenv("FLTSIM_RUNTIME_DIR", arguments->runtime_dir, TRUE);
        if (arguments->log != NULL) {
                options.log_fd = open(arguments->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
                if (options.log_fd < 0) {
                        g_printerr("scanagent: %s: %s\n", arguments->log, g_strerror(errno));
                        return 1;
                }
        }
        block_signals();
        status = fm_service_run(&options);
        if (arguments->log != NULL)
                close(options.log_fd);
        return status;
}

int main(int argc, char **argv)
{
        struct arguments arguments = { .threads = (int)CLAMP(g_get_num_processors(), 2, THREADS_MAX), .receives = 4 };
        g_autoptr(GError) error = NULL;
        int status;

        setlocale(LC_ALL, "");
        if (!parse(&arguments, &argc, &argv, &error)) {
                g_printerr("scanagent: %s\nTry \"scanagent --help\".\n", error->message);
                status = 2;
        } else if (arguments.version) {
                g_print("scanagent %s\n", FM_VERSION);
                status = 0;
        } else {
                status = run(&arguments);
        }
        arguments_clear(&arguments);
        return status;
}
