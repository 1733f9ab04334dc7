/* SPDX-License-Identifier: MIT */
/*
 * Whoever waits for an operation can be killed, wherever a filter holds it and whatever the filter thinks of that: the
 * caller has his answer, the operation goes on to its end by itself. Who is exiting can't be killed any more, and does not
 * wait for a filter.
 */
#include "irp-harness.h"

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nt/verifier.h"

static sem_t held, let_go, gone_on;
static PFLT_CALLBACK_DATA held_data;

static void wait_for(sem_t *semaphore)
{
        while (sem_wait(semaphore) < 0)
                ; /* interrupted */
}

/* In the callback itself, where no cancellation reaches. */
static void hold(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        sem_post(&held);
        wait_for(&let_go);
        sem_post(&gone_on);
}

/* Without a cancel routine. */
static void pend(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        held_data = data;
        sem_post(&held);
}

static void use_file(const char *path)
{
        char c = 'y';
        int fd = open(path, O_RDWR);

        if (fd < 0 || pread(fd, &c, 1, 0) < 0 || pwrite(fd, &c, 1, 0) < 0 || close(fd) < 0)
                _exit(1);
        _exit(0);
}

/* The file is closed by the end of the process, when signals come too late. */
static void leave_file_open(const char *path)
{
        int fd = open(path, O_RDWR);

        _exit(fd < 0 || pwrite(fd, "y", 1, 0) < 0);
}

static void go_on(const struct irp_rule *rule)
{
        if (!rule->pends) {
                sem_post(&let_go);
                wait_for(&gone_on);
        } else if (rule->in_post) {
                FltCompletePendedPostOperation(held_data);
        } else {
                FltCompletePendedPreOperation(held_data, FLT_PREOP_SUCCESS_WITH_CALLBACK, NULL);
        }
}

static void check_kill(const struct irp_rule *rule, const char *path)
{
        pid_t child;
        int status;

        irp_set_rule(rule);
        child = fork();
        g_assert_cmpint(child, >=, 0);
        if (child == 0)
                use_file(path);
        wait_for(&held);
        irp_set_rule(NULL);
        g_assert_cmpint(kill(child, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFSIGNALED(status));
        g_assert_cmpint(WTERMSIG(status), ==, SIGKILL);
        go_on(rule);
}

static atomic_bool went_on;

static void *open_it(void *path)
{
        int fd = open(path, O_RDONLY);

        g_assert_cmpint(fd, >=, 0);
        g_assert_true(atomic_load(&went_on));
        close(fd);
        return NULL;
}

static void check_exit(const struct irp_rule *rule, const char *path)
{
        GThread *reader;
        pid_t child;
        int status;

        irp_set_rule(rule);
        child = fork();
        g_assert_cmpint(child, >=, 0);
        if (child == 0)
                leave_file_open(path);
        wait_for(&held);
        irp_set_rule(NULL);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        /* Whoever opens the file waits for that CLEANUP all the same. */
        atomic_store(&went_on, false);
        reader = g_thread_new("reader", open_it, (void *)path);
        atomic_store(&went_on, true);
        go_on(rule);
        g_thread_join(reader);
}

static const struct {
        const char *what;
        struct irp_rule rule;
        void (*check)(const struct irp_rule *rule, const char *path);
} moments[] = {
        { "pre-create", { .major = IRP_MJ_CREATE, .class = -1, .name_suffix = "f", .pre = hold }, check_kill },
        { "pended create", { .major = IRP_MJ_CREATE, .class = -1, .name_suffix = "f", .pre = pend, .pends = true }, check_kill },
        { "post-create", { .major = IRP_MJ_CREATE, .class = -1, .name_suffix = "f", .in_post = true, .post = hold }, check_kill },
        { "pre-read", { .major = IRP_MJ_READ, .class = -1, .pre = hold }, check_kill },
        { "pended read", { .major = IRP_MJ_READ, .class = -1, .pre = pend, .pends = true }, check_kill },
        { "pended after the read",
          { .major = IRP_MJ_READ, .class = -1, .in_post = true, .post = pend, .pends = true }, check_kill },
        { "pre-write", { .major = IRP_MJ_WRITE, .class = -1, .pre = hold }, check_kill },
        { "pre-cleanup", { .major = IRP_MJ_CLEANUP, .class = -1, .pre = hold }, check_kill },
        { "pended cleanup", { .major = IRP_MJ_CLEANUP, .class = -1, .pre = pend, .pends = true }, check_kill },
        { "cleanup at exit", { .major = IRP_MJ_CLEANUP, .class = -1, .pre = hold }, check_exit },
        { "pended cleanup at exit", { .major = IRP_MJ_CLEANUP, .class = -1, .pre = pend, .pends = true }, check_exit },
};

static void test_kill(gconstpointer opaque)
{
        gsize i = (gsize)opaque;
        g_autofree char *path = NULL, *below = NULL;
        uint64_t before = fm_violation_count();

        sem_init(&held, 0, 0);
        sem_init(&let_go, 0, 0);
        sem_init(&gone_on, 0, 0);
        irp_set_up();
        path = irp_in_mount("f");
        below = irp_in_source("f");
        g_assert_true(g_file_set_contents(below, "x", 1, NULL));
        moments[i].check(&moments[i].rule, path);
        /* Others have not noticed. */
        int fd = open(path, O_RDONLY);
        g_assert_cmpint(fd, >=, 0);
        close(fd);
        irp_tear_down();
        g_assert_cmpuint(fm_violation_count(), ==, before);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        for (gsize i = 0; i < G_N_ELEMENTS(moments); i++) {
                g_autofree char *name = g_strdup_printf("/irp/kill/%s", moments[i].what);

                g_test_add_data_func(g_strdelimit(name, " ", '-'), (gconstpointer)i, test_kill);
        }
        return g_test_run();
}
