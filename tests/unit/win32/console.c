/* SPDX-License-Identifier: MIT */
/*
 * SetConsoleCtrlHandler, row by row. Each signal is sent to a process of its own or waited for by the handler's event.
 *
 *   which signal is which event; on a thread of its own                          /console/events
 *   newest first, until one returns TRUE; added twice is asked twice             /console/order
 *   who is removed is not asked; who was not there is an error                   /console/remove
 *   a handler may change the list                                                /console/change
 *   no handler: Ctrl-C is ignored, or not; Ctrl-Break always comes               /console/ignore
 *   nobody handles it: the process ends as it would have                         /console/default
 *   unless it was ignored before                                                 /console/ignored-before
 *   a handler may end the process                                                /console/exit
 */
#include <windows.h>

#include <glib.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static HANDLE asked;
static char trace[16]; /* who was asked, in order; written before asked is set */
static DWORD code, thread;

static void note(char who)
{
        trace[strlen(trace)] = who;
}

static BOOL WINAPI pass(DWORD type)
{
        note('p');
        return FALSE;
}

static BOOL WINAPI handle(DWORD type)
{
        note('h');
        code = type;
        thread = GetCurrentThreadId();
        SetEvent(asked);
        return TRUE;
}

static BOOL WINAPI never(DWORD type)
{
        note('n');
        return TRUE;
}

/* Sends it and returns who was asked, the last of whom is handle(). */
static const char *ask(int signal)
{
        memset(trace, 0, sizeof(trace));
        kill(getpid(), signal);
        g_assert_cmpuint(WaitForSingleObject(asked, INFINITE), ==, WAIT_OBJECT_0);
        return trace;
}

static void add(PHANDLER_ROUTINE handler)
{
        g_assert_true(SetConsoleCtrlHandler(handler, TRUE));
}

static void removed(PHANDLER_ROUTINE handler)
{
        g_assert_true(SetConsoleCtrlHandler(handler, FALSE));
}

static void test_events(void)
{
        static const struct {
                int signal;
                DWORD code;
        } rows[] = {
                { SIGINT, CTRL_C_EVENT },
                { SIGQUIT, CTRL_BREAK_EVENT },
                { SIGHUP, CTRL_CLOSE_EVENT },
                { SIGTERM, CTRL_SHUTDOWN_EVENT },
        };

        add(handle);
        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_assert_cmpstr(ask(rows[i].signal), ==, "h");
                g_assert_cmpuint(code, ==, rows[i].code);
                g_assert_cmpuint(thread, !=, GetCurrentThreadId());
        }
        removed(handle);
}

static void test_order(void)
{
        add(never);
        add(handle);
        add(pass);
        add(pass);
        g_assert_cmpstr(ask(SIGINT), ==, "pph");
        removed(pass);
        g_assert_cmpstr(ask(SIGINT), ==, "ph");
        removed(pass);
        removed(handle);
        removed(never);
}

static void test_remove(void)
{
        add(handle);
        g_assert_false(SetConsoleCtrlHandler(pass, FALSE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
        add(pass);
        removed(pass);
        g_assert_cmpstr(ask(SIGTERM), ==, "h");
        removed(handle);
        g_assert_false(SetConsoleCtrlHandler(handle, FALSE));
        g_assert_cmpuint(GetLastError(), ==, ERROR_INVALID_PARAMETER);
}

static BOOL WINAPI leave_list(DWORD type)
{
        note('l');
        SetConsoleCtrlHandler(leave_list, FALSE);
        return FALSE;
}

static void test_change(void)
{
        add(handle);
        add(leave_list);
        g_assert_cmpstr(ask(SIGINT), ==, "lh");
        g_assert_cmpstr(ask(SIGINT), ==, "h");
        removed(handle);
}

static void test_ignore(void)
{
        add(handle);
        g_assert_true(SetConsoleCtrlHandler(NULL, TRUE));
        /* Signals are handled in the order they came: had the first not been ignored, it would show. */
        memset(trace, 0, sizeof(trace));
        kill(getpid(), SIGINT);
        kill(getpid(), SIGQUIT);
        g_assert_cmpuint(WaitForSingleObject(asked, INFINITE), ==, WAIT_OBJECT_0);
        g_assert_cmpstr(trace, ==, "h");
        g_assert_cmpuint(code, ==, CTRL_BREAK_EVENT);
        g_assert_true(SetConsoleCtrlHandler(NULL, FALSE));
        g_assert_cmpstr(ask(SIGINT), ==, "h");
        g_assert_cmpuint(code, ==, CTRL_C_EVENT);
        removed(handle);
}

static BOOL WINAPI end(DWORD type)
{
        ExitProcess(40 + type);
}

static BOOL WINAPI handle_shutdown(DWORD type)
{
        return type == CTRL_SHUTDOWN_EVENT && handle(type);
}

/* The wait status of a child that does child_main(). before: of the signal, until then. */
static int fate(const char *handler, int signal_number, void (*before)(int))
{
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *number = g_strdup_printf("%d", signal_number);
        int status;
        pid_t child = fork();

        if (child == 0) {
                signal(signal_number, before);
                execl(self, self, "child", handler, number, NULL);
                _exit(127);
        }
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        return status;
}

static int child_main(const char *handler, int signal_number)
{
        asked = CreateEventW(NULL, FALSE, FALSE, NULL);
        add(strcmp(handler, "end") == 0 ? end : strcmp(handler, "pass") == 0 ? pass : handle_shutdown);
        kill(getpid(), signal_number);
        if (strcmp(handler, "shutdown") != 0)
                Sleep(INFINITE);
        ask(SIGTERM);
        /* Who comes later is asked. */
        add(handle);
        ask(signal_number);
        return 3;
}

static void test_default(void)
{
        static const int signals[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM };

        for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
                int status = fate("pass", signals[i], SIG_DFL);

                g_assert_true(WIFSIGNALED(status));
                g_assert_cmpint(WTERMSIG(status), ==, signals[i]);
        }
}

static void test_ignored_before(void)
{
        int status = fate("shutdown", SIGHUP, SIG_IGN);

        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, 3);
}

static void test_exit(void)
{
        int status = fate("end", SIGTERM, SIG_DFL);

        g_assert_true(WIFEXITED(status));
        g_assert_cmpint(WEXITSTATUS(status), ==, 40 + CTRL_SHUTDOWN_EVENT);
}

int main(int argc, char **argv)
{
        if (argc == 4 && strcmp(argv[1], "child") == 0)
                return child_main(argv[2], atoi(argv[3]));
        g_test_init(&argc, &argv, NULL);
        asked = CreateEventW(NULL, FALSE, FALSE, NULL);
        g_test_add_func("/console/events", test_events);
        g_test_add_func("/console/order", test_order);
        g_test_add_func("/console/remove", test_remove);
        g_test_add_func("/console/change", test_change);
        g_test_add_func("/console/ignore", test_ignore);
        g_test_add_func("/console/default", test_default);
        g_test_add_func("/console/ignored-before", test_ignored_before);
        g_test_add_func("/console/exit", test_exit);
        return g_test_run();
}
