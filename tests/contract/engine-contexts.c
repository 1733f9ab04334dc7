/* SPDX-License-Identifier: MIT */
/* Contexts of all kinds: set, kept, replaced, deleted, and when their cleanup callback comes. */
#include "engine-harness.h"

typedef NTSTATUS set_fn(PVOID object, FLT_SET_CONTEXT_OPERATION operation, PFLT_CONTEXT context, PFLT_CONTEXT *old);
typedef NTSTATUS get_fn(PVOID object, PFLT_CONTEXT *context);
typedef NTSTATUS delete_fn(PVOID object, PFLT_CONTEXT *old);

#define FILE_FUNCTIONS(name)                                                                                           \
        static NTSTATUS set_##name(PVOID o, FLT_SET_CONTEXT_OPERATION op, PFLT_CONTEXT c, PFLT_CONTEXT *old)           \
        {                                                                                                              \
                return FltSet##name##Context(engine_instances[0], o, op, c, old);                                      \
        }                                                                                                              \
        static NTSTATUS get_##name(PVOID o, PFLT_CONTEXT *c)                                                           \
        {                                                                                                              \
                return FltGet##name##Context(engine_instances[0], o, c);                                               \
        }                                                                                                              \
        static NTSTATUS delete_##name(PVOID o, PFLT_CONTEXT *old)                                                      \
        {                                                                                                              \
                return FltDelete##name##Context(engine_instances[0], o, old);                                          \
        }

FILE_FUNCTIONS(Stream)
FILE_FUNCTIONS(File)
FILE_FUNCTIONS(StreamHandle)

static NTSTATUS set_Instance(PVOID o, FLT_SET_CONTEXT_OPERATION op, PFLT_CONTEXT c, PFLT_CONTEXT *old)
{
        return FltSetInstanceContext(engine_instances[0], op, c, old);
}

static NTSTATUS get_Instance(PVOID o, PFLT_CONTEXT *c)
{
        return FltGetInstanceContext(engine_instances[0], c);
}

static NTSTATUS delete_Instance(PVOID o, PFLT_CONTEXT *old)
{
        return FltDeleteInstanceContext(engine_instances[0], old);
}

static NTSTATUS set_Volume(PVOID o, FLT_SET_CONTEXT_OPERATION op, PFLT_CONTEXT c, PFLT_CONTEXT *old)
{
        return FltSetVolumeContext(engine_volume, op, c, old);
}

static NTSTATUS get_Volume(PVOID o, PFLT_CONTEXT *c)
{
        return FltGetVolumeContext(engine_filters[0], engine_volume, c);
}

static NTSTATUS delete_Volume(PVOID o, PFLT_CONTEXT *old)
{
        return FltDeleteVolumeContext(engine_filters[0], engine_volume, old);
}

static const struct context_kind {
        FLT_CONTEXT_TYPE type;
        SIZE_T size;
        set_fn *set;
        get_fn *get;
        delete_fn *delete;
        bool ends_with_file, ends_with_instance;
} kinds[] = {
        { FLT_STREAM_CONTEXT, 16, set_Stream, get_Stream, delete_Stream, false, true },
        { FLT_FILE_CONTEXT, 16, set_File, get_File, delete_File, false, true },
        { FLT_STREAMHANDLE_CONTEXT, 100, set_StreamHandle, get_StreamHandle, delete_StreamHandle, true, true },
        { FLT_INSTANCE_CONTEXT, 32, set_Instance, get_Instance, delete_Instance, false, true },
        { FLT_VOLUME_CONTEXT, 32, set_Volume, get_Volume, delete_Volume, false, false },
};

static PFLT_CONTEXT new_context(const struct context_kind *kind)
{
        PFLT_CONTEXT context;

        engine_assert_status(FltAllocateContext(engine_filters[0], kind->type, kind->size, NonPagedPool, &context),
                             STATUS_SUCCESS);
        return context;
}

