/* SPDX-License-Identifier: MIT */
/* What filters learn of a file with its open: who may ask, for what, when, and what others see of it. */
#include "objects-harness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

#define CLASSES 4
static const ULONG classes[CLASSES] = {QoCFileStatInformation, QoCFileLxInformation, QoCFileEaInformation,
                                       QoCFileUsnInformation};

static ULONG wanted; /* by the upper filter; 0: it says nothing */
static NTSTATUS request_status;
static struct {
        NTSTATUS status;
        ULONG size;
        UCHAR copy[256];
        PVOID buffer;
} answers[CLASSES];

static void request(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        if (wanted)
                request_status = FltRequestFileInfoOnCreateCompletion(objects->Filter, data, wanted);
}

static void retrieve(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        for (unsigned i = 0; i < CLASSES; i++) {
                answers[i].size = 99;
                answers[i].status = FltRetrieveFileInfoOnCreateCompletionEx(objects->Filter, data, classes[i],
                                                                            &answers[i].size, &answers[i].buffer);
                if (!answers[i].buffer)
                        continue;
                memcpy(answers[i].copy, answers[i].buffer, MIN(answers[i].size, sizeof(answers[i].copy)));
        }
}

static int open_asking(const char *path, int flags, ULONG classes_wanted)
{
        int fd;

        wanted = classes_wanted;
        request_status = STATUS_PENDING;
        objects_on(IRP_MJ_CREATE, request, retrieve);
        irp_clear();
        fd = open(path, flags, 0640);
        objects_on(0, NULL, NULL);
        return fd;
}

static void assert_answer(unsigned class, NTSTATUS status, ULONG size)
{
        assert_status(answers[class].status, status);
        g_assert_cmpuint(answers[class].size, ==, size);
        g_assert_true((answers[class].buffer != NULL) == (size != 0));
}

static void test_classes(void)
{
        const QUERY_ON_CREATE_FILE_STAT_INFORMATION *stat_info = (PVOID)answers[0].copy;
        const QUERY_ON_CREATE_FILE_LX_INFORMATION *lx = (PVOID)answers[1].copy;
        const QUERY_ON_CREATE_EA_INFORMATION *eas = (PVOID)answers[2].copy;
        const FILE_FULL_EA_INFORMATION *ea = (PVOID)(answers[2].copy + sizeof(*eas));
        struct stat st;

        objects_set_up();
        IN(path, "file");
        g_autofree char *source = irp_in_source("file");
        objects_touch("file", "content");
        g_assert_cmpint(chmod(source, 0640), ==, 0);
        g_assert_cmpint(setxattr(source, "user.COLOR", "blue", 4, 0), ==, 0);
        int fd = open_asking(path, O_RDONLY,
                             QoCFileStatInformation | QoCFileLxInformation | QoCFileEaInformation |
                                     QoCFileUsnInformation);
        g_assert_cmpint(fd, >=, 0);
        assert_status(request_status, STATUS_SUCCESS);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        assert_answer(0, STATUS_SUCCESS, sizeof(*stat_info));
        g_assert_cmpint(stat_info->FileId.QuadPart, ==, (LONGLONG)st.st_ino);
        g_assert_cmpint(stat_info->EndOfFile.QuadPart, ==, 7);
        g_assert_cmpint(stat_info->LastWriteTime.QuadPart / 10000000, ==, st.st_mtim.tv_sec + 11644473600);
        g_assert_cmpuint(stat_info->NumberOfLinks, ==, 1);
        g_assert_cmpuint(stat_info->ReparseTag, ==, 0);
        assert_answer(1, STATUS_SUCCESS, sizeof(*lx));
        g_assert_cmpuint(lx->LxMode, ==, S_IFREG | 0640);
        g_assert_cmpuint(lx->LxUid, ==, geteuid());
        g_assert_cmphex(lx->LxFlags, ==,
                        LX_FILE_METADATA_HAS_UID | LX_FILE_METADATA_HAS_GID | LX_FILE_METADATA_HAS_MODE);
        g_assert_true(lx->EffectiveAccess & FILE_READ_DATA);
        assert_answer(2, STATUS_SUCCESS, sizeof(*eas) + eas->EaBufferSize);
        g_assert_true((PUCHAR)eas->EaBuffer == (PUCHAR)answers[2].buffer + sizeof(*eas));
        g_assert_cmpmem(ea->EaName, ea->EaNameLength, "COLOR", 5);
        g_assert_cmpmem(ea->EaName + 6, ea->EaValueLength, "blue", 4);
        assert_answer(3, STATUS_NOT_FOUND, 0);
        /* Nobody sees a query. */
        irp_expect("CREATE(OPEN,NONDIR)");
        close(fd);
        /* Made and asked at once; without extended attributes. */
        IN(made, "made");
        fd = open_asking(made, O_RDWR | O_CREAT | O_EXCL, QoCFileStatInformation | QoCFileEaInformation);
        g_assert_cmpint(fd, >=, 0);
        assert_answer(0, STATUS_SUCCESS, sizeof(*stat_info));
        g_assert_cmpint(stat_info->EndOfFile.QuadPart, ==, 0);
        assert_answer(1, STATUS_NOT_SUPPORTED, 0);
        assert_answer(2, STATUS_NOT_FOUND, 0);
        close(fd);
        objects_tear_down();
}

