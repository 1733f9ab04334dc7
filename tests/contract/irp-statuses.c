/* SPDX-License-Identifier: MIT */
/*
 * What the caller of a system call gets for a filter's status: each row of the table, through an open, a write and a
 * listing. And what filters see of the backing file system's errors, which the caller gets as they were.
 */
#include "irp-harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../unit/nt/status-rows.h"
#include "nt/verifier.h"

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static int act_open(const char *path, int fd)
{
        return open(path, O_RDONLY) < 0 ? errno : 0;
}

static int act_write(const char *path, int fd)
{
        return pwrite(fd, "x", 1, 0) < 0 ? errno : 0;
}

/* -1: there is something in it. Not readdir(3), which thinks its own part of some errors. */
static int act_list(const char *path, int fd)
{
        int directory = open(irp_mount, O_RDONLY | O_DIRECTORY);
        char buffer[1024];
        long count;

        g_assert_cmpint(directory, >=, 0);
        count = syscall(SYS_getdents64, directory, buffer, sizeof(buffer));
        close(directory);
        return count < 0 ? errno : count > 0 ? -1 : 0;
}

static const struct way {
        const char *name;
        UCHAR major;
        int (*act)(const char *path, int fd);
        /* Statuses that mean something else here than the table says. */
        unsigned count;
        struct {
                NTSTATUS status;
                int error;
        } except[8];
} ways[] = {
        {"create", IRP_MJ_CREATE, act_open, 8,
         {{STATUS_SUCCESS, EIO}, /* nothing is open */
          {STATUS_NO_MORE_FILES, EIO},
          {STATUS_NO_MORE_ENTRIES, EIO},
          {STATUS_NO_MORE_EAS, EIO},
          {STATUS_END_OF_FILE, EIO},
          {STATUS_RANGE_NOT_LOCKED, EIO},
          {STATUS_FILE_LOCK_CONFLICT, EACCES},
          {STATUS_CANCELLED, ECANCELED}}}, /* by nobody */
        {"write", IRP_MJ_WRITE, act_write, 7,
         {{STATUS_NO_MORE_FILES, EIO},
          {STATUS_NO_MORE_ENTRIES, EIO},
          {STATUS_NO_MORE_EAS, EIO},
          {STATUS_END_OF_FILE, EIO},
          {STATUS_RANGE_NOT_LOCKED, EIO},
          {STATUS_FILE_LOCK_CONFLICT, EACCES},
          {STATUS_CANCELLED, ECANCELED}}},
        {"list", IRP_MJ_DIRECTORY_CONTROL, act_list, 8,
         {{STATUS_NO_SUCH_FILE, 0}, /* an empty directory */
          {STATUS_BUFFER_OVERFLOW, 0}, /* with what fits: nothing */
          {STATUS_NO_MORE_ENTRIES, EIO},
          {STATUS_NO_MORE_EAS, EIO},
          {STATUS_END_OF_FILE, EIO},
          {STATUS_RANGE_NOT_LOCKED, EIO},
          {STATUS_FILE_LOCK_CONFLICT, EACCES},
          {STATUS_CANCELLED, ECANCELED}}},
};

static int expected(const struct way *way, NTSTATUS status, int by_table)
{
        for (unsigned i = 0; i < way->count; i++)
                if (way->except[i].status == status)
                        return way->except[i].error;
        return by_table;
}

static void test_rows(gconstpointer data)
{
        const struct way *way = data;
        int fd;

        irp_set_up();
        IN(path, "f");
        touch("f", "content");
        irp_watch(0);
        fd = open(path, O_RDWR);
        for (unsigned i = 0; i < G_N_ELEMENTS(status_rows); i++) {
                const NTSTATUS status = (NTSTATUS)status_rows[i].status;
                const struct irp_rule rule = {.major = way->major, .class = -1, .status = status};
                const int wanted = expected(way, status, status_rows[i].error);
                const uint64_t before = fm_violation_count();
                int error;

                /* Success without an entry: see /irp/attributes/readdir-ends, which ends also when that is wrong. */
                if (status == STATUS_SUCCESS && way->major == IRP_MJ_DIRECTORY_CONTROL)
                        continue;
                irp_set_rule(&rule);
                error = way->act(path, fd);
                irp_set_rule(NULL);
                if (error != wanted)
                        g_error("%s: errno %d, not %d", status_rows[i].name, error, wanted);
                if (status == STATUS_PENDING)
                        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        }
        /* None of this has switched anything off. */
        irp_watch(fm_major_bit(way->major));
        g_assert_cmpint(way->act(path, fd), <=, 0);
        g_assert_cmpuint(irp_record(0)->major, ==, way->major);
        close(fd);
        irp_tear_down();
}

/* ---- what filters see ---- */

static int act_remove_full(const char *path, int fd)
{
        IN(full, "full");

        return rmdir(full) < 0 ? errno : 0;
}

static int act_too_large(const char *path, int fd)
{
        return ftruncate(fd, INT64_MAX) < 0 ? errno : 0;
}

static int act_no_ea(const char *path, int fd)
{
        char value;

        return getxattr(path, "user.none", &value, 1) < 0 ? errno : 0;
}

static int act_locked(const char *path, int fd)
{
        struct flock lock = {.l_type = F_WRLCK, .l_len = 1};
        int other = open(path, O_RDWR), error;

        /* Of the open files, not of this process. */
        g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &lock), ==, 0);
        irp_clear();
        error = fcntl(other, F_OFD_SETLK, &lock) < 0 ? errno : 0;
        close(other);
        return error;
}

static const struct bottom {
        const char *name, *token;
        int (*act)(const char *path, int fd);
        NTSTATUS status;
        int error;
} bottoms[] = {
        {"not-empty", "SET_INFORMATION(64)", act_remove_full, STATUS_DIRECTORY_NOT_EMPTY, ENOTEMPTY},
        {"too-large", "SET_INFORMATION(20)", act_too_large, STATUS_FILE_TOO_LARGE, EFBIG},
        {"no-ea", "QUERY_EA", act_no_ea, STATUS_NO_EAS_ON_FILE, ENODATA},
        {"locked", "LOCK_CONTROL(1)", act_locked, STATUS_LOCK_NOT_GRANTED, EAGAIN},
};

static void test_bottom(gconstpointer data)
{
        const struct bottom *row = data;
        int fd, error;

        irp_set_up();
        IN(path, "f");
        g_autofree char *full = irp_in_source("full");

        g_assert_cmpint(mkdir(full, 0700), ==, 0);
        touch("full/x", "");
        touch("f", "content");
        fd = open(path, O_RDWR);
        irp_clear();
        error = row->act(path, fd);
        if (error == EOPNOTSUPP) {
                g_test_skip("the file system can't");
        } else {
                g_assert_cmpint(error, ==, row->error);
                g_assert_cmphex((guint)irp_find(row->token)->status, ==, (guint)row->status);
        }
        close(fd);
        irp_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
                g_autofree char *name = g_strdup_printf("/irp/statuses/%s", ways[i].name);

                g_test_add_data_func(name, &ways[i], test_rows);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(bottoms); i++) {
                g_autofree char *name = g_strdup_printf("/irp/statuses/bottom/%s", bottoms[i].name);

                g_test_add_data_func(name, &bottoms[i], test_bottom);
        }
        return g_test_run();
}
