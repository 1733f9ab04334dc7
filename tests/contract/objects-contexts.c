/* SPDX-License-Identifier: MIT */
/* Contexts on a mount: on what they hang, who finds them, and at which moment they go. */
#include "objects-harness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IN(variable, name) g_autofree char *variable = irp_in_mount(name)

static PFLT_CONTEXT new_context(FLT_CONTEXT_TYPE type)
{
        PFLT_CONTEXT context;

        assert_status(FltAllocateContext(objects_filter, type, OBJECTS_CONTEXT_SIZE, NonPagedPoolNx, &context),
                      STATUS_SUCCESS);
        memset(context, 0, OBJECTS_CONTEXT_SIZE);
        return context;
}

/* Sets one of each type on what an operation is about; from then on the file has them, and nobody else. */
static void set_all(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CONTEXT context = new_context(FLT_STREAM_CONTEXT);

        if (!NT_SUCCESS(data->IoStatus.Status))
                return;
        assert_status(FltSetStreamContext(objects->Instance, objects->FileObject, FLT_SET_CONTEXT_KEEP_IF_EXISTS,
                                          context, NULL),
                      STATUS_SUCCESS);
        FltReleaseContext(context);
        context = new_context(FLT_FILE_CONTEXT);
        assert_status(FltSetFileContext(objects->Instance, objects->FileObject, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context,
                                        NULL),
                      STATUS_SUCCESS);
        FltReleaseContext(context);
        context = new_context(FLT_STREAMHANDLE_CONTEXT);
        assert_status(FltSetStreamHandleContext(objects->Instance, objects->FileObject, FLT_SET_CONTEXT_KEEP_IF_EXISTS,
                                                context, NULL),
                      STATUS_SUCCESS);
        FltReleaseContext(context);
}

/* What the last operation found; all is released again. */
static FLT_CONTEXT_TYPE found;
static PFLT_CONTEXT found_stream;

static void look(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        FLT_RELATED_CONTEXTS contexts;

        FltGetContexts(objects, FLT_ALL_CONTEXTS, &contexts);
        found = (contexts.VolumeContext ? FLT_VOLUME_CONTEXT : 0) |
                (contexts.InstanceContext ? FLT_INSTANCE_CONTEXT : 0) | (contexts.FileContext ? FLT_FILE_CONTEXT : 0) |
                (contexts.StreamContext ? FLT_STREAM_CONTEXT : 0) |
                (contexts.StreamHandleContext ? FLT_STREAMHANDLE_CONTEXT : 0) |
                (contexts.TransactionContext ? FLT_TRANSACTION_CONTEXT : 0);
        found_stream = contexts.StreamContext;
        FltReleaseContexts(&contexts);
        g_assert_null(contexts.StreamContext);
}

static FLT_CONTEXT_TYPE found_by_reading(int fd)
{
        char c;

        objects_on(IRP_MJ_READ, look, NULL);
        g_assert_cmpint((int)pread(fd, &c, 1, 0), ==, 1);
        objects_on(0, NULL, NULL);
        return found;
}

/* An open file with a context of each type. */
static int open_with_contexts(const char *path)
{
        int fd;

        objects_on(IRP_MJ_CREATE, NULL, set_all);
        fd = open(path, O_RDWR);
        g_assert_cmpint(fd, >=, 0);
        objects_on(0, NULL, NULL);
        return fd;
}

#define ON_FILE (FLT_FILE_CONTEXT | FLT_STREAM_CONTEXT)

/* Another handle has the same file and stream, through another name as well, and its own handle contexts. */
static void test_shared(void)
{
        objects_set_up();
        IN(path, "file");
        IN(hard, "hard");
        IN(other, "other");
        objects_touch("file", "x");
        objects_touch("other", "x");
        g_assert_cmpint(link(path, hard), ==, 0);
        int fd = open_with_contexts(path), second, third;

        g_assert_cmphex(found_by_reading(fd), ==, ON_FILE | FLT_STREAMHANDLE_CONTEXT);
        PFLT_CONTEXT stream = found_stream;
        second = open(hard, O_RDONLY);
        g_assert_cmphex(found_by_reading(second), ==, ON_FILE);
        g_assert_true(found_stream == stream);
        third = open(other, O_RDONLY);
        g_assert_cmphex(found_by_reading(third), ==, 0);
        close(third);
        close(second);
        close(fd);
        objects_tear_down();
}

