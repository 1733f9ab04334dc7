/* SPDX-License-Identifier: MIT */
/* Every row of the two status tables, with the numbers of the specification rather than the headers' names.
 */
#include <errno.h>
#include <glib.h>

#include "nt/status.h"
#include "status-rows.h"

static const struct {
        int error;
        uint32_t status;
} from_errno[] = {
        {0, 0},
        {EPERM, 0xC0000022},
        {EACCES, 0xC0000022},
        {ENOENT, 0xC0000034},
        {EINTR, 0xC0000120},
        {ECANCELED, 0xC0000120},
        {EIO, 0xC0000185},
        {ENXIO, 0xC00000C0},
        {E2BIG, 0x80000005},
        {ENOEXEC, 0xC000007B},
        {EBADF, 0xC0000008},
        {EAGAIN, 0xC00000A3},
        {ENOMEM, 0xC000009A},
        {ENOBUFS, 0xC000009A},
        {EFAULT, 0xC0000005},
        {EBUSY, 0xC0000043},
        {ETXTBSY, 0xC0000043},
        {EEXIST, 0xC0000035},
        {EXDEV, 0xC00000D4},
        {ENODEV, 0xC000000E},
        {ENOTDIR, 0xC0000103},
        {EISDIR, 0xC00000BA},
        {EINVAL, 0xC000000D},
        {ENFILE, 0xC000011F},
        {EMFILE, 0xC000011F},
        {EFBIG, 0xC0000904},
        {ENOSPC, 0xC000007F},
        {EDQUOT, 0xC0000802},
        {EROFS, 0xC00000A2},
        {EMLINK, 0xC0000265},
        {EPIPE, 0xC000014B},
        {EDEADLK, 0xC0000194},
        {ENAMETOOLONG, 0xC0000106},
        {ENOLCK, 0xC0000055},
        {ENOSYS, 0xC0000010},
        {EOPNOTSUPP, 0xC00000BB},
        {ENOTTY, 0xC0000010},
        {ENOTEMPTY, 0xC0000101},
        {ELOOP, 0xC0000280},
        {ENODATA, 0xC0000052},
        {ERANGE, 0xC0000023},
        {EOVERFLOW, 0xC0000095},
        {ETIMEDOUT, 0xC00000B5},
        {ESTALE, 0xC0000123},
        {EUCLEAN, 0xC0000102},
        {EBADMSG, 0xC0000102},
        {EKEYREJECTED, 0xC0000293},
        {ENOKEY, 0xC0000293},
        {ESRCH, 0xC0000001},
        {ENOTSOCK, 0xC0000001},
};

static void test_to_errno(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(status_rows); i++) {
                g_test_message("%s", status_rows[i].name);
                g_assert_cmpint(fm_errno_from_status((NTSTATUS)status_rows[i].status), ==, status_rows[i].error);
                g_assert_cmpstr(fm_status_name((NTSTATUS)status_rows[i].status), ==, status_rows[i].name);
        }
}

static void test_from_errno(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(from_errno); i++)
                g_assert_cmphex((uint32_t)fm_status_from_errno(from_errno[i].error), ==,
                                from_errno[i].status);
}

/* Whatever a filter comes up with, the kernel gets something that it accepts and that turns nothing off. */
static void test_any_status(void)
{
        for (uint32_t i = 0; i < 0x1000000; i += 7) {
                uint32_t status = (i & 0xffff) | ((i >> 16 & 0xff) << 24) | ((i & 0x1f) << 16);
                int error = fm_errno_from_status((NTSTATUS)status);

                g_assert_cmpint(error, >=, 0);
                g_assert_cmpint(error, <=, 511);
                g_assert_cmpint(error, !=, ENOSYS);
        }
        g_assert_cmpint(fm_errno_from_status((NTSTATUS)0xE0001234), ==, EIO);
        g_assert_cmpint(fm_errno_from_status((NTSTATUS)0x40000001), ==, 0);
        g_assert_null(fm_status_name((NTSTATUS)0xE0001234));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/status/to-errno", test_to_errno);
        g_test_add_func("/nt/status/from-errno", test_from_errno);
        g_test_add_func("/nt/status/any", test_any_status);
        return g_test_run();
}
