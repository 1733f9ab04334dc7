/* SPDX-License-Identifier: MIT */
/*
 * fltsim: mounts directories behind minifilters. This file reads the command line; the commands are in
 * fltsim_mount.c and fltsim_run.c.
 */
#include "tools/fltsim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FLTSIM_VERSION
#error "the build defines FLTSIM_VERSION"
#endif

enum {
        EXIT_USAGE = 2,
};

static const char overview[] = "Usage: fltsim COMMAND [OPTION...] ARGUMENTS\n"
                               "\n"
                               "Runs Windows minifilters on a Linux directory.\n"
                               "\n"
                               "  fltsim mount [OPTION...] SOURCE MOUNTPOINT [SOURCE MOUNTPOINT]...\n"
                               "      shows each SOURCE directory at its MOUNTPOINT, through the filters; the filter manager\n"
                               "      that runs already does it, if there is one\n"
                               "  fltsim umount [OPTION...] MOUNTPOINT\n"
                               "      ends a mount, also one whose fltsim has died\n"
                               "  fltsim run [OPTION...] SOURCE -- COMMAND [ARGUMENT]...\n"
                               "      mounts SOURCE for as long as COMMAND runs in it, and returns its exit status\n"
                               "\n"
                               "  fltsim COMMAND --help   says more about a command\n"
                               "  fltsim --version        prints the version\n"
                               "\n"
                               "A first try: fltsim run --filter ./myfilter.so ~/data -- ls -l\n";

static const char mount_parameters[] = "SOURCE MOUNTPOINT [SOURCE MOUNTPOINT]...";
static const char umount_parameters[] = "MOUNTPOINT";
static const char run_parameters[] = "SOURCE -- COMMAND [ARGUMENT]...";

void fm_tool_complain(const char *format, ...)
{
        g_autofree char *text = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        fprintf(stderr, "fltsim: %s\n", text);
}

