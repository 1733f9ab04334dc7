/* SPDX-License-Identifier: MIT */
/*
 * The members of the operations that system calls make: what each create asks for, and the buffers that go
 * down with the rest. Row by row; which operations there are, and in what order, is for the other irp tests.
 */
#include "irp-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fltmgr/objects.h"
#include "nt/unicode.h"

enum { SEEN_MAX = 8, INPUT_MAX = 512 };

/* One operation as the filter saw it before. */
struct seen {
        UCHAR major;
        char name[64];
        ULONG data_flags, irp_flags, pid;
        UCHAR operation_flags;
        KPROCESSOR_MODE mode;
        /* create */
        ACCESS_MASK access, state_access;
        ULONG options, full_options;
        USHORT attributes, share;
        /* the rest */
        ULONG class, length, key;
        bool has_parent; /* ParentOfTarget */
        bool has_mdl;
        LONGLONG offset;
        UCHAR input[INPUT_MAX];
};

static struct {
        pthread_mutex_t lock;
        struct seen seen[SEEN_MAX];
        unsigned count;
} notes = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_rest(struct seen *seen, const FLT_IO_PARAMETER_BLOCK *iopb)
{
        const FLT_PARAMETERS *parameters = &iopb->Parameters;
        const void *input = NULL;

        switch (iopb->MajorFunction) {
        case IRP_MJ_CREATE:
                seen->access = parameters->Create.SecurityContext->DesiredAccess;
                seen->state_access = parameters->Create.SecurityContext->AccessState->OriginalDesiredAccess;
                seen->full_options = parameters->Create.SecurityContext->FullCreateOptions;
                seen->options = parameters->Create.Options;
                seen->attributes = parameters->Create.FileAttributes;
                seen->share = parameters->Create.ShareAccess;
                break;
        case IRP_MJ_SET_INFORMATION:
                seen->class = (ULONG)parameters->SetFileInformation.FileInformationClass;
                seen->length = parameters->SetFileInformation.Length;
                seen->has_parent = parameters->SetFileInformation.ParentOfTarget != NULL;
                input = parameters->SetFileInformation.InfoBuffer;
                break;
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                seen->class = parameters->FileSystemControl.Common.FsControlCode;
                seen->length = parameters->FileSystemControl.Common.InputBufferLength;
                input = (seen->class & 3) == METHOD_BUFFERED ? parameters->FileSystemControl.Buffered.SystemBuffer
                                                             : parameters->FileSystemControl.Neither.InputBuffer;
                break;
        case IRP_MJ_READ:
                seen->offset = parameters->Read.ByteOffset.QuadPart;
                seen->length = parameters->Read.Length;
                seen->key = parameters->Read.Key;
                seen->has_mdl = parameters->Read.MdlAddress != NULL;
                break;
        case IRP_MJ_WRITE:
                seen->offset = parameters->Write.ByteOffset.QuadPart;
                seen->length = parameters->Write.Length;
                seen->key = parameters->Write.Key;
                seen->has_mdl = parameters->Write.MdlAddress != NULL;
                input = parameters->Write.WriteBuffer;
                break;
        case IRP_MJ_DIRECTORY_CONTROL:
                seen->class = (ULONG)parameters->DirectoryControl.QueryDirectory.FileInformationClass;
                seen->length = parameters->DirectoryControl.QueryDirectory.Length;
                seen->has_parent = parameters->DirectoryControl.QueryDirectory.FileName != NULL;
                break;
        default:
                break;
        }
        if (input)
                memcpy(seen->input, input, MIN(seen->length, sizeof(seen->input)));
}

