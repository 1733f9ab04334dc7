/* SPDX-License-Identifier: MIT */
/* Filters that put buffers of their own into operations, with a mount around it: the bottom and the caller don't mix
 * them up. */
#include "irp-harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "nt/verifier.h"

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

#define SECTOR 512

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static char *content_of(const char *name)
{
        g_autofree char *path = irp_in_source(name);
        char *content = NULL;

        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        return content;
}

/* ---- the filter ---- */

static GPtrArray *own_buffers; /* freed with the test: a failed operation has no post-operation here */
static _Atomic unsigned swaps, returns;

static void set_up(void)
{
        irp_set_up();
        own_buffers = g_ptr_array_new_with_free_func((GDestroyNotify)ExFreePool);
        swaps = returns = 0;
}

static void tear_down(void)
{
        g_ptr_array_unref(own_buffers);
        irp_tear_down();
}

struct place {
        PVOID *buffer;
        PMDL *mdl;
        ULONG length;
};

static struct place place_of(PFLT_CALLBACK_DATA data)
{
        struct place place;
        PULONG length;

        g_assert_cmphex((guint32)FltDecodeParameters(data, &place.mdl, &place.buffer, &length, NULL), ==,
                        STATUS_SUCCESS);
        place.length = *length;
        return place;
}

/* Where there is an MDL, it is what counts. */
static char *memory_of(const struct place *place)
{
        return place->mdl && *place->mdl ? MmGetSystemAddressForMdlSafe(*place->mdl, NormalPagePriority)
                                         : *place->buffer;
}

