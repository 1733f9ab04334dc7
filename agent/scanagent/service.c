/* SPDX-License-Identifier: MIT */
/*
 * Connecting, and what happens while connected: signals, reloads, the end.
 *
 * The main thread owns the connection and waits for signals and for the end of the connection. Workers
 * (session.c) only use the port's handle; it is closed when they are gone.
 */
#include <windows.h>
#include <fltUser.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "record.h"
#include "service.h"
#include "session.h"

#include "../../filter/onaccess/protocol.h"

/* Between attempts to connect, milliseconds. */
#define BACKOFF_MIN 50
#define BACKOFF_MAX 2000

enum wake {
        WAKE_STOP,
        WAKE_RELOAD,
        WAKE_ENDED,
        WAKE_TIMEOUT,
};

struct service {
        const struct fm_service_options *options;
        gunichar2 *port_name;
        int signals;
        struct fm_session_shared shared;
};

static void say(struct service *service, const char *event, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void say(struct service *service, const char *event, const char *format, ...)
{
        g_autofree char *text = NULL;
        g_autofree char *line = NULL;
        va_list args;

        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
        line = fm_event_format(event, text, service->options->json, g_get_real_time());
        fm_log_line(service->options->log_fd, line);
}

/* ended: -1: there is no connection. */
static enum wake wait_for(struct service *service, int ended, int timeout)
{
        struct pollfd fds[2] = { { .fd = service->signals, .events = POLLIN }, { .fd = ended, .events = POLLIN } };
        struct signalfd_siginfo info;

        for (;;) {
                int n = poll(fds, 2, timeout);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return WAKE_TIMEOUT;
                if (fds[0].revents == 0)
                        return WAKE_ENDED;
                if (read(service->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
                        continue;
                return info.ssi_signo == SIGHUP ? WAKE_RELOAD : WAKE_STOP;
        }
}

/* Verdicts that old signatures gave are worth nothing: the filter asks anew. */
static void drop_verdicts(struct service *service, HANDLE port)
{
        OA_COMMAND command = { .Command = OA_COMMAND_DROP_VERDICTS };
        DWORD returned;
        HRESULT result = FilterSendMessage(port, &command, sizeof(command), NULL, 0, &returned);

        if (FAILED(result))
                say(service, "error", "the filter did not drop its verdicts: 0x%08x", (unsigned)result);
}

static void reload(struct service *service, HANDLE port)
{
        g_autoptr(GError) error = NULL;
        struct fm_engines *engines = fm_engines_open(&service->options->files, &error);

        if (engines == NULL) {
                say(service, "error", "signatures are not reloaded, the old ones stay in use: %s", error->message);
                return;
        }
        fm_session_shared_set_engines(&service->shared, engines);
        say(service, "reloaded", "signatures");
        if (port != INVALID_HANDLE_VALUE)
                drop_verdicts(service, port);
}

/* False: told to stop. */
static bool serve(struct service *service, HANDLE port)
{
        struct fm_session *session = fm_session_new(port, &service->shared);
        bool go_on = true;

        if (session == NULL) {
                say(service, "error", "no memory, threads or descriptors for this connection");
                return true;
        }
        say(service, "connected", "%s", service->options->port);
        for (bool connected = true; connected && go_on;) {
                switch (wait_for(service, fm_session_get_ended_fd(session), -1)) {
                case WAKE_RELOAD:
                        reload(service, port);
                        break;
                case WAKE_STOP:
                        go_on = false;
                        break;
                default:
                        connected = false;
                        break;
                }
        }
        fm_session_free(session);
        if (go_on)
                say(service, "disconnected", "%s", service->options->port);
        return go_on;
}

static const char *explain(HRESULT result)
{
        switch ((ULONG)result) {
        case 0x80070002:
                return "no such port: is the filter loaded?";
        case 0x800704d6:
                return "another agent is connected";
        default:
                return "not possible now";
        }
}

/* What waiting does not help with. */
static bool is_final(HRESULT result)
{
        return result == HRESULT_FROM_WIN32(ERROR_ACCESS_DENIED) ||
               result == HRESULT_FROM_WIN32(ERROR_INVALID_PARAMETER);
}

static int connect_and_serve(struct service *service)
{
        const OA_CONNECT hello = { .Version = OA_PROTOCOL_VERSION };
        HRESULT last = S_OK;
        int backoff = BACKOFF_MIN;

        for (;;) {
                HANDLE port;
                HRESULT result = FilterConnectCommunicationPort((LPCWSTR)service->port_name, 0, &hello, sizeof(hello),
                                                                NULL, &port);

                if (SUCCEEDED(result)) {
                        if (!serve(service, port))
                                return 0;
                        backoff = BACKOFF_MIN;
                } else if (is_final(result)) {
                        say(service, "error", "%s: %s", service->options->port,
                            result == HRESULT_FROM_WIN32(ERROR_ACCESS_DENIED)
                                    ? "no permission to connect: run scanagent as root, or as the owner of the mount"
                                    : "the filter speaks another version of the protocol");
                        return 1;
                } else if (result != last) {
                        say(service, "waiting", "%s: %s (0x%08x)", service->options->port, explain(result),
                            (unsigned)result);
                }
                last = result;

                switch (wait_for(service, -1, backoff)) {
                case WAKE_STOP:
                        return 0;
                case WAKE_RELOAD:
                        reload(service, INVALID_HANDLE_VALUE);
                        break;
                default:
                        break;
                }
                backoff = MIN(backoff * 2, BACKOFF_MAX);
        }
}

static int open_signals(void)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        return signalfd(-1, &set, SFD_CLOEXEC);
}

int fm_service_run(const struct fm_service_options *options)
{
        struct service service = { .options = options };
        g_autoptr(GError) error = NULL;
        struct fm_engines *engines;
        int status = 1;

        service.port_name = g_utf8_to_utf16(options->port, -1, NULL, NULL, &error);
        if (service.port_name == NULL) {
                g_printerr("scanagent: %s: not a port's name: %s\n", options->port, error->message);
                return 1;
        }
        engines = fm_engines_open(&options->files, &error);
        service.signals = open_signals();
        if (engines == NULL) {
                g_printerr("scanagent: %s\n", error->message);
        } else if (service.signals < 0) {
                g_printerr("scanagent: signalfd: %s\n", g_strerror(errno));
        } else {
                fm_engines_catch_faults();
                fm_session_shared_init(&service.shared, options, engines);
                engines = NULL;
                status = connect_and_serve(&service);
                fm_session_shared_deinit(&service.shared);
        }
        fm_engines_unref(engines);
        if (service.signals >= 0)
                close(service.signals);
        g_free(service.port_name);
        return status;
}
