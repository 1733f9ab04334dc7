/* SPDX-License-Identifier: MIT */
/* Whether another thread waits in the kernel, as the kernel says: no test sleeps to be sure of it. */
#pragma once

#include <windows.h>

#include <glib.h>
#include <sys/syscall.h>

/* Until that thread of this process is inside futex, epoll_wait or poll. */
static inline void wait_asleep(DWORD thread)
{
        g_autofree char *path = g_strdup_printf("/proc/self/task/%u/syscall", thread);
        static const int calls[] = { SYS_futex, SYS_epoll_wait, SYS_epoll_pwait, SYS_poll };

        for (;;) {
                g_autofree char *text = NULL;
                int call;

                g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
                call = g_ascii_isdigit(text[0]) ? atoi(text) : -1;
                for (unsigned i = 0; i < G_N_ELEMENTS(calls); i++)
                        if (call == calls[i])
                                return;
                SwitchToThread();
        }
}
