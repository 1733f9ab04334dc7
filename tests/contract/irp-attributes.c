/* SPDX-License-Identifier: MIT */
/* Attributes, directories, extended attributes, and what a filter that changes the answer achieves. */
#include "irp-harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fltmgr/objects.h"

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static void test_stat(void)
{
        static const struct irp_rule disallow = {
                .major = IRP_MJ_QUERY_OPEN,
                .class = -1,
                .status = FM_STATUS_DISALLOW_FSFILTER_IO,
                .name_suffix = "\\f",
        };
        struct stat st, real;

        irp_set_up();
        IN(path, "f");
        g_autofree char *source = irp_in_source("f");

        touch("f", "12345");
        irp_watch(fm_major_bit(IRP_MJ_QUERY_OPEN));
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(stat(source, &real), ==, 0);
        g_assert_cmpstr(irp_find("QUERY_OPEN(70)")->token, ==, "QUERY_OPEN(70)");
        /* To the nanosecond, although the structure has less. */
        g_assert_cmpint(st.st_mtim.tv_nsec, ==, real.st_mtim.tv_nsec);
        g_assert_cmpint((int)st.st_ino, ==, (int)real.st_ino);
        g_assert_cmpint((int)st.st_blocks, ==, (int)real.st_blocks);

        irp_watch(~(fm_major_bit(IRP_MJ_QUERY_OPEN) | fm_major_bit(IRP_MJ_QUERY_SECURITY)));
        irp_clear();
        irp_set_rule(&disallow);
        g_assert_cmpint(stat(path, &st), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) QUERY_INFORMATION(70) CLEANUP CLOSE");
        g_assert_cmphex(irp_record(0)->access, ==, FILE_READ_ATTRIBUTES | SYNCHRONIZE);
        irp_set_rule(NULL);
        irp_tear_down();
}

static void enlarge(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FILE_STAT_LX_INFORMATION *info = data->Iopb->Parameters.QueryOpen.FileInformation;

        info->EndOfFile.QuadPart += 1000;
}

static void test_stat_changed(void)
{
        static const struct irp_rule rule = {.major = IRP_MJ_QUERY_OPEN,
                                             .class = -1,
                                             .in_post = true,
                                             .post = enlarge,
                                             .name_suffix = "\\f"};
        struct stat st;

        irp_set_up();
        IN(path, "f");
        touch("f", "12345");
        irp_set_rule(&rule);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 1005);
        irp_set_rule(NULL);
        irp_tear_down();
}

static int count_entries(const char *path, const char *look_for, bool *found)
{
        DIR *dir = opendir(path);
        struct dirent *entry;
        int count = 0;

        g_assert_nonnull(dir);
        *found = false;
        while ((entry = readdir(dir))) {
                count++;
                if (look_for && strcmp(entry->d_name, look_for) == 0)
                        *found = true;
        }
        closedir(dir);
        return count;
}

/* An encrypting filter's view: whatever answer the kernel takes the size from, it is the same. */
static void enlarge_all(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FILE_STAT_LX_INFORMATION *info = data->Iopb->MajorFunction == IRP_MJ_QUERY_OPEN
                                                 ? data->Iopb->Parameters.QueryOpen.FileInformation
                                                 : data->Iopb->Parameters.QueryFileInformation.InfoBuffer;

        if (!(info->FileAttributes & FILE_ATTRIBUTE_DIRECTORY))
                info->EndOfFile.QuadPart += 1000;
}

/* What the kernel was told last. */
static int told_size(const char *path)
{
        struct statx stx;

        g_assert_cmpint(statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_SIZE, &stx), ==, 0);
        return (int)stx.stx_size;
}