/* Handle contexts go with the CLOSE; those of file and stream with the inode, at its unlink at the latest. */
static void test_lifetime(void)
{
        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        int fd = open_with_contexts(path), second = open(path, O_RDONLY);

        irp_clear();
        close(fd);
        objects_expect_cleaned(FLT_STREAMHANDLE_CONTEXT, 1);
        g_assert_cmphex(found_by_reading(second), ==, ON_FILE);
        close(second);
        /* The name is known still: whoever opens it again finds them. */
        second = open(path, O_RDONLY);
        g_assert_cmphex(found_by_reading(second), ==, ON_FILE);
        g_assert_cmpint(unlink(path), ==, 0);
        g_assert_cmphex(found_by_reading(second), ==, ON_FILE);
        g_assert_cmpuint(objects_cleaned(FLT_STREAM_CONTEXT), ==, 0);
        close(second);
        objects_expect_cleaned(FLT_STREAM_CONTEXT, 1);
        objects_expect_cleaned(FLT_FILE_CONTEXT, 1);
        g_assert_cmpuint(objects_cleaned(FLT_STREAMHANDLE_CONTEXT), ==, 1);
        objects_tear_down();
        g_assert_cmpuint(objects_cleaned(FLT_STREAM_CONTEXT), ==, 1);
}

/* A new file of the same name is another file. */
static void test_replaced(void)
{
        objects_set_up();
        IN(path, "file");
        IN(new, "new");
        objects_touch("file", "x");
        objects_touch("new", "x");
        int fd = open_with_contexts(path), second;

        g_assert_cmpint(rename(new, path), ==, 0);
        second = open(path, O_RDONLY);
        g_assert_cmphex(found_by_reading(second), ==, 0);
        g_assert_cmphex(found_by_reading(fd), ==, ON_FILE | FLT_STREAMHANDLE_CONTEXT);
        close(second);
        close(fd);
        objects_expect_cleaned(FLT_STREAM_CONTEXT, 1);
        objects_tear_down();
}