/* As long as the transfer may be at the end of a file. */
static char *swap(PFLT_CALLBACK_DATA data)
{
        struct place place = place_of(data);
        char *own = ExAllocatePoolWithTag(NonPagedPool, (place.length + SECTOR - 1) / SECTOR * SECTOR, 'tset');

        g_ptr_array_add(own_buffers, own);
        memset(own, '!', place.length);
        *place.buffer = own;
        *place.mdl = IoAllocateMdl(own, place.length, FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(*place.mdl);
        FltSetCallbackDataDirty(data);
        swaps++;
        return own;
}

static void swap_out(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        swap(data);
}

static void upper_case(char *text, size_t length)
{
        for (size_t i = 0; i < length; i++)
                text[i] = g_ascii_toupper(text[i]);
}

/* Data of a file, names in a directory, values of attributes. */
static void upper_case_all(PFLT_CALLBACK_DATA data, char *buffer, size_t length)
{
        FILE_ID_BOTH_DIR_INFORMATION *entry;
        FILE_FULL_EA_INFORMATION *ea;

        switch (data->Iopb->MajorFunction) {
        case IRP_MJ_DIRECTORY_CONTROL:
                for (entry = (void *)buffer;; entry = (void *)((char *)entry + entry->NextEntryOffset)) {
                        upper_case((char *)entry->FileName, entry->FileNameLength);
                        if (!entry->NextEntryOffset)
                                return;
                }
        case IRP_MJ_QUERY_EA:
        case IRP_MJ_SET_EA:
                ea = (void *)buffer;
                upper_case(ea->EaName + ea->EaNameLength + 1, ea->EaValueLength);
                return;
        default:
                upper_case(buffer, length);
        }
}

/* The caller's data goes down in the filter's buffer, in upper case. */
static void swap_in(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        struct place place = place_of(data);
        const char *old = memory_of(&place);
        char *own = swap(data);

        memcpy(own, old, place.length);
        upper_case_all(data, own, place.length);
}

/* What the bottom has put into the filter's buffer goes up, in upper case, and nothing else does. */
static void copy_back(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PMDL mdl = FltGetSwappedBufferMdlAddress(data);
        struct place place = place_of(data);
        char *old = memory_of(&place), *own;

        g_assert_nonnull(mdl);
        g_assert_true(mdl != *place.mdl);
        own = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
        g_assert_true(own != old);
        memcpy(old, own, data->IoStatus.Information);
        upper_case_all(data, old, data->IoStatus.Information);
        returns++;
}

/* ---- reads and writes ---- */

static void test_swapped_write(void)
{
        const struct irp_rule rule = { .major = IRP_MJ_WRITE, .class = -1, .pre = swap_in };
        g_autofree char *content = NULL;
        char caller[] = "hello";

        set_up();
        IN(path, "f");
        irp_set_rule(&rule);
        int fd = open(path, O_WRONLY | O_CREAT, 0644);
        g_assert_cmpint((int)write(fd, caller, 5), ==, 5);
        close(fd);
        irp_set_rule(NULL);
        content = content_of("f");
        g_assert_cmpstr(content, ==, "HELLO");
        g_assert_cmpstr(caller, ==, "hello"); /* the caller's own is as it was */
        g_assert_cmpuint(swaps, ==, 1);
        tear_down();
}

static void test_swapped_read(void)
{
        const struct irp_rule rule = {
                .major = IRP_MJ_READ, .class = -1, .in_post = true, .pre = swap_out, .post = copy_back
        };
        char buffer[16] = "";

        set_up();
        IN(path, "f");
        touch("f", "hello");
        irp_set_rule(&rule);
        int fd = open(path, O_RDONLY);
        g_assert_cmpint((int)read(fd, buffer, sizeof(buffer)), ==, 5);
        g_assert_cmpstr(buffer, ==, "HELLO");
        close(fd);
        irp_set_rule(NULL);
        g_assert_cmpuint(returns, ==, 1);
        tear_down();
}

/* Without the copy, the caller gets nothing of what was read. */
static void test_swapped_and_forgotten_read(void)
{
        const struct irp_rule rule = { .major = IRP_MJ_READ, .class = -1, .pre = swap_out };
        char buffer[16] = "";

        set_up();
        IN(path, "f");
        touch("f", "hello");
        irp_set_rule(&rule);
        int fd = open(path, O_RDONLY);
        g_assert_cmpint((int)read(fd, buffer, sizeof(buffer)), ==, 5);
        g_assert_cmpint(memcmp(buffer, "hello", 5), !=, 0);
        close(fd);
        irp_set_rule(NULL);
        tear_down();
}

static void change_in_place(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        struct place place = place_of(data);

        upper_case(memory_of(&place), data->IoStatus.Information);
}

static void test_changed_read(void)
{
        const struct irp_rule rule = { .major = IRP_MJ_READ, .class = -1, .in_post = true, .post = change_in_place };
        char buffer[16] = "";

        set_up();
        IN(path, "f");
        touch("f", "hello");
        irp_set_rule(&rule);
        int fd = open(path, O_RDONLY);
        g_assert_cmpint((int)read(fd, buffer, sizeof(buffer)), ==, 5);
        g_assert_cmpstr(buffer, ==, "HELLO");
        close(fd);
        tear_down();
}

static void lock_buffer(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_IO_PARAMETER_BLOCK iopb = data->Iopb;
        char *buffer;

        g_assert_cmphex((guint32)FltLockUserBuffer(data), ==, STATUS_SUCCESS);
        g_assert_nonnull(iopb->Parameters.Write.MdlAddress);
        buffer = MmGetSystemAddressForMdlSafe(iopb->Parameters.Write.MdlAddress, NormalPagePriority);
        g_assert_cmpint(memcmp(buffer, "hello", 5), ==, 0);
        g_assert_true(FltIsOperationSynchronous(data));
        g_assert_true(FLT_IS_IRP_OPERATION(data));
        g_assert_false(FltIsIoCanceled(data));
        returns++;
}

static void test_lock_user_buffer(void)
{
        const struct irp_rule rule = { .major = IRP_MJ_WRITE, .class = -1, .pre = lock_buffer };

        set_up();
        IN(path, "f");
        irp_set_rule(&rule);
        int fd = open(path, O_WRONLY | O_CREAT, 0644);
        g_assert_cmpint((int)write(fd, "hello", 5), ==, 5);
        close(fd);
        g_assert_cmpuint(returns, ==, 1);
        tear_down();
}

/* ---- lists ---- */

static void test_swapped_directory(void)
{
        const struct irp_rule rule = {
                .major = IRP_MJ_DIRECTORY_CONTROL, .class = -1, .in_post = true, .pre = swap_out, .post = copy_back
        };
        struct dirent *entry;
        unsigned upper = 0;
        DIR *dir;

        set_up();
        for (int i = 0; i < 200; i++) {
                g_autofree char *name = g_strdup_printf("a-file-with-some-name-%d", i);

                touch(name, "");
        }
        irp_set_rule(&rule);
        dir = opendir(irp_mount);
        while ((entry = readdir(dir))) {
                g_assert_false(g_str_has_prefix(entry->d_name, "a-file"));
                upper += g_str_has_prefix(entry->d_name, "A-FILE-WITH-SOME-NAME-");
        }
        closedir(dir);
        irp_set_rule(NULL);
        g_assert_cmpuint(upper, ==, 200);
        g_assert_cmpuint(returns, >, 0);
        tear_down();
}

static void test_swapped_attribute(void)
{
        const struct irp_rule get = {
                .major = IRP_MJ_QUERY_EA, .class = -1, .in_post = true, .pre = swap_out, .post = copy_back
        };
        const struct irp_rule set = { .major = IRP_MJ_SET_EA, .class = -1, .pre = swap_in };
        char value[16] = "";

        set_up();
        IN(path, "f");
        g_autofree char *below = irp_in_source("f");
        touch("f", "x");
        if (setxattr(below, "user.color", "blue", 4, 0) < 0) {
                g_test_skip("the temporary directory has no extended attributes");
                tear_down();
                return;
        }
        irp_set_rule(&get);
        g_assert_cmpint((int)getxattr(path, "user.color", value, sizeof(value)), ==, 4);
        irp_set_rule(NULL);
        g_assert_cmpstr(value, ==, "BLUE");
        g_assert_cmpuint(returns, ==, 1);
        irp_set_rule(&set);
        g_assert_cmpint(setxattr(path, "user.shape", "round", 5, 0), ==, 0);
        irp_set_rule(NULL);
        memset(value, 0, sizeof(value));
        g_assert_cmpint((int)getxattr(below, "user.shape", value, sizeof(value)), ==, 5);
        g_assert_cmpstr(value, ==, "ROUND");
        tear_down();
}

/* What the bottom puts into a swapped buffer is a whole descriptor, and no more than that is said to be there. */
static void check_descriptor(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PMDL mdl = FltGetSwappedBufferMdlAddress(data);
        struct place place = place_of(data);
        PSECURITY_DESCRIPTOR own;

        g_assert_nonnull(mdl);
        own = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
        g_assert_true(own != *place.buffer);
        g_assert_true(RtlValidSecurityDescriptor(own));
        g_assert_cmpuint(data->IoStatus.Information, ==, RtlLengthSecurityDescriptor(own));
        g_assert_cmpuint(data->IoStatus.Information, <=, place.length);
        g_assert_cmpuint(*(UCHAR *)*place.buffer, ==, 0xee); /* nobody else has written into the first one */
        memcpy(*place.buffer, own, data->IoStatus.Information);
        returns++;
}

static void swap_out_of_marked(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        struct place place = place_of(data);

        memset(*place.buffer, 0xee, place.length);
        swap(data);
}

static void test_swapped_security(void)
{
        const struct irp_rule rule = { .major = IRP_MJ_QUERY_SECURITY, .class = -1, .in_post = true,
                                       .pre = swap_out_of_marked, .post = check_descriptor };
        /* Version 2; owner rw-, user 4321 r--, group r--, mask r--, others --- */
        static const struct {
                uint32_t version;
                struct {
                        uint16_t tag, rights;
                        uint32_t id;
                } entries[5];
        } acl = { 2, { { 0x01, 6, ~0u }, { 0x02, 4, 4321 }, { 0x04, 4, ~0u }, { 0x10, 4, ~0u }, { 0x20, 0, ~0u } } };
        char got[sizeof(acl)];

        set_up();
        IN(path, "f");
        g_autofree char *below = irp_in_source("f");
        touch("f", "x");
        if (setxattr(below, "system.posix_acl_access", &acl, sizeof(acl), 0) < 0) {
                g_test_skip("the temporary directory has no access control lists");
                tear_down();
                return;
        }
        irp_set_rule(&rule);
        g_assert_cmpint((int)getxattr(path, "system.posix_acl_access", got, sizeof(got)), ==, sizeof(acl));
        irp_set_rule(NULL);
        g_assert_cmpmem(got, sizeof(got), &acl, sizeof(acl)); /* the list is more than a descriptor can say */
        g_assert_cmpuint(returns, >=, 1); /* the kernel may ask for it once more, to check permissions */
        tear_down();
}

static void no_violations(void)
{
        g_assert_cmpuint(fm_violation_count(), ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/buffers/swapped-write", test_swapped_write);
        g_test_add_func("/irp/buffers/swapped-read", test_swapped_read);
        g_test_add_func("/irp/buffers/swapped-and-forgotten-read", test_swapped_and_forgotten_read);
        g_test_add_func("/irp/buffers/changed-read", test_changed_read);
        g_test_add_func("/irp/buffers/lock-user-buffer", test_lock_user_buffer);
        g_test_add_func("/irp/buffers/swapped-directory", test_swapped_directory);
        g_test_add_func("/irp/buffers/swapped-attribute", test_swapped_attribute);
        g_test_add_func("/irp/buffers/swapped-security", test_swapped_security);
        g_test_add_func("/irp/buffers/no-violations", no_violations);
        return g_test_run();
}