static void test_size_view(void)
{
        static const struct irp_rule rule = {.major = IRP_MJ_QUERY_OPEN,
                                             .other_major = IRP_MJ_QUERY_INFORMATION,
                                             .class = -1,
                                             .in_post = true,
                                             .post = enlarge_all};
        struct stat st;
        bool found;
        int fd;

        irp_set_up();
        IN(path, "f");
        IN(other, "other");
        IN(made, "made");
        touch("f", "12345");
        irp_set_rule(&rule);
        fd = open(path, O_RDWR);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 1005);
        g_assert_cmpint((int)lseek(fd, 0, SEEK_END), ==, 1005);
        g_assert_cmpint(ftruncate(fd, 3), ==, 0);
        g_assert_cmpint(told_size(path), ==, 1003); /* setattr's answer */
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 1003);
        g_assert_cmpint(truncate(path, 7), ==, 0);
        g_assert_cmpint(told_size(path), ==, 1007);
        g_assert_cmpint(chmod(path, 0600), ==, 0);
        g_assert_cmpint(told_size(path), ==, 1007);
        g_assert_cmpint(link(path, other), ==, 0);
        g_assert_cmpint(told_size(other), ==, 1007); /* link's */
        g_assert_cmpint(rename(other, path), ==, 0); /* one file: nothing happens */
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmpint(told_size(other), ==, 1007); /* lookup's */
        count_entries(irp_mount, "other", &found);
        g_assert_cmpint(told_size(other), ==, 1007); /* readdirplus' */
        close(fd);
        fd = open(made, O_RDWR | O_CREAT, 0600);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 1000);
        g_assert_cmpint((int)write(fd, "xy", 2), ==, 2);
        g_assert_cmpint(stat(made, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 1002);
        close(fd);
        fd = open(made, O_RDWR | O_CREAT | O_TRUNC, 0600);
        g_assert_cmpint(stat(made, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 1000);
        close(fd);
        /* It goes with the filter. */
        g_assert_cmpint(stat(other, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 1007);
        irp_detach();
        g_assert_cmpint(told_size(other), ==, 7);
        irp_tear_down();
}

static void test_setattr(void)
{
        const struct timespec times[2] = {{.tv_sec = 1000000000, .tv_nsec = 123456789},
                                          {.tv_sec = 1100000000, .tv_nsec = 987654321}};
        struct stat st;

        irp_set_up();
        IN(path, "f");
        touch("f", "12345");
        irp_clear();
        g_assert_cmpint(chmod(path, 04751), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) SET_SECURITY(4) CLEANUP CLOSE");
        g_assert_cmphex(irp_record(0)->access & WRITE_DAC, ==, WRITE_DAC);
        irp_clear();
        g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) SET_INFORMATION(4) CLEANUP CLOSE");
        irp_clear();
        g_assert_cmpint(truncate(path, 3), ==, 0);
        irp_expect("CREATE(OPEN,NONDIR) SET_INFORMATION(20) CLEANUP CLOSE");
        g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint((int)st.st_size, ==, 3);
        g_assert_cmpint(st.st_mode & 0777, ==, 0751);
        g_assert_cmpint(st.st_mtim.tv_sec, ==, 1100000000);
        g_assert_cmpint(st.st_mtim.tv_nsec, ==, 987654321);
        if (geteuid() == 0) {
                irp_clear();
                g_assert_cmpint(chown(path, 1234, 4321), ==, 0);
                g_assert_cmphex(irp_find("SET_SECURITY(3)")->operation_flags, ==, 0);
                g_assert_cmpint(stat(path, &st), ==, 0);
                g_assert_cmpint((int)st.st_uid, ==, 1234);
                g_assert_cmpint((int)st.st_gid, ==, 4321);
        }
        irp_tear_down();
}

static void test_setattr_denied(void)
{
        static const struct irp_rule deny = {
                .major = IRP_MJ_SET_SECURITY, .class = -1, .status = STATUS_PRIVILEGE_NOT_HELD};

        irp_set_up();
        IN(path, "f");
        touch("f", "x");
        irp_clear();
        irp_set_rule(&deny);
        g_assert_cmpint(chmod(path, 0600), ==, -1);
        g_assert_cmpint(errno, ==, EPERM);
        irp_expect("CREATE(OPEN,REPARSE) SET_SECURITY(4) CLEANUP CLOSE");
        irp_set_rule(NULL);
        irp_tear_down();
}

static ULONG basic_attributes;

static void note_basic(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        basic_attributes =
                ((FILE_BASIC_INFORMATION *)data->Iopb->Parameters.SetFileInformation.InfoBuffer)->FileAttributes;
}

static mode_t mode_of(const char *path)
{
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        return st.st_mode & 07777;
}

/* A mode from which or to which nobody may write is an attribute as well. */
static void test_read_only(void)
{
        static const struct irp_rule noting = {
                .major = IRP_MJ_SET_INFORMATION, .class = FileBasicInformation, .pre = note_basic};
        static const struct irp_rule refuse = {
                .major = IRP_MJ_SET_INFORMATION, .class = FileBasicInformation, .status = STATUS_ACCESS_DENIED};
        int fd;

        irp_set_up();
        IN(path, "f");
        IN(directory, "d");
        touch("f", "x");
        g_assert_cmpint(chmod(path, 0644), ==, 0);
        irp_set_rule(&noting);
        irp_clear();
        g_assert_cmpint(chmod(path, 0555), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) SET_SECURITY(4) SET_INFORMATION(4) CLEANUP CLOSE");
        irp_set_rule(&noting);
        g_assert_cmphex(basic_attributes, ==, FILE_ATTRIBUTE_READONLY);
        g_assert_cmpint(mode_of(path), ==, 0555);
        irp_clear();
        g_assert_cmpint(chmod(path, 0400), ==, 0); /* as before, to Windows */
        irp_expect("CREATE(OPEN,REPARSE) SET_SECURITY(4) CLEANUP CLOSE");
        irp_clear();
        fd = open(path, O_RDONLY);
        irp_expect("CREATE(OPEN,NONDIR)");
        irp_clear();
        g_assert_cmpint(fchmod(fd, 0620), ==, 0);
        close(fd);
        irp_expect("CREATE(OPEN,REPARSE) SET_SECURITY(4) SET_INFORMATION(4) CLEANUP CLOSE CLEANUP CLOSE");
        irp_set_rule(&noting);
        g_assert_cmphex(basic_attributes, ==, FILE_ATTRIBUTE_NORMAL);
        g_assert_cmpint(mode_of(path), ==, 0620);
        /* Refused in its second half, the whole did not happen. */
        irp_set_rule(&refuse);
        g_assert_cmpint(chmod(path, 0444), ==, -1);
        g_assert_cmpint(errno, ==, EACCES);
        irp_set_rule(NULL);
        g_assert_cmpint(mode_of(path), ==, 0620);
        /* A directory's has another meaning on Windows. */
        g_assert_cmpint(mkdir(directory, 0700), ==, 0);
        irp_clear();
        g_assert_cmpint(chmod(directory, 0500), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) SET_SECURITY(4) CLEANUP CLOSE");
        irp_tear_down();
}

/* Takes the entry "hidden" out of the list, as filters that hide files do. */
static void hide(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        UCHAR *at = data->Iopb->Parameters.DirectoryControl.QueryDirectory.DirectoryBuffer;
        FILE_ID_BOTH_DIR_INFORMATION *before = NULL, *entry;

        for (;; at += entry->NextEntryOffset) {
                entry = (FILE_ID_BOTH_DIR_INFORMATION *)at;
                if (entry->FileNameLength == 12 && memcmp(entry->FileName, L"hidden", 12) == 0) {
                        g_assert_nonnull(before); /* "." is always there */
                        before->NextEntryOffset =
                                entry->NextEntryOffset ? before->NextEntryOffset + entry->NextEntryOffset : 0;
                        if (entry->NextEntryOffset == 0)
                                return;
                        continue;
                }
                before = entry;
                if (entry->NextEntryOffset == 0)
                        return;
        }
}

static void test_readdir(void)
{
        static const struct irp_rule rule = {
                .major = IRP_MJ_DIRECTORY_CONTROL, .class = -1, .in_post = true, .post = hide};
        bool found;
        int i, count;

        irp_set_up();
        touch("a", "x");
        irp_clear();
        g_assert_cmpint(count_entries(irp_mount, "a", &found), ==, 3);
        g_assert_true(found);
        irp_expect("CREATE(OPEN,DIR) DIRECTORY_CONTROL DIRECTORY_CONTROL CLEANUP CLOSE");
        g_assert_cmphex(irp_record(1)->operation_flags, ==, SL_RESTART_SCAN);
        g_assert_cmphex((guint)irp_record(2)->status, ==, (guint)STATUS_NO_MORE_FILES);

        /* More than fit into one answer. */
        for (i = 0; i < 2000; i++) {
                g_autofree char *name = g_strdup_printf("a-file-with-some-name-%d", i);
                touch(name, "");
        }
        touch("hidden", "x");
        count = count_entries(irp_mount, "hidden", &found);
        g_assert_cmpint(count, ==, 2004);
        g_assert_true(found);
        irp_set_rule(&rule);
        count = count_entries(irp_mount, "hidden", &found);
        irp_set_rule(NULL);
        g_assert_cmpint(count, ==, 2003);
        g_assert_false(found);
        irp_tear_down();
}

/* How a filter may say that there is nothing (more). */
static unsigned empty_answers;

static void answer_with_nothing(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        /* Not for ever: this test has to end. */
        data->IoStatus.Status = ++empty_answers > 10 ? STATUS_NO_MORE_FILES : STATUS_SUCCESS;
        data->IoStatus.Information = 0;
        FltCompletePendedPreOperation(data, FLT_PREOP_COMPLETE, NULL);
}

static void test_readdir_ends(void)
{
        static const struct irp_rule rules[] = {
                {.major = IRP_MJ_DIRECTORY_CONTROL, .class = -1, .status = STATUS_NO_SUCH_FILE},
                {.major = IRP_MJ_DIRECTORY_CONTROL, .class = -1, .status = STATUS_NO_MORE_FILES},
                {.major = IRP_MJ_DIRECTORY_CONTROL, .class = -1, .pre = answer_with_nothing, .pends = true},
        };
        bool found;

        irp_set_up();
        touch("a", "x");
        for (unsigned i = 0; i < G_N_ELEMENTS(rules); i++) {
                irp_set_rule(&rules[i]);
                g_assert_cmpint(count_entries(irp_mount, "a", &found), ==, 0);
                irp_set_rule(NULL);
                g_assert_cmpint(count_entries(irp_mount, "a", &found), ==, 3);
        }
        g_assert_cmpuint(empty_answers, ==, 1);
        irp_tear_down();
}

/* Puts an entry "added" behind those of the first query, as filters that inject files do. */
static void inject(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        static const WCHAR name[] = L"added";
        UCHAR *buffer = data->Iopb->Parameters.DirectoryControl.QueryDirectory.DirectoryBuffer, *at = buffer;
        ULONG place = (ULONG)((data->IoStatus.Information + 7) & ~(ULONG_PTR)7);
        ULONG size = FIELD_OFFSET(FILE_ID_BOTH_DIR_INFORMATION, FileName) + sizeof(name) - sizeof(WCHAR);
        FILE_ID_BOTH_DIR_INFORMATION *last, *added = (FILE_ID_BOTH_DIR_INFORMATION *)(buffer + place);

        if (!(data->Iopb->OperationFlags & SL_RESTART_SCAN) ||
            place + size > data->Iopb->Parameters.DirectoryControl.QueryDirectory.Length)
                return;
        for (last = (void *)at; last->NextEntryOffset; last = (void *)at)
                at += last->NextEntryOffset;
        last->NextEntryOffset = (ULONG)(buffer + place - at);
        memset(added, 0, size);
        added->FileAttributes = FILE_ATTRIBUTE_NORMAL;
        added->FileId.QuadPart = 4711;
        added->FileNameLength = sizeof(name) - sizeof(WCHAR);
        memcpy(added->FileName, name, added->FileNameLength);
        data->IoStatus.Information = place + size;
}

static void test_inject(void)
{
        static const struct irp_rule rule = {
                .major = IRP_MJ_DIRECTORY_CONTROL, .class = -1, .in_post = true, .post = inject};
        bool found;

        irp_set_up();
        touch("a", "x");
        touch("b", "x");
        irp_set_rule(&rule);
        g_assert_cmpint(count_entries(irp_mount, "added", &found), ==, 5);
        irp_set_rule(NULL);
        g_assert_true(found);
        irp_tear_down();
}

/* telldir and seekdir work over what filters see. */
static void test_seekdir(void)
{
        g_autofree char *expected = NULL;
        struct dirent *entry;
        long middle = 0;
        DIR *dir;
        int i;

        irp_set_up();
        for (i = 0; i < 300; i++) {
                g_autofree char *name = g_strdup_printf("f%d", i);
                touch(name, "");
        }
        dir = opendir(irp_mount);
        g_assert_nonnull(dir);
        for (i = 0; i < 100; i++)
                g_assert_nonnull(readdir(dir));
        middle = telldir(dir);
        entry = readdir(dir);
        expected = g_strdup(entry->d_name);
        while (readdir(dir))
                ;
        seekdir(dir, middle);
        entry = readdir(dir);
        g_assert_nonnull(entry);
        g_assert_cmpstr(entry->d_name, ==, expected);
        rewinddir(dir);
        for (i = 0; readdir(dir); i++)
                ;
        g_assert_cmpint(i, ==, 302);
        closedir(dir);
        irp_tear_down();
}

static void test_xattr(void)
{
        char value[64];
        char list[256];
        ssize_t size;

        irp_set_up();
        IN(path, "f");
        touch("f", "x");
        if (setxattr(path, "user.probe", "v", 1, 0) < 0 && errno == EOPNOTSUPP) {
                g_test_skip("no user xattrs here");
                irp_tear_down();
                return;
        }
        g_assert_cmpint(removexattr(path, "user.probe"), ==, 0);
        irp_clear();
        g_assert_cmpint(setxattr(path, "user.Color", "blue", 4, XATTR_CREATE), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) SET_EA CLEANUP CLOSE");
        g_assert_cmpint(setxattr(path, "user.Color", "x", 1, XATTR_CREATE), ==, -1);
        g_assert_cmpint(errno, ==, EEXIST);
        irp_clear();
        g_assert_cmpint((int)getxattr(path, "user.Color", value, sizeof(value)), ==, 4);
        g_assert_cmpint(memcmp(value, "blue", 4), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) QUERY_EA CLEANUP CLOSE");
        g_assert_cmpint((int)getxattr(path, "user.Color", NULL, 0), ==, 4);
        g_assert_cmpint((int)getxattr(path, "user.Color", value, 2), ==, -1);
        g_assert_cmpint(errno, ==, ERANGE);
        g_assert_cmpint((int)getxattr(path, "user.none", value, sizeof(value)), ==, -1);
        g_assert_cmpint(errno, ==, ENODATA);
        g_assert_cmpint(setxattr(path, "user.empty", "", 0, 0), ==, 0);
        g_assert_cmpint((int)getxattr(path, "user.empty", value, sizeof(value)), ==, 0);
        irp_clear();
        size = listxattr(path, list, sizeof(list));
        g_assert_cmpint((int)size, ==, (int)(sizeof("user.Color") + sizeof("user.empty")));
        irp_expect("CREATE(OPEN,REPARSE) QUERY_EA CLEANUP CLOSE");
        irp_clear();
        g_assert_cmpint(removexattr(path, "user.Color"), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) SET_EA CLEANUP CLOSE");
        g_assert_cmpint(removexattr(path, "user.Color"), ==, -1);
        g_assert_cmpint(errno, ==, ENODATA);
        /* A name that no EA can have goes its way unseen. */
        irp_clear();
        g_assert_cmpint(setxattr(path, "user.with:colon", "1", 1, 0), ==, 0);
        g_assert_cmpint((int)getxattr(path, "user.with:colon", value, sizeof(value)), ==, 1);
        /* Nor do those of the other namespaces have a counterpart. */
        if (geteuid() == 0) {
                g_assert_cmpint(setxattr(path, "trusted.probe", "1", 1, 0), ==, 0);
                g_assert_cmpint((int)getxattr(path, "trusted.probe", value, sizeof(value)), ==, 1);
                g_assert_cmpint(removexattr(path, "trusted.probe"), ==, 0);
        }
        irp_expect("");
        irp_tear_down();
}

/* An ACL is asked for as security, by those who want to see that. */
static void test_query_acl(void)
{
        char value[64];

        irp_set_up();
        IN(path, "f");
        touch("f", "x");
        irp_watch(IRP_WATCH_DEFAULT | fm_major_bit(IRP_MJ_QUERY_SECURITY));
        irp_clear();
        g_assert_cmpint((int)getxattr(path, "system.posix_acl_access", value, sizeof(value)), ==, -1);
        if (errno == EOPNOTSUPP) {
                g_test_skip("the file system has no access control lists");
        } else {
                g_assert_cmpint(errno, ==, ENODATA);
                irp_expect("CREATE(OPEN,REPARSE) QUERY_SECURITY CLEANUP CLOSE");
                g_assert_cmphex(irp_record(0)->access, ==, READ_CONTROL | SYNCHRONIZE);
        }
        irp_tear_down();
}

static void test_statfs(void)
{
        struct statvfs fs, real;

        irp_set_up();
        irp_clear();
        g_assert_cmpint(statvfs(irp_mount, &fs), ==, 0);
        irp_expect("CREATE(OPEN,REPARSE) QUERY_VOLUME(7) QUERY_VOLUME(5) CLEANUP CLOSE");
        g_assert_cmpint(statvfs(irp_source, &real), ==, 0);
        g_assert_cmpuint(fs.f_blocks, ==, real.f_blocks);
        g_assert_cmpuint(fs.f_frsize, ==, real.f_frsize);
        g_assert_cmpuint(fs.f_namemax, ==, real.f_namemax);
        irp_tear_down();
}

/* What a filter can ask of an open file, by class: the answer, and the shortest buffer that is not refused.
 */
static NTSTATUS asked[12];
static FILE_ALL_INFORMATION *all;
static FILE_NAME_INFORMATION *name;
static UCHAR all_buffer[1024], name_buffer[1024];

static void ask(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_INSTANCE instance = objects->Instance;
        PFILE_OBJECT file = objects->FileObject;
        UCHAR buffer[256];
        FILE_INTERNAL_INFORMATION internal;
        FILE_STANDARD_INFORMATION standard;
        FILE_STREAM_INFORMATION *stream = (FILE_STREAM_INFORMATION *)buffer;
        ULONG length;

        all = (FILE_ALL_INFORMATION *)all_buffer;
        name = (FILE_NAME_INFORMATION *)name_buffer;
        asked[0] = FltQueryInformationFile(instance, file, all_buffer, sizeof(all_buffer), FileAllInformation,
                                           &length);
        asked[1] = FltQueryInformationFile(instance, file, name_buffer, sizeof(name_buffer),
                                           FileNameInformation, &length);
        asked[2] = FltQueryInformationFile(instance, file, buffer, 10, FileNameInformation, &length);
        asked[3] = FltQueryInformationFile(instance, file, &standard, sizeof(standard) - 1,
                                           FileStandardInformation, &length);
        asked[4] = FltQueryInformationFile(instance, file, &internal, sizeof(internal),
                                           FileInternalInformation, &length);
        asked[5] = FltQueryInformationFile(instance, file, buffer, sizeof(buffer), FileStreamInformation,
                                           &length);
        if (NT_SUCCESS(asked[5]) &&
            (stream->StreamNameLength != 14 || memcmp(stream->StreamName, L"::$DATA", 14) != 0))
                asked[5] = STATUS_UNSUCCESSFUL;
        asked[6] = FltQueryInformationFile(instance, file, buffer, sizeof(buffer),
                                           FileAlternateNameInformation, &length);
        asked[7] = FltQueryInformationFile(instance, file, buffer, sizeof(buffer),
                                           (FILE_INFORMATION_CLASS)200, &length);
        asked[8] = FltQueryInformationFile(instance, file, buffer, sizeof(buffer),
                                           FileAttributeTagInformation, &length);
}

static void test_query_classes(void)
{
        static const struct irp_rule rule = {
                .major = IRP_MJ_CREATE, .class = -1, .in_post = true, .post = ask};
        struct stat st;
        int fd;

        irp_set_up();
        IN(path, "some-file");
        touch("some-file", "12345");
        irp_set_rule(&rule);
        fd = open(path, O_RDONLY);
        irp_set_rule(NULL);
        g_assert_cmpint(fd, >=, 0);
        fstat(fd, &st);
        close(fd);
        g_assert_cmphex((guint)asked[0], ==, STATUS_SUCCESS);
        g_assert_cmpint((int)all->StandardInformation.EndOfFile.QuadPart, ==, 5);
        g_assert_cmpint((int)all->InternalInformation.IndexNumber.QuadPart, ==, (int)st.st_ino);
        g_assert_cmphex((guint)asked[1], ==, STATUS_SUCCESS);
        g_assert_cmpuint(name->FileNameLength, ==, 20);
        g_assert_cmpint(memcmp(name->FileName, L"\\some-file", 20), ==, 0);
        g_assert_cmphex((guint)asked[2], ==, (guint)STATUS_BUFFER_OVERFLOW);
        g_assert_cmphex((guint)asked[3], ==, (guint)STATUS_INFO_LENGTH_MISMATCH);
        g_assert_cmphex((guint)asked[4], ==, STATUS_SUCCESS);
        g_assert_cmphex((guint)asked[5], ==, STATUS_SUCCESS);
        g_assert_cmphex((guint)asked[6], ==, (guint)STATUS_OBJECT_NAME_NOT_FOUND);
        g_assert_cmphex((guint)asked[7], ==, (guint)STATUS_INVALID_INFO_CLASS);
        g_assert_cmphex((guint)asked[8], ==, STATUS_SUCCESS);
        irp_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/irp/attributes/stat", test_stat);
        g_test_add_func("/irp/attributes/stat-changed", test_stat_changed);
        g_test_add_func("/irp/attributes/size-view", test_size_view);
        g_test_add_func("/irp/attributes/setattr", test_setattr);
        g_test_add_func("/irp/attributes/setattr-denied", test_setattr_denied);
        g_test_add_func("/irp/attributes/read-only", test_read_only);
        g_test_add_func("/irp/attributes/readdir", test_readdir);
        g_test_add_func("/irp/attributes/readdir-ends", test_readdir_ends);
        g_test_add_func("/irp/attributes/inject", test_inject);
        g_test_add_func("/irp/attributes/seekdir", test_seekdir);
        g_test_add_func("/irp/attributes/xattr", test_xattr);
        g_test_add_func("/irp/attributes/query-acl", test_query_acl);
        g_test_add_func("/irp/attributes/statfs", test_statfs);
        g_test_add_func("/irp/attributes/query-classes", test_query_classes);
        return g_test_run();
}