static void note(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        struct seen *seen;
        char *name;

        pthread_mutex_lock(&notes.lock);
        if (notes.count < SEEN_MAX) {
                seen = &notes.seen[notes.count++];
                memset(seen, 0, sizeof(*seen));
                name = fm_utf8_from_utf16(objects->FileObject->FileName.Buffer,
                                          objects->FileObject->FileName.Length / sizeof(WCHAR));
                g_strlcpy(seen->name, name, sizeof(seen->name));
                free(name);
                seen->major = data->Iopb->MajorFunction;
                seen->data_flags = data->Flags;
                seen->irp_flags = data->Iopb->IrpFlags;
                seen->operation_flags = data->Iopb->OperationFlags;
                seen->pid = FltGetRequestorProcessId(data);
                seen->mode = data->RequestorMode;
                note_rest(seen, data->Iopb);
        }
        pthread_mutex_unlock(&notes.lock);
}

static struct irp_rule rule = {.class = -1, .pre = note};

/* What comes of these two from here on. */
static void begin_notes(UCHAR major, UCHAR other)
{
        irp_set_rule(NULL);
        rule.major = major;
        rule.other_major = other;
        pthread_mutex_lock(&notes.lock);
        notes.count = 0;
        pthread_mutex_unlock(&notes.lock);
        irp_set_rule(&rule);
}

/* The n-th of a major. */
static struct seen noted(UCHAR major, unsigned n)
{
        struct seen seen = {0};
        bool found = false;

        pthread_mutex_lock(&notes.lock);
        for (unsigned i = 0; i < notes.count && !found; i++)
                if (notes.seen[i].major == major && n-- == 0) {
                        seen = notes.seen[i];
                        found = true;
                }
        pthread_mutex_unlock(&notes.lock);
        if (!found)
                g_error("there was no such operation of major %02x", major);
        return seen;
}

static void touch(const char *name, const char *content)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_true(g_file_set_contents(path, content, -1, NULL));
}

static void make_directory(const char *name)
{
        g_autofree char *path = irp_in_source(name);

        g_assert_cmpint(mkdir(path, 0700), ==, 0);
}

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