/* Detaching takes all from where they hang, with files open; the filter's unload the volume's. */
static void test_detach(void)
{
        PFLT_CONTEXT instance, volume;

        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        int fd = open_with_contexts(path);

        instance = new_context(FLT_INSTANCE_CONTEXT);
        assert_status(FltSetInstanceContext(objects_instance, FLT_SET_CONTEXT_KEEP_IF_EXISTS, instance, NULL),
                      STATUS_SUCCESS);
        FltReleaseContext(instance);
        volume = new_context(FLT_VOLUME_CONTEXT);
        assert_status(FltSetVolumeContext(objects_volume, FLT_SET_CONTEXT_KEEP_IF_EXISTS, volume, NULL),
                      STATUS_SUCCESS);
        FltReleaseContext(volume);
        g_assert_cmphex(found_by_reading(fd), ==,
                        ON_FILE | FLT_STREAMHANDLE_CONTEXT | FLT_INSTANCE_CONTEXT | FLT_VOLUME_CONTEXT);
        assert_status(FltDetachVolume(objects_filter, objects_volume, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(objects_cleaned(FLT_STREAM_CONTEXT), ==, 1);
        g_assert_cmpuint(objects_cleaned(FLT_FILE_CONTEXT), ==, 1);
        g_assert_cmpuint(objects_cleaned(FLT_STREAMHANDLE_CONTEXT), ==, 1);
        g_assert_cmpuint(objects_cleaned(FLT_INSTANCE_CONTEXT), ==, 1);
        g_assert_cmpuint(objects_cleaned(FLT_VOLUME_CONTEXT), ==, 0);
        close(fd);
        objects_tear_down();
        g_assert_cmpuint(objects_cleaned(FLT_VOLUME_CONTEXT), ==, 1);
        g_assert_cmpuint(objects_cleaned(FLT_STREAM_CONTEXT), ==, 1);
}

/* Each instance of a filter has its own. */
static void test_two_instances(void)
{
        UNICODE_STRING altitude = objects_string("388001"), name = objects_string("second");
        PFLT_CONTEXT context, got;
        PFLT_INSTANCE second, first;
        PFILE_OBJECT file;
        HANDLE handle;

        objects_set_up();
        first = objects_instance;
        objects_touch("file", "x");
        assert_status(FltAttachVolumeAtAltitude(objects_filter, objects_volume, &altitude, &name, &second),
                      STATUS_SUCCESS);
        objects_instance = first;
        handle = objects_open("\\file", &file);
        context = new_context(FLT_STREAM_CONTEXT);
        assert_status(FltSetStreamContext(first, file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL), STATUS_SUCCESS);
        assert_status(FltGetStreamContext(second, file, &got), STATUS_NOT_FOUND);
        /* One context is in one place. */
        assert_status(FltSetStreamContext(second, file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                      STATUS_FLT_CONTEXT_ALREADY_LINKED);
        FltReleaseContext(context);
        context = new_context(FLT_STREAM_CONTEXT);
        assert_status(FltSetStreamContext(second, file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL), STATUS_SUCCESS);
        FltReleaseContext(context);
        FltObjectDereference(second);
        assert_status(FltDetachVolume(objects_filter, objects_volume, &name), STATUS_SUCCESS);
        g_assert_cmpuint(objects_cleaned(FLT_STREAM_CONTEXT), ==, 1);
        assert_status(FltGetStreamContext(first, file, &got), STATUS_SUCCESS);
        FltReleaseContext(got);
        objects_close(handle, file);
        g_free(altitude.Buffer);
        g_free(name.Buffer);
        objects_tear_down();
}

/* Where there are none: before the open, and when the file is closed. */
static NTSTATUS early[4], late[4];
static BOOLEAN supports[4], supports_late;

static void try_early(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CONTEXT context = new_context(FLT_STREAM_CONTEXT), got = (PVOID)1;

        early[0] = FltSetStreamContext(objects->Instance, objects->FileObject, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context,
                                       NULL);
        early[1] = FltGetStreamContext(objects->Instance, objects->FileObject, &got);
        g_assert_null(got);
        early[2] = FltDeleteStreamContext(objects->Instance, objects->FileObject, NULL);
        early[3] = FltGetStreamHandleContext(objects->Instance, objects->FileObject, &got);
        FltReleaseContext(context);
        supports[0] = FltSupportsStreamContexts(objects->FileObject) ||
                      FltSupportsStreamHandleContexts(objects->FileObject) ||
                      FltSupportsFileContexts(objects->FileObject);
}

static void try_opened(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        supports[1] = FltSupportsStreamContexts(objects->FileObject) &&
                      FltSupportsStreamHandleContexts(objects->FileObject) &&
                      FltSupportsFileContexts(objects->FileObject) &&
                      FltSupportsFileContextsEx(objects->FileObject, objects->Instance);
        set_all(data, objects);
}

static void try_late(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CONTEXT got;

        late[0] = FltGetStreamContext(objects->Instance, objects->FileObject, &got);
        late[1] = FltGetStreamHandleContext(objects->Instance, objects->FileObject, &got);
        late[2] = FltGetFileContext(objects->Instance, objects->FileObject, &got);
        supports_late = FltSupportsStreamContexts(objects->FileObject);
}

static void try_still(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        look(data, objects);
}

static void test_moments(void)
{
        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        objects_on(IRP_MJ_CREATE, try_early, try_opened);
        int fd = open(path, O_RDWR);

        objects_on(IRP_MJ_CLOSE, try_still, try_late);
        found = 0;
        irp_clear();
        close(fd);
        irp_expect("CLEANUP CLOSE");
        objects_expect_cleaned(FLT_STREAMHANDLE_CONTEXT, 1);
        objects_on(0, NULL, NULL);
        for (unsigned i = 0; i < G_N_ELEMENTS(early); i++)
                assert_status(early[i], STATUS_NOT_SUPPORTED);
        g_assert_false(supports[0]);
        g_assert_true(supports[1]);
        g_assert_cmphex(found, ==, ON_FILE | FLT_STREAMHANDLE_CONTEXT);
        for (unsigned i = 0; i < 3; i++)
                assert_status(late[i], STATUS_NOT_SUPPORTED);
        g_assert_false(supports_late);
        objects_tear_down();
}

static NTSTATUS query_open_status = STATUS_PENDING;

static void try_query_open(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        PFLT_CONTEXT got;

        query_open_status = FltGetStreamContext(objects->Instance, objects->FileObject, &got);
}

/* Asked for by name, a file is not open. */
static void test_query_open(void)
{
        static const struct irp_rule rule = {.major = IRP_MJ_QUERY_OPEN, .class = -1, .pre = try_query_open};
        struct stat st;

        objects_set_up();
        IN(path, "file");
        objects_touch("file", "x");
        irp_set_rule(&rule);
        g_assert_cmpint(stat(path, &st), ==, 0);
        irp_set_rule(NULL);
        assert_status(query_open_status, STATUS_NOT_SUPPORTED);
        objects_tear_down();
}

/* Transactions are not there; their contexts can be allocated, if they are registered, and set on nothing. */
static void test_transactions(void)
{
        PFLT_CONTEXT context, old = (PVOID)1;

        objects_set_up();
        context = new_context(FLT_TRANSACTION_CONTEXT);
        assert_status(FltSetTransactionContext(objects_instance, NULL, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, &old),
                      STATUS_NOT_SUPPORTED);
        g_assert_null(old);
        assert_status(FltGetTransactionContext(objects_instance, NULL, &old), STATUS_NOT_SUPPORTED);
        assert_status(FltDeleteTransactionContext(objects_instance, NULL, &old), STATUS_NOT_SUPPORTED);
        FltReleaseContext(context);
        g_assert_cmpuint(objects_cleaned(FLT_TRANSACTION_CONTEXT), ==, 1);
        objects_tear_down();
}

/* FltGetContextsEx knows the section's as well; its size is checked. */
static void test_contexts_ex(void)
{
        FLT_RELATED_CONTEXTS_EX contexts;
        FLT_RELATED_OBJECTS objects = {.Size = sizeof(objects)};
        PFLT_CONTEXT context;
        PFILE_OBJECT file;
        HANDLE handle;

        objects_set_up();
        objects_touch("file", "x");
        handle = objects_open("\\file", &file);
        *(PFLT_FILTER *)&objects.Filter = objects_filter;
        *(PFLT_VOLUME *)&objects.Volume = objects_volume;
        *(PFLT_INSTANCE *)&objects.Instance = objects_instance;
        *(PFILE_OBJECT *)&objects.FileObject = file;
        context = new_context(FLT_STREAMHANDLE_CONTEXT);
        assert_status(FltSetStreamHandleContext(objects_instance, file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL),
                      STATUS_SUCCESS);
        assert_status(FltGetContextsEx(&objects, FLT_ALL_CONTEXTS, sizeof(contexts) - 8, &contexts),
                      STATUS_INVALID_PARAMETER);
        assert_status(
                FltGetContextsEx(&objects, FLT_STREAMHANDLE_CONTEXT | FLT_SECTION_CONTEXT, sizeof(contexts), &contexts),
                STATUS_SUCCESS);
        g_assert_true(contexts.StreamHandleContext == context);
        g_assert_null(contexts.StreamContext);
        g_assert_null(contexts.SectionContext);
        FltReleaseContextsEx(sizeof(contexts), &contexts);
        g_assert_null(contexts.StreamHandleContext);
        /* Not asked for, not given. */
        assert_status(FltGetContextsEx(&objects, FLT_STREAM_CONTEXT, sizeof(contexts), &contexts), STATUS_SUCCESS);
        g_assert_null(contexts.StreamHandleContext);
        FltReleaseContextsEx(sizeof(contexts), &contexts);
        FltReleaseContext(context);
        objects_close(handle, file);
        objects_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        if (!irp_can_mount())
                return 0;
        g_test_add_func("/objects/contexts/shared", test_shared);
        g_test_add_func("/objects/contexts/lifetime", test_lifetime);
        g_test_add_func("/objects/contexts/replaced", test_replaced);
        g_test_add_func("/objects/contexts/detach", test_detach);
        g_test_add_func("/objects/contexts/two-instances", test_two_instances);
        g_test_add_func("/objects/contexts/moments", test_moments);
        g_test_add_func("/objects/contexts/query-open", test_query_open);
        g_test_add_func("/objects/contexts/transactions", test_transactions);
        g_test_add_func("/objects/contexts/ex", test_contexts_ex);
        return g_test_run();
}