/* A list that is longer than is thought of first. */
static void test_many_eas(void)
{
        const QUERY_ON_CREATE_EA_INFORMATION *eas = (PVOID)answers[2].copy;
        static char value[1500];

        objects_set_up();
        IN(path, "file");
        g_autofree char *source = irp_in_source("file");
        objects_touch("file", "");
        memset(value, 'v', sizeof(value));
        g_assert_cmpint(setxattr(source, "user.A", value, sizeof(value), 0), ==, 0);
        g_assert_cmpint(setxattr(source, "user.B", value, sizeof(value), 0), ==, 0);
        int fd = open_asking(path, O_RDONLY, QoCFileEaInformation);
        assert_answer(2, STATUS_SUCCESS, sizeof(*eas) + eas->EaBufferSize);
        g_assert_cmpuint(eas->EaBufferSize, >, 2 * sizeof(value));
        close(fd);
        objects_tear_down();
}

/* Not asked for before the open, a failed open, no create at all. */
static NTSTATUS read_request, read_retrieve;

static void in_read(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PVOID buffer = data;
        ULONG size = 1;

        read_request = FltRequestFileInfoOnCreateCompletion(objects->Filter, data, QoCFileStatInformation);
        read_retrieve =
                FltRetrieveFileInfoOnCreateCompletionEx(objects->Filter, data, QoCFileStatInformation, &size, &buffer);
        g_assert_null(buffer);
        g_assert_cmpuint(size, ==, 0);
}

static void test_refused(void)
{
        static const struct irp_rule deny = {.major = IRP_MJ_CREATE, .class = -1, .status = STATUS_ACCESS_DENIED};
        char byte;

        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        int fd = open_asking(path, O_RDONLY, 0);
        for (unsigned i = 0; i < CLASSES; i++)
                assert_answer(i, STATUS_NOT_SUPPORTED, 0);
        objects_on(IRP_MJ_READ, in_read, NULL);
        g_assert_cmpint((int)pread(fd, &byte, 1, 0), ==, 1);
        objects_on(0, NULL, NULL);
        assert_status(read_request, STATUS_INVALID_PARAMETER_2);
        assert_status(read_retrieve, STATUS_NOT_SUPPORTED);
        close(fd);
        irp_set_rule(&deny);
        g_assert_cmpint(open_asking(path, O_RDONLY, QoCFileStatInformation), ==, -1);
        irp_set_rule(NULL);
        assert_answer(0, STATUS_NOT_SUPPORTED, 0);
        objects_tear_down();
}

/* Below, a filter changes what it gets: who is above sees that, whoever asked for it. */
static void change(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        QUERY_ON_CREATE_FILE_STAT_INFORMATION *info;
        ULONG size;

        info = FltRetrieveFileInfoOnCreateCompletion(objects->Filter, data, QoCFileStatInformation, &size);
        g_assert_nonnull(info);
        g_assert_cmpuint(size, ==, sizeof(*info));
        info->EndOfFile.QuadPart = 12345;
        g_assert_null(FltRetrieveFileInfoOnCreateCompletion(objects->Filter, data,
                                                            QoCFileStatInformation | QoCFileLxInformation, &size));
        g_assert_cmpuint(size, ==, 0);
}

static void test_changed_below(void)
{
        static const struct irp_rule changes = {.major = IRP_MJ_CREATE, .class = -1, .in_post = true, .post = change};
        const QUERY_ON_CREATE_FILE_STAT_INFORMATION *stat_info = (PVOID)answers[0].copy;

        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        irp_set_rule(&changes);
        int fd = open_asking(path, O_RDONLY, QoCFileStatInformation | QoCFileLxInformation);
        irp_set_rule(NULL);
        assert_answer(0, STATUS_SUCCESS, sizeof(*stat_info));
        g_assert_cmpint(stat_info->EndOfFile.QuadPart, ==, 12345);
        close(fd);
        objects_tear_down();
}

/* The handle's own enumeration of extended attributes starts at the first, as if nobody had asked. */
static void test_position_of_eas(void)
{
        static UCHAR buffer[256];
        const FILE_FULL_EA_INFORMATION *ea = (PVOID)buffer;
        static const struct irp_rule asks = {
                .major = IRP_MJ_CREATE, .class = -1, .in_post = true, .pre = request, .post = retrieve};
        PFILE_OBJECT file;
        HANDLE handle;
        ULONG got;

        objects_set_up();
        g_autofree char *source = irp_in_source("file");
        objects_touch("file", "x");
        g_assert_cmpint(setxattr(source, "user.A", "1", 1, 0), ==, 0);
        wanted = QoCFileEaInformation;
        irp_set_rule(&asks);
        handle = objects_open("\\file", &file);
        irp_set_rule(NULL);
        assert_status(answers[2].status, STATUS_SUCCESS);
        assert_status(FltQueryEaFile(objects_instance, file, buffer, sizeof(buffer), FALSE, NULL, 0, NULL, FALSE, &got),
                      STATUS_SUCCESS);
        g_assert_cmpint(ea->EaName[0], ==, 'A');
        objects_close(handle, file);
        objects_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/createinfo/classes", test_classes);
        g_test_add_func("/objects/createinfo/many-eas", test_many_eas);
        g_test_add_func("/objects/createinfo/refused", test_refused);
        g_test_add_func("/objects/createinfo/changed-below", test_changed_below);
        g_test_add_func("/objects/createinfo/position-of-eas", test_position_of_eas);
        return g_test_run();
}
