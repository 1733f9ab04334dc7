/* SPDX-License-Identifier: MIT */
/*
 * Console control handlers: signals as Windows' console events. Handlers run on a thread of their own, as on
 * Windows, newest first until one returns TRUE; if none does, the signal does what it would have done.
 */
#include "win32/thread.h"

#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <unistd.h>

static struct {
        int signal;
        DWORD event;
        struct sigaction before; /* what the signal did without us */
} events[] = {
        { .signal = SIGINT, .event = CTRL_C_EVENT },
        { .signal = SIGQUIT, .event = CTRL_BREAK_EVENT },
        { .signal = SIGHUP, .event = CTRL_CLOSE_EVENT },
        { .signal = SIGTERM, .event = CTRL_SHUTDOWN_EVENT },
};

static struct {
        pthread_mutex_t lock; /* guards all below */
        GArray *handlers;     /* PHANDLER_ROUTINE, newest last */
        bool running;
        bool ignore_interrupts;
} console = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Read by the signal handler. */
static int signal_pipe[2];

static void on_signal(int signal)
{
        unsigned char number = (unsigned char)signal;
        ssize_t ignored = write(signal_pipe[1], &number, 1);

        (void)ignored;
}

static bool is_handled(DWORD event)
{
        g_autoptr(GArray) handlers = NULL;

        pthread_mutex_lock(&console.lock);
        handlers = g_array_copy(console.handlers);
        pthread_mutex_unlock(&console.lock);
        for (guint i = handlers->len; i > 0; i--)
                if (g_array_index(handlers, PHANDLER_ROUTINE, i - 1)(event))
                        return true;
        return false;
}

static void *handle_signals(void *unused)
{
        unsigned char number;

        while (read(signal_pipe[0], &number, 1) == 1) {
                bool ignored;

                pthread_mutex_lock(&console.lock);
                ignored = console.ignore_interrupts && number == SIGINT;
                pthread_mutex_unlock(&console.lock);
                for (size_t i = 0; i < G_N_ELEMENTS(events); i++) {
                        if (ignored || events[i].signal != number || is_handled(events[i].event) ||
                            events[i].before.sa_handler == SIG_IGN)
                                continue;
                        sigaction(number, &events[i].before, NULL);
                        kill(getpid(), number);
                }
        }
        return NULL;
}

static bool start_locked(void)
{
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
        pthread_t thread;
        sigset_t all, old;
        int error;

        if (console.running)
                return true;
        if (pipe2(signal_pipe, O_CLOEXEC) < 0)
                return false;
        if (!console.handlers)
                console.handlers = g_array_new(FALSE, FALSE, sizeof(PHANDLER_ROUTINE));
        /* Signals must interrupt the program's threads, not this one. */
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &old);
        error = pthread_create(&thread, NULL, handle_signals, NULL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (error) {
                close(signal_pipe[0]);
                close(signal_pipe[1]);
                return false;
        }
        pthread_detach(thread);
        for (size_t i = 0; i < G_N_ELEMENTS(events); i++)
                sigaction(events[i].signal, &action, &events[i].before);
        console.running = true;
        return true;
}

/* HandlerRoutine NULL: Add says whether interrupts are ignored. */
BOOL WINAPI SetConsoleCtrlHandler(PHANDLER_ROUTINE HandlerRoutine, BOOL Add)
{
        BOOL done = TRUE;

        pthread_mutex_lock(&console.lock);
        if (!start_locked()) {
                SetLastError(ERROR_NO_SYSTEM_RESOURCES);
                done = FALSE;
        } else if (!HandlerRoutine) {
                console.ignore_interrupts = Add;
        } else if (Add) {
                g_array_append_val(console.handlers, HandlerRoutine);
        } else {
                done = FALSE;
                for (guint i = console.handlers->len; i > 0 && !done; i--) {
                        if (g_array_index(console.handlers, PHANDLER_ROUTINE, i - 1) != HandlerRoutine)
                                continue;
                        g_array_remove_index(console.handlers, i - 1);
                        done = TRUE;
                }
                if (!done)
                        SetLastError(ERROR_INVALID_PARAMETER);
        }
        pthread_mutex_unlock(&console.lock);
        return done;
}