static void check_set_and_delete(const struct context_kind *kind, PFILE_OBJECT file)
{
        PFLT_CONTEXT first = new_context(kind), second = new_context(kind), got;

        engine_assert_status(kind->get(file, &got), STATUS_NOT_FOUND);
        engine_assert_status(kind->delete(file, &got), STATUS_NOT_FOUND);
        engine_assert_status(kind->set(file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, first, &got), STATUS_SUCCESS);
        g_assert_null(got);
        /* Kept without a pointer for the old one: nothing is referenced. */
        engine_assert_status(kind->set(file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, second, NULL), STATUS_FLT_CONTEXT_ALREADY_DEFINED);
        /* With one: what is there comes back, referenced. */
        engine_assert_status(kind->set(file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, second, &got), STATUS_FLT_CONTEXT_ALREADY_DEFINED);
        g_assert_true(got == first);
        FltReleaseContext(got);
        engine_assert_status(kind->set(file, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, first, &got), STATUS_FLT_CONTEXT_ALREADY_LINKED);
        g_assert_null(got);
        engine_assert_status(kind->set(file, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, second, &got), STATUS_SUCCESS);
        g_assert_true(got == first);
        FltReleaseContext(got);
        engine_assert_status(kind->set(file, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, first, &got), STATUS_SUCCESS);
        g_assert_true(got == second);
        FltReleaseContext(got);
        g_assert_cmpuint(engine_cleanups, ==, 0);
        engine_assert_status(kind->set(file, (FLT_SET_CONTEXT_OPERATION)7, second, NULL), STATUS_INVALID_PARAMETER);
        /* Replaced without a pointer: the link's reference goes, ours stays. */
        engine_assert_status(kind->set(file, FLT_SET_CONTEXT_REPLACE_IF_EXISTS, second, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(engine_cleanups, ==, 0);
        FltReleaseContext(first);
        g_assert_cmpuint(engine_cleanups, ==, 1);
        engine_assert_status(kind->get(file, &got), STATUS_SUCCESS);
        g_assert_true(got == second);
        FltReleaseContext(got);
        /* Deleted with a pointer: it comes back with the link's reference. */
        engine_assert_status(kind->delete(file, &got), STATUS_SUCCESS);
        g_assert_true(got == second);
        engine_assert_status(kind->get(file, &got), STATUS_NOT_FOUND);
        FltReleaseContext(second);
        g_assert_cmpuint(engine_cleanups, ==, 1);
        /* And can be set again, and unlinked wherever it is. */
        engine_assert_status(kind->set(file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, second, NULL), STATUS_SUCCESS);
        FltDeleteContext(second);
        engine_assert_status(kind->get(file, &got), STATUS_NOT_FOUND);
        FltReleaseContext(second);
        g_assert_cmpuint(engine_cleanups, ==, 2);
}

static void test_context_kinds(void)
{
        for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
                PFILE_OBJECT file;
                PFLT_CONTEXT context;

                engine_set_up();
                file = engine_open_file();
                check_set_and_delete(&kinds[i], file);
                engine_cleanups = 0;
                context = new_context(&kinds[i]);
                engine_assert_status(kinds[i].set(file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL), STATUS_SUCCESS);
                FltReleaseContext(context);
                fm_object_unref(file);
                g_assert_cmpuint(engine_cleanups, ==, kinds[i].ends_with_file);
                engine_assert_status(FltDetachVolume(engine_filters[0], engine_volume, NULL), STATUS_SUCCESS);
                g_assert_cmpuint(engine_cleanups, ==, kinds[i].ends_with_file || kinds[i].ends_with_instance);
                engine_assert_status(fm_filter_unload("filter0", false), STATUS_SUCCESS);
                g_assert_cmpuint(engine_cleanups, ==, 1);
                engine_tear_down();
        }
}

/* A context that a filter still holds when its instance goes is cleaned up when it is released, not before. */
static void test_context_outlives_instance(void)
{
        PFILE_OBJECT file;
        PFLT_CONTEXT context;

        engine_set_up();
        file = engine_open_file();
        context = new_context(&kinds[0]);
        engine_assert_status(set_Stream(file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL), STATUS_SUCCESS);
        fm_flt_object_ref(engine_instances[0]);
        engine_assert_status(FltDetachVolume(engine_filters[0], engine_volume, NULL), STATUS_SUCCESS);
        g_assert_cmpuint(engine_cleanups, ==, 0);
        engine_assert_status(set_Stream(file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL), STATUS_FLT_DELETING_OBJECT);
        FltReleaseContext(context);
        g_assert_cmpuint(engine_cleanups, ==, 1);
        fm_flt_object_unref(engine_instances[0]);
        fm_object_unref(file);
        engine_tear_down();
}

static void test_context_refusals(void)
{
        PFLT_CONTEXT context;

        engine_set_up();
        engine_assert_status(FltAllocateContext(engine_filters[0], FLT_TRANSACTION_CONTEXT, 16, PagedPool, &context),
                             STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND);
        engine_assert_status(FltAllocateContext(engine_filters[0], FLT_STREAMHANDLE_CONTEXT, 65536, PagedPool, &context),
                             STATUS_INVALID_BUFFER_SIZE);
        engine_assert_status(FltAllocateContext(engine_filters[0], FLT_VOLUME_CONTEXT, 32, PagedPool, &context),
                             STATUS_INVALID_PARAMETER);
        /* One of another type. */
        context = new_context(&kinds[3]);
        PFILE_OBJECT file = engine_open_file();
        engine_assert_status(set_Stream(file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL), STATUS_INVALID_PARAMETER);
        fm_object_unref(file);
        FltReleaseContext(context);
        engine_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/contexts/kinds", test_context_kinds);
        g_test_add_func("/contexts/outlives-instance", test_context_outlives_instance);
        g_test_add_func("/contexts/refusals", test_context_refusals);
        return g_test_run();
}