/* What holds of each create that stands for a system call. */
static void check_common(const struct seen *seen)
{
        g_assert_cmphex(seen->irp_flags, ==, IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API);
        g_assert_cmphex(seen->operation_flags & ~SL_OPEN_TARGET_DIRECTORY, ==, SL_CASE_SENSITIVE);
        g_assert_cmphex(seen->data_flags & FLTFL_CALLBACK_DATA_GENERATED_IO, ==, 0);
        g_assert_cmphex(seen->data_flags & FLTFL_CALLBACK_DATA_IRP_OPERATION, ==, FLTFL_CALLBACK_DATA_IRP_OPERATION);
        g_assert_cmpint(seen->mode, ==, UserMode);
        g_assert_cmpuint(seen->pid, ==, (guint)getpid()); /* of a thread that is not the first */
        g_assert_cmphex(seen->share, ==, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
        g_assert_cmphex(seen->options & FILE_SYNCHRONOUS_IO_NONALERT, ==, FILE_SYNCHRONOUS_IO_NONALERT);
        g_assert_cmphex(seen->full_options, ==, seen->options & 0xffffff);
        g_assert_cmphex(seen->state_access, ==, seen->access);
}

/* ---- open(2) ---- */

#define READS  FILE_GENERIC_READ
#define WRITES FILE_GENERIC_WRITE

/* Each flag of open(2); files that an open makes are called "new". */
static const struct flag {
        const char *name;
        int flags;
        mode_t mode;
        const char *file;
        ACCESS_MASK access;
        ULONG disposition, options;
        USHORT attributes;
} flags[] = {
        {"read", O_RDONLY, 0, "f", 0x120089, FILE_OPEN, FILE_NON_DIRECTORY_FILE},
        {"write", O_WRONLY, 0, "f", 0x120116, FILE_OPEN, FILE_NON_DIRECTORY_FILE},
        {"read-write", O_RDWR, 0, "f", 0x12019f, FILE_OPEN, FILE_NON_DIRECTORY_FILE},
        {"append", O_WRONLY | O_APPEND, 0, "f", 0x120114, FILE_OPEN, FILE_NON_DIRECTORY_FILE},
        {"read-append", O_RDWR | O_APPEND, 0, "f", 0x12019d, FILE_OPEN, FILE_NON_DIRECTORY_FILE},
        {"truncate", O_WRONLY | O_TRUNC, 0, "f", WRITES, FILE_OVERWRITE, FILE_NON_DIRECTORY_FILE},
        {"create", O_WRONLY | O_CREAT, 0600, "new", WRITES, FILE_OPEN_IF, FILE_NON_DIRECTORY_FILE},
        {"create-read-only", O_WRONLY | O_CREAT, 0444, "new", WRITES, FILE_OPEN_IF, FILE_NON_DIRECTORY_FILE,
         FILE_ATTRIBUTE_READONLY},
        {"exclusive", O_RDWR | O_CREAT | O_EXCL, 0600, "new", READS | WRITES, FILE_CREATE, FILE_NON_DIRECTORY_FILE},
        {"create-truncate", O_WRONLY | O_CREAT | O_TRUNC, 0600, "new", WRITES, FILE_OVERWRITE_IF,
         FILE_NON_DIRECTORY_FILE},
        {"exclusive-truncate", O_WRONLY | O_CREAT | O_EXCL | O_TRUNC, 0600, "new", WRITES, FILE_CREATE,
         FILE_NON_DIRECTORY_FILE},
        {"directory", O_RDONLY | O_DIRECTORY, 0, "d", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN,
         FILE_DIRECTORY_FILE},
        {"directory-itself", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, "d", FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_OPEN,
         FILE_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT},
        {"sync", O_WRONLY | O_SYNC, 0, "f", WRITES, FILE_OPEN, FILE_NON_DIRECTORY_FILE | FILE_WRITE_THROUGH},
        {"data-sync", O_WRONLY | O_DSYNC, 0, "f", WRITES, FILE_OPEN, FILE_NON_DIRECTORY_FILE | FILE_WRITE_THROUGH},
        {"direct", O_RDONLY | O_DIRECT, 0, "f", READS, FILE_OPEN,
         FILE_NON_DIRECTORY_FILE | FILE_NO_INTERMEDIATE_BUFFERING},
        {"no-follow", O_RDONLY | O_NOFOLLOW, 0, "f", READS, FILE_OPEN,
         FILE_NON_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT},
        {"temporary", O_RDWR | O_TMPFILE, 0600, "", READS | WRITES | DELETE, FILE_CREATE,
         FILE_NON_DIRECTORY_FILE | FILE_DELETE_ON_CLOSE, FILE_ATTRIBUTE_TEMPORARY},
        {"no-counterpart", O_RDONLY | O_NOATIME | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0, "f", READS, FILE_OPEN,
         FILE_NON_DIRECTORY_FILE},
};

static gpointer open_on_thread(gpointer data)
{
        const struct flag *flag = data;
        g_autofree char *path = irp_in_mount(flag->file);

        return GINT_TO_POINTER(open(path, flag->flags, flag->mode));
}

static void test_flag(gconstpointer data)
{
        const struct flag *flag = data;
        struct seen seen;
        int fd;

        irp_set_up();
        touch("f", "content");
        make_directory("d");
        begin_notes(IRP_MJ_CREATE, 0);
        fd = GPOINTER_TO_INT(g_thread_join(g_thread_new("open", open_on_thread, (gpointer)data)));
        irp_set_rule(NULL);
        if (fd < 0 && flag->flags & (O_DIRECT | O_TMPFILE) & ~O_DIRECTORY) {
                g_test_skip("the file system can't");
                irp_tear_down();
                return;
        }
        g_assert_cmpint(fd, >=, 0);
        seen = noted(IRP_MJ_CREATE, 0);
        check_common(&seen);
        g_assert_cmphex(seen.access, ==, flag->access);
        g_assert_cmphex(seen.options, ==, flag->disposition << 24 | flag->options | FILE_SYNCHRONOUS_IO_NONALERT);
        g_assert_cmphex(seen.attributes, ==, flag->attributes ? flag->attributes : FILE_ATTRIBUTE_NORMAL);
        if (*flag->file)
                g_assert_cmpstr(seen.name + 1, ==, flag->file);
        close(fd);
        irp_tear_down();
}

/* ---- creates of the other requests ---- */

static int act_unlink(const char *f, const char *other)
{
        return unlink(f);
}

static int act_rmdir(const char *d, const char *other)
{
        return rmdir(d);
}

static int act_mkdir(const char *unused, const char *other)
{
        return mkdir(other, 0700);
}

static int act_mknod(const char *unused, const char *other)
{
        return mknod(other, S_IFREG | 0600, 0);
}

static int act_mkfifo(const char *unused, const char *other)
{
        return mkfifo(other, 0600);
}

static int act_symlink(const char *unused, const char *other)
{
        return symlink("f", other);
}

static int act_readlink(const char *l, const char *other)
{
        char target[8];

        return readlink(l, target, sizeof(target)) == 1 ? 0 : -1;
}

static int act_rename(const char *f, const char *other)
{
        return rename(f, other);
}

static int act_link(const char *f, const char *other)
{
        return link(f, other);
}

static int act_chmod(const char *f, const char *other)
{
        return chmod(f, 0755);
}

static int act_chmod_read_only(const char *f, const char *other)
{
        return chmod(f, 0444);
}

static int act_chown(const char *f, const char *other)
{
        return chown(f, getuid(), getgid());
}

static int act_utimes(const char *f, const char *other)
{
        return utimensat(AT_FDCWD, f, NULL, 0);
}

static int act_truncate(const char *f, const char *other)
{
        return truncate(f, 3);
}

static int act_statfs(const char *f, const char *other)
{
        struct statvfs fs;

        return statvfs(f, &fs);
}

static int act_getxattr(const char *f, const char *other)
{
        char value[8];

        return getxattr(f, "user.x", value, sizeof(value)) == 1 ? 0 : -1;
}

static int act_setxattr(const char *f, const char *other)
{
        return setxattr(f, "user.y", "1", 1, 0);
}

#define NONDIR  FILE_NON_DIRECTORY_FILE
#define REPARSE FILE_OPEN_REPARSE_POINT

static const struct other {
        const char *name;
        int (*act)(const char *path, const char *other);
        const char *file;
        unsigned nth; /* create of this name */
        ACCESS_MASK access;
        ULONG disposition, options;
        USHORT attributes;
        UCHAR flags;
} others[] = {
        {"unlink", act_unlink, "f", 0, DELETE | SYNCHRONIZE, FILE_OPEN, NONDIR | REPARSE},
        {"rmdir", act_rmdir, "d", 0, DELETE | SYNCHRONIZE, FILE_OPEN, FILE_DIRECTORY_FILE | REPARSE},
        {"mkdir", act_mkdir, "other", 0, FILE_LIST_DIRECTORY | SYNCHRONIZE, FILE_CREATE, FILE_DIRECTORY_FILE,
         FILE_ATTRIBUTE_DIRECTORY},
        {"mknod", act_mknod, "other", 0, FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE, FILE_CREATE,
         NONDIR},
        {"mkfifo", act_mkfifo, "other", 0, FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE, FILE_CREATE,
         NONDIR | REPARSE},
        {"symlink", act_symlink, "other", 0, FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE, FILE_CREATE,
         NONDIR | REPARSE},
        {"readlink", act_readlink, "l", 0, FILE_READ_ATTRIBUTES | SYNCHRONIZE, FILE_OPEN, REPARSE},
        {"rename", act_rename, "f", 0, DELETE | SYNCHRONIZE, FILE_OPEN, REPARSE},
        {"rename-target", act_rename, "f", 1, FILE_ADD_FILE | SYNCHRONIZE, FILE_OPEN, FILE_OPEN_FOR_BACKUP_INTENT, 0,
         SL_OPEN_TARGET_DIRECTORY},
        {"rename-directory", act_rename, "d", 0, DELETE | SYNCHRONIZE, FILE_OPEN,
         REPARSE | FILE_OPEN_FOR_BACKUP_INTENT},
        {"rename-directory-target", act_rename, "d", 1, FILE_ADD_SUBDIRECTORY | SYNCHRONIZE, FILE_OPEN,
         FILE_OPEN_FOR_BACKUP_INTENT, 0, SL_OPEN_TARGET_DIRECTORY},
        {"link", act_link, "f", 0, FILE_WRITE_ATTRIBUTES | SYNCHRONIZE, FILE_OPEN, REPARSE},
        {"link-target", act_link, "f", 1, FILE_ADD_FILE | SYNCHRONIZE, FILE_OPEN, FILE_OPEN_FOR_BACKUP_INTENT, 0,
         SL_OPEN_TARGET_DIRECTORY},
        {"chmod", act_chmod, "f", 0, WRITE_DAC | SYNCHRONIZE, FILE_OPEN, REPARSE},
        {"chmod-read-only", act_chmod_read_only, "f", 0, WRITE_DAC | FILE_WRITE_ATTRIBUTES | SYNCHRONIZE, FILE_OPEN,
         REPARSE},
        {"chown", act_chown, "f", 0, WRITE_OWNER | SYNCHRONIZE, FILE_OPEN, REPARSE},
        {"utimes", act_utimes, "f", 0, FILE_WRITE_ATTRIBUTES | SYNCHRONIZE, FILE_OPEN, REPARSE},
        {"truncate", act_truncate, "f", 0, FILE_WRITE_DATA | SYNCHRONIZE, FILE_OPEN, NONDIR},
        {"statfs", act_statfs, "f", 0, FILE_READ_ATTRIBUTES | SYNCHRONIZE, FILE_OPEN, REPARSE},
        {"getxattr", act_getxattr, "f", 0, FILE_READ_EA | SYNCHRONIZE, FILE_OPEN, REPARSE},
        {"setxattr", act_setxattr, "f", 0, FILE_WRITE_EA | SYNCHRONIZE, FILE_OPEN, REPARSE},
};

static void test_other(gconstpointer data)
{
        const struct other *row = data;
        struct seen seen;

        irp_set_up();
        IN(path, row->file);
        IN(other, "other");
        g_autofree char *f = irp_in_source("f"), *l = irp_in_source("l");

        touch("f", "content");
        g_assert_cmpint(chmod(f, 0644), ==, 0);
        make_directory("d");
        g_assert_cmpint(symlink("f", l), ==, 0);
        setxattr(f, "user.x", "1", 1, 0);
        begin_notes(IRP_MJ_CREATE, 0);
        if (row->act(path, other) < 0) {
                irp_set_rule(NULL);
                g_assert_cmpint(errno, ==, EOPNOTSUPP);
                g_test_skip("the file system can't");
                irp_tear_down();
                return;
        }
        irp_set_rule(NULL);
        seen = noted(IRP_MJ_CREATE, row->nth);
        check_common(&seen);
        g_assert_cmphex(seen.access, ==, row->access);
        g_assert_cmphex(seen.options, ==, row->disposition << 24 | row->options | FILE_SYNCHRONOUS_IO_NONALERT);
        g_assert_cmphex(seen.attributes, ==, row->attributes ? row->attributes : FILE_ATTRIBUTE_NORMAL);
        g_assert_cmphex(seen.operation_flags & SL_OPEN_TARGET_DIRECTORY, ==, row->flags);
        /* A target's create has its own name, and opens the directory it is in. */
        g_assert_cmpstr(seen.name + 1, ==, row->nth ? "other" : row->file);
        irp_tear_down();
}

/* ---- buffers of SET_INFORMATION ---- */

/* `\Device\...\name`, as the I/O manager builds it. */
static void check_target(const struct seen *seen, ULONG wanted_flags, const char *wanted_name)
{
        const FILE_RENAME_INFORMATION *info = (const FILE_RENAME_INFORMATION *)seen->input;
        g_autofree char *wanted = NULL;
        char *name = fm_utf8_from_utf16(info->FileName, info->FileNameLength / sizeof(WCHAR));
        char *volume_name = fm_utf8_from_utf16(irp_instance()->volume->Name.Buffer,
                                               irp_instance()->volume->Name.Length / sizeof(WCHAR));

        wanted = g_strdup_printf("%s\\%s", volume_name, wanted_name);
        g_assert_cmpstr(name, ==, wanted);
        g_assert_cmphex(*(const ULONG *)seen->input, ==, wanted_flags);
        g_assert_null(info->RootDirectory);
        g_assert_true(seen->has_parent);
        free(name);
        free(volume_name);
}

static void test_set_information(void)
{
        const struct timespec only_modified[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000000000}};
        struct stat before, after;
        struct seen seen;
        int fd;

        irp_set_up();
        IN(f, "f");
        IN(g, "g");
        IN(h, "h");

        touch("f", "content");
        touch("h", "x");
        begin_notes(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpint(truncate(f, 3), ==, 0);
        seen = noted(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpuint(seen.class, ==, FileEndOfFileInformation);
        g_assert_cmpint(((LARGE_INTEGER *)seen.input)->QuadPart, ==, 3);
        g_assert_cmphex(seen.irp_flags & IRP_BUFFERED_IO, ==, IRP_BUFFERED_IO);

        /* 0 is: leave it. */
        g_assert_cmpint(stat(f, &before), ==, 0);
        begin_notes(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpint(utimensat(AT_FDCWD, f, only_modified, 0), ==, 0);
        seen = noted(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpuint(seen.class, ==, FileBasicInformation);
        g_assert_cmpint(((FILE_BASIC_INFORMATION *)seen.input)->LastAccessTime.QuadPart, ==, 0);
        g_assert_cmpint(((FILE_BASIC_INFORMATION *)seen.input)->LastWriteTime.QuadPart, ==,
                        (1000000000 + 11644473600) * 10000000);
        g_assert_cmphex(((FILE_BASIC_INFORMATION *)seen.input)->FileAttributes, ==, 0);
        g_assert_cmpint(stat(f, &after), ==, 0);
        g_assert_cmpint(after.st_atim.tv_sec, ==, before.st_atim.tv_sec);
        g_assert_cmpint(after.st_mtim.tv_sec, ==, 1000000000);

        begin_notes(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpint((int)syscall(SYS_renameat2, AT_FDCWD, f, AT_FDCWD, g, RENAME_NOREPLACE), ==, 0);
        seen = noted(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpuint(seen.class, ==, FileRenameInformationEx);
        check_target(&seen, FILE_RENAME_POSIX_SEMANTICS | FILE_RENAME_IGNORE_READONLY_ATTRIBUTE, "g");
        begin_notes(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpint(rename(g, f), ==, 0);
        seen = noted(IRP_MJ_SET_INFORMATION, 0);
        check_target(&seen,
                     FILE_RENAME_REPLACE_IF_EXISTS | FILE_RENAME_POSIX_SEMANTICS |
                             FILE_RENAME_IGNORE_READONLY_ATTRIBUTE,
                     "f");

        begin_notes(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpint(link(f, g), ==, 0);
        seen = noted(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpuint(seen.class, ==, FileLinkInformation);
        check_target(&seen, 0, "g");

        begin_notes(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpint(unlink(g), ==, 0);
        seen = noted(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpuint(seen.class, ==, FileDispositionInformationEx);
        g_assert_cmphex(*(ULONG *)seen.input, ==,
                        FILE_DISPOSITION_DELETE | FILE_DISPOSITION_POSIX_SEMANTICS |
                                FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE);

        fd = open(h, O_RDWR);
        begin_notes(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpint(fallocate(fd, 0, 1000, 500), ==, 0);
        seen = noted(IRP_MJ_SET_INFORMATION, 0);
        g_assert_cmpuint(seen.class, ==, FileAllocationInformation);
        g_assert_cmpint(((LARGE_INTEGER *)seen.input)->QuadPart, ==, 1500);
        seen = noted(IRP_MJ_SET_INFORMATION, 1);
        g_assert_cmpuint(seen.class, ==, FileEndOfFileInformation);
        g_assert_cmpint(((LARGE_INTEGER *)seen.input)->QuadPart, ==, 1500);
        begin_notes(IRP_MJ_FILE_SYSTEM_CONTROL, 0);
        if (fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, 200) == 0) {
                seen = noted(IRP_MJ_FILE_SYSTEM_CONTROL, 0);
                g_assert_cmpint(((LARGE_INTEGER *)seen.input)[0].QuadPart, ==, 100);
                g_assert_cmpint(((LARGE_INTEGER *)seen.input)[1].QuadPart, ==, 300);
        }
        irp_set_rule(NULL);
        close(fd);
        irp_tear_down();
}

/* ---- data, listings ---- */

static void test_data(void)
{
        char buffer[100];
        struct seen seen;
        int fd, directory;

        irp_set_up();
        IN(f, "f");

        touch("f", "0123456789");
        fd = open(f, O_RDWR);
        begin_notes(IRP_MJ_READ, IRP_MJ_WRITE);
        g_assert_cmpint((int)pread(fd, buffer, sizeof(buffer), 3), ==, 7);
        g_assert_cmpint((int)pwrite(fd, "abc", 3, 5), ==, 3);
        seen = noted(IRP_MJ_READ, 0);
        g_assert_cmphex(seen.irp_flags, ==, IRP_READ_OPERATION | IRP_SYNCHRONOUS_API);
        g_assert_cmpint((int)seen.offset, ==, 3);
        g_assert_cmpuint(seen.length, ==, sizeof(buffer));
        g_assert_cmpuint(seen.key, ==, 0);
        g_assert_cmpuint(seen.pid, ==, (guint)getpid());
        seen = noted(IRP_MJ_WRITE, 0);
        g_assert_cmphex(seen.irp_flags, ==, IRP_WRITE_OPERATION | IRP_SYNCHRONOUS_API);
        g_assert_cmphex(seen.operation_flags, ==, 0);
        g_assert_cmpint((int)seen.offset, ==, 5);
        g_assert_cmpuint(seen.length, ==, 3);
        g_assert_cmpuint(seen.key, ==, 0);
        g_assert_cmpint(memcmp(seen.input, "abc", 3), ==, 0);
        close(fd);

        directory = open(irp_mount, O_RDONLY | O_DIRECTORY);
        begin_notes(IRP_MJ_DIRECTORY_CONTROL, 0);
        while (syscall(SYS_getdents64, directory, buffer, sizeof(buffer)) > 0)
                ;
        seen = noted(IRP_MJ_DIRECTORY_CONTROL, 0);
        g_assert_cmphex(seen.operation_flags, ==, SL_RESTART_SCAN);
        g_assert_cmpuint(seen.class, ==, FileIdBothDirectoryInformation);
        g_assert_false(seen.has_parent); /* no pattern */
        g_assert_cmpuint(seen.length, >=, 1024);
        seen = noted(IRP_MJ_DIRECTORY_CONTROL, 1);
        g_assert_cmphex(seen.operation_flags, ==, 0);
        irp_set_rule(NULL);
        close(directory);
        irp_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
                g_autofree char *name = g_strdup_printf("/irp/parameters/open/%s", flags[i].name);

                g_test_add_data_func(name, &flags[i], test_flag);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
                g_autofree char *name = g_strdup_printf("/irp/parameters/create/%s", others[i].name);

                g_test_add_data_func(name, &others[i], test_other);
        }
        g_test_add_func("/irp/parameters/set-information", test_set_information);
        g_test_add_func("/irp/parameters/data", test_data);
        return g_test_run();
}
