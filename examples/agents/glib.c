/* SPDX-License-Identifier: MIT */
/* A GLib main loop: the port's descriptor is one source among the others of a program, such as its timers. */
#include <glib-unix.h>

#include <fltUserExt.h>
#include "agent.h"

static GMainLoop *loop;
static HRESULT result = S_OK;

static gboolean end_thought(gpointer message)
{
        Reply(message);
        return G_SOURCE_REMOVE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
        MESSAGE message;
        HRESULT got;
        DWORD bytes, milliseconds;

        while ((got = FilterTryGetMessage(Port, &message.Header, sizeof(message), &bytes)) == S_OK) {
                milliseconds = Asked(&message);
                if (milliseconds)
                        g_timeout_add_full(G_PRIORITY_DEFAULT, milliseconds, end_thought,
                                           g_memdup2(&message, sizeof(message)), g_free);
                else
                        Reply(&message);
        }
        if (got == HRESULT_FROM_WIN32(ERROR_NO_MORE_ITEMS))
                return G_SOURCE_CONTINUE;
        result = got;
        g_main_loop_quit(loop);
        return G_SOURCE_REMOVE;
}

static gboolean on_signal(gpointer data)
{
        g_main_loop_quit(loop);
        return G_SOURCE_REMOVE;
}

int main(int argc, char *argv[])
{
        int port;

        loop = g_main_loop_new(NULL, FALSE);
        g_unix_signal_add(SIGINT, on_signal, NULL);
        g_unix_signal_add(SIGTERM, on_signal, NULL);
        if (!Start(argc, argv) || FAILED(FilterGetPortDescriptor(Port, &port)))
                return 1;
        g_unix_fd_add(port, G_IO_IN, on_readable, NULL);
        g_main_loop_run(loop);
        g_main_loop_unref(loop);
        return Finish(result);
}