bool fm_tool_sector_size_is_valid(unsigned size)
{
        return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

bool fm_tool_verifier_parse(const char *words, bool *fatal, bool *dispatch)
{
        g_auto(GStrv) list = g_strsplit(words ? words : "log", ",", -1);

        *fatal = *dispatch = false;
        for (char **word = list; *word; word++) {
                if (strcmp(*word, "dispatch") == 0)
                        *dispatch = true;
                else if (strcmp(*word, "fatal") == 0)
                        *fatal = true;
                else if (strcmp(*word, "log") != 0)
                        return false;
        }
        return true;
}

bool fm_tool_options_check(const struct fm_tool_options *options, char **error)
{
        static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
        bool fatal, dispatch;

        if (options->log_level && !g_strv_contains(levels, options->log_level)) {
                *error = g_strdup_printf("--log-level %s: one of error, warning, info, debug", options->log_level);
                return false;
        }
        if (!fm_tool_verifier_parse(options->verifier, &fatal, &dispatch)) {
                *error = g_strdup_printf("--verifier %s: fatal or log, and dispatch", options->verifier);
                return false;
        }
        if (options->sector_size < 0 || !fm_tool_sector_size_is_valid((unsigned)options->sector_size)) {
                *error = g_strdup_printf("--sector-size %d: a power of two from 512 to 65536", options->sector_size);
                return false;
        }
        if (options->attr_timeout < 0 || options->entry_timeout < 0) {
                *error = g_strdup("--attr-timeout and --entry-timeout are seconds, 0 or more");
                return false;
        }
        if (options->allow_other && options->no_allow_other) {
                *error = g_strdup("--allow-other and --no-allow-other contradict each other");
                return false;
        }
        if (options->lazy && options->force) {
                *error = g_strdup("--lazy and --force contradict each other");
                return false;
        }
        return true;
}

static int usage_error(const char *command, const char *parameters, const char *text)
{
        fm_tool_complain("%s", text);
        fprintf(stderr, "Usage: fltsim %s [OPTION...] %s\n\"fltsim %s --help\" tells more.\n", command, parameters,
                command);
        return EXIT_USAGE;
}

/* Reads the options of a command; what is left stays in *argv. -1: go on; else the exit status. */
static int parse(const char *command, const char *parameters, const char *summary, struct fm_tool_options *options,
                 int *argc, char ***argv)
{
        const GOptionEntry common[] = {
                {"filter", 'f', 0, G_OPTION_ARG_FILENAME_ARRAY, &options->filters,
                 "Load a filter: an .inf, a .conf, a .so, or the name of an installed one. May be repeated", "FILTER"},
                {"log", 'l', 0, G_OPTION_ARG_FILENAME, &options->log, "Append the log to FILE", "FILE"},
                {"log-level", 0, 0, G_OPTION_ARG_STRING, &options->log_level, "error, warning, info (default) or debug",
                 "LEVEL"},
                {"verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose, "The same as --log-level debug", NULL},
                {"allow-other", 0, 0, G_OPTION_ARG_NONE, &options->allow_other,
                 "Let other users in, by the permissions of the files (default for root)", NULL},
                {"no-allow-other", 0, 0, G_OPTION_ARG_NONE, &options->no_allow_other, "Let nobody else in", NULL},
                {"attr-timeout", 0, 0, G_OPTION_ARG_DOUBLE, &options->attr_timeout,
                 "How long the kernel may keep attributes (default 1)", "SECONDS"},
                {"entry-timeout", 0, 0, G_OPTION_ARG_DOUBLE, &options->entry_timeout,
                 "How long the kernel may keep names (default 1)", "SECONDS"},
                {"read-only", 'r', 0, G_OPTION_ARG_NONE, &options->read_only, "Allow no changes", NULL},
                {"verifier", 0, 0, G_OPTION_ARG_STRING, &options->verifier,
                 "What misuse of the API by a filter does: fatal ends fltsim, log (default) says so; dispatch: "
                 "post-operations are called at DISPATCH_LEVEL where Windows may do that", "fatal|log[,dispatch]"},
                {"administrators", 0, 0, G_OPTION_ARG_STRING, &options->administrators,
                 "Members of GROUP are administrators where a port's security descriptor asks for them", "GROUP"},
                {"sector-size", 0, 0, G_OPTION_ARG_INT, &options->sector_size,
                 "Sector size that filters see (default 512)", "BYTES"},
                {"options", 'o', 0, G_OPTION_ARG_STRING, &options->mount_options,
                 "More options: of mount(8), unlink=posix|classic, cleanup=dirty|every-flush", "LIST"},
                {NULL},
        };
        const GOptionEntry mount[] = {
                {"foreground", 'F', 0, G_OPTION_ARG_NONE, &options->foreground, "Stay, and log to stderr", NULL},
                {"runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->runtime_dir,
                 "Where agents and fltmc find this fltsim (default $FLTSIM_RUNTIME_DIR, /run/fltsim)", "DIRECTORY"},
                {NULL},
        };
        const GOptionEntry run[] = {
                {"agent", 'a', 0, G_OPTION_ARG_STRING, &options->agent,
                 "Start this agent first, and wait until it has connected to a port", "COMMAND"},
                {"agent-timeout", 0, 0, G_OPTION_ARG_INT, &options->agent_timeout,
                 "How long to wait for the agent (default 30)", "SECONDS"},
                {NULL},
        };
        const GOptionEntry umount[] = {
                {"lazy", 'l', 0, G_OPTION_ARG_NONE, &options->lazy,
                 "Take a busy one out of sight; it ends when nothing on it is open any more", NULL},
                {"force", 'f', 0, G_OPTION_ARG_NONE, &options->force,
                 "End a busy one: what is in progress or open on it fails", NULL},
                {NULL},
        };
        g_autofree char *name = g_strdup_printf("fltsim %s", command);
        g_autoptr(GOptionContext) context = g_option_context_new(parameters);
        g_autoptr(GError) error = NULL;
        g_autofree char *wrong = NULL;

        g_set_prgname(name);
        g_option_context_set_strict_posix(context, true);
        g_option_context_set_summary(context, summary);
        if (strcmp(command, "umount") == 0)
                g_option_context_add_main_entries(context, umount, NULL);
        else
                g_option_context_add_main_entries(context, common, NULL);
        if (strcmp(command, "mount") == 0)
                g_option_context_add_main_entries(context, mount, NULL);
        if (strcmp(command, "run") == 0)
                g_option_context_add_main_entries(context, run, NULL);
        if (!g_option_context_parse(context, argc, argv, &error))
                return usage_error(command, parameters, error->message);
        if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
                memmove(&(*argv)[1], &(*argv)[2], (*argc - 1) * sizeof(char *));
                (*argc)--;
        }
        if (!fm_tool_options_check(options, &wrong))
                return usage_error(command, parameters, wrong);
        return -1;
}

int main(int argc, char **argv)
{
        /* Not on the stack: a leak checker that looks after main() finds what the options own. */
        static struct fm_tool_options options = {
                .attr_timeout = 1,
                .entry_timeout = 1,
                .sector_size = 512,
                .agent_timeout = 30,
        };
        const char *command = argc > 1 ? argv[1] : NULL;
        int status;

        if (command && (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0 || strcmp(command, "help") == 0)) {
                fputs(overview, stdout);
                return EXIT_SUCCESS;
        }
        if (command && strcmp(command, "--version") == 0) {
                puts("fltsim " FLTSIM_VERSION);
                return EXIT_SUCCESS;
        }
        if (!command) {
                fputs(overview, stderr);
                return EXIT_USAGE;
        }
        argc--;
        argv++;

        if (strcmp(command, "mount") == 0) {
                status = parse(
                        command, mount_parameters,
                        "Shows each SOURCE directory at its MOUNTPOINT, through the filters. Returns when all is ready.\n"
                        "If a filter manager runs in the runtime directory, it mounts; else this one becomes it.",
                        &options, &argc, &argv);
                if (status >= 0)
                        return status;
                if (argc < 3 || argc % 2 == 0)
                        return usage_error(command, mount_parameters, "each SOURCE needs a MOUNTPOINT");
                return fm_tool_mount(&options, argv + 1);
        }
        if (strcmp(command, "umount") == 0 || strcmp(command, "unmount") == 0) {
                status = parse("umount", umount_parameters,
                               "Ends a mount, also one whose fltsim has died. The filter manager ends with its last.",
                               &options, &argc, &argv);
                if (status >= 0)
                        return status;
                if (argc != 2)
                        return usage_error("umount", umount_parameters, "one MOUNTPOINT is needed");
                return fm_tool_umount(argv[1], options.force  ? FM_MOUNT_END_FORCE
                                               : options.lazy ? FM_MOUNT_END_LAZY
                                                              : FM_MOUNT_END_IDLE);
        }
        if (strcmp(command, "run") == 0) {
                status = parse(
                        command, run_parameters,
                        "Mounts SOURCE at a temporary place, runs COMMAND there, takes all down again, and returns\n"
                        "COMMAND's exit status. The place is COMMAND's working directory and in $FLTSIM_MOUNT.",
                        &options, &argc, &argv);
                if (status >= 0)
                        return status;
                if (argc > 2 && strcmp(argv[2], "--") == 0)
                        memmove(&argv[2], &argv[3], (argc-- - 2) * sizeof(char *));
                if (argc < 3)
                        return usage_error(command, run_parameters, "a SOURCE and a COMMAND are needed");
                return fm_tool_run(&options, argv[1], argv + 2);
        }
        fm_tool_complain("there is no command \"%s\"", command);
        fputs("\"fltsim --help\" lists the commands.\n", stderr);
        return EXIT_USAGE;
}
