/* SPDX-License-Identifier: MIT */
/* What contexts are made of: definitions, sizes, the filter's own memory, and at which IRQL they may go. */
#include "fake.h"

#include <string.h>

#include "nt/object.h"
#include "nt/verifier.h"

static struct fake *fake;
static _Atomic unsigned cleaned, allocated, freed;
static SIZE_T asked;

static VOID FLTAPI cleanup(PFLT_CONTEXT context, FLT_CONTEXT_TYPE type)
{
        g_assert_cmpuint(KeGetCurrentIrql(), <=, APC_LEVEL);
        cleaned++;
}

static PVOID FLTAPI allocate(POOL_TYPE pool, SIZE_T size, FLT_CONTEXT_TYPE type)
{
        allocated++;
        asked = size;
        return ExAllocatePoolWithTag(pool, size, 'tseT');
}

static PVOID FLTAPI allocate_nothing(POOL_TYPE pool, SIZE_T size, FLT_CONTEXT_TYPE type)
{
        return NULL;
}

static VOID FLTAPI deallocate(PVOID memory, FLT_CONTEXT_TYPE type)
{
        freed++;
        ExFreePoolWithTag(memory, 'tseT');
}

#define FIXED(size, flags) {FLT_STREAM_CONTEXT, flags, cleanup, size, 'tseT', NULL, NULL, NULL}
#define VARIABLE           FIXED(FLT_VARIABLE_SIZED_CONTEXTS, 0)
#define INEXACT            FLTFL_CONTEXT_REGISTRATION_NO_EXACT_SIZE_MATCH
#define END                {FLT_CONTEXT_END}

static NTSTATUS try_size(const FLT_CONTEXT_REGISTRATION *registration, SIZE_T size)
{
        PFLT_CONTEXT context;
        NTSTATUS status;

        fake->filter->registration.ContextRegistration = registration;
        status = FltAllocateContext(fake->filter, FLT_STREAM_CONTEXT, size, PagedPool, &context);
        if (NT_SUCCESS(status))
                FltReleaseContext(context);
        else
                g_assert_null(context);
        return status;
}

static void test_sizes(void)
{
        static const FLT_CONTEXT_REGISTRATION fixed[] = {FIXED(16, 0), FIXED(64, 0), FIXED(0, 0), END};
        static const FLT_CONTEXT_REGISTRATION inexact[] = {FIXED(64, INEXACT), END};
        static const FLT_CONTEXT_REGISTRATION variable[] = {FIXED(16, 0), VARIABLE, END};
        static const FLT_CONTEXT_REGISTRATION other[] = {{FLT_INSTANCE_CONTEXT, 0, cleanup, 16, 'tseT'}, END};
        static const struct {
                const FLT_CONTEXT_REGISTRATION *registration;
                SIZE_T size;
                NTSTATUS status;
        } rows[] = {
                {fixed, 16, STATUS_SUCCESS},
                {fixed, 64, STATUS_SUCCESS},
                {fixed, 0, STATUS_SUCCESS},
                {fixed, 15, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND},
                {fixed, 65, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND},
                {inexact, 1, STATUS_SUCCESS},
                {inexact, 64, STATUS_SUCCESS},
                {inexact, 65, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND},
                {variable, 16, STATUS_SUCCESS},
                {variable, 17, STATUS_SUCCESS},
                {variable, 65535, STATUS_SUCCESS},
                {variable, 65536, STATUS_INVALID_BUFFER_SIZE},
                {other, 16, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND},
                {NULL, 16, STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND},
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                assert_status(try_size(rows[i].registration, rows[i].size), rows[i].status);
}

/* What is no context type is not looked for. */
static void test_types(void)
{
        static const FLT_CONTEXT_REGISTRATION registration[] = {FIXED(16, 0), END};
        static const FLT_CONTEXT_TYPE types[] = {0, 0x80, FLT_CONTEXT_END, FLT_STREAM_CONTEXT | FLT_FILE_CONTEXT};
        PFLT_CONTEXT context;

        fake->filter->registration.ContextRegistration = registration;
        for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
                assert_status(FltAllocateContext(fake->filter, types[i], 16, PagedPool, &context),
                              STATUS_INVALID_PARAMETER);
                g_assert_null(context);
        }
        assert_status(FltAllocateContext(fake->filter, FLT_FILE_CONTEXT, 16, PagedPool, &context),
                      STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND);
}

/* Variable sizes come zeroed, fixed ones filled with what shows. */
static void test_content(void)
{
        static const FLT_CONTEXT_REGISTRATION registration[] = {FIXED(16, 0), VARIABLE, END};
        static const UCHAR zero[40], filled[16] = {[0 ... 15] = 0xcd};
        PFLT_CONTEXT context;

        fake->filter->registration.ContextRegistration = registration;
        assert_status(FltAllocateContext(fake->filter, FLT_STREAM_CONTEXT, 16, PagedPool, &context), STATUS_SUCCESS);
        g_assert_cmpmem(context, 16, filled, 16);
        g_assert_cmpuint((ULONG_PTR)context % 16, ==, 0);
        FltReleaseContext(context);
        assert_status(FltAllocateContext(fake->filter, FLT_STREAM_CONTEXT, 40, PagedPool, &context), STATUS_SUCCESS);
        g_assert_cmpmem(context, 40, zero, 40);
        FltReleaseContext(context);
}

/* A filter's own callbacks give and take the memory: all of it, whatever size was registered. */
static void test_own_memory(void)
{
        static const FLT_CONTEXT_REGISTRATION own[] = {
                {FLT_STREAM_CONTEXT, 0, cleanup, 16, 'tseT', allocate, deallocate, NULL}, END};
        static const FLT_CONTEXT_REGISTRATION none[] = {
                {FLT_STREAM_CONTEXT, 0, cleanup, 16, 'tseT', allocate_nothing, deallocate, NULL}, END};
        PFLT_CONTEXT context;

        cleaned = allocated = freed = 0;
        fake->filter->registration.ContextRegistration = own;
        assert_status(FltAllocateContext(fake->filter, FLT_STREAM_CONTEXT, 100, PagedPool, &context), STATUS_SUCCESS);
        memset(context, 1, 100);
        g_assert_cmpuint(allocated, ==, 1);
        g_assert_cmpuint(asked, >, 100);
        FltReleaseContext(context);
        g_assert_cmpuint(cleaned, ==, 1);
        g_assert_cmpuint(freed, ==, 1);
        assert_status(try_size(none, 16), STATUS_INSUFFICIENT_RESOURCES);
}

/* Whoever releases the last reference at DISPATCH_LEVEL has the cleanup called later, lower. */
static void test_release_at_dispatch(void)
{
        static const FLT_CONTEXT_REGISTRATION registration[] = {FIXED(16, 0), END};
        PFLT_CONTEXT context;
        KIRQL old;

        cleaned = 0;
        fake->filter->registration.ContextRegistration = registration;
        assert_status(FltAllocateContext(fake->filter, FLT_STREAM_CONTEXT, 16, NonPagedPoolNx, &context),
                      STATUS_SUCCESS);
        KeRaiseIrql(DISPATCH_LEVEL, &old);
        FltReferenceContext(context);
        FltReleaseContext(context);
        FltReleaseContext(context);
        KeLowerIrql(old);
        while (atomic_load(&cleaned) == 0)
                g_thread_yield();
        while (atomic_load(&fake->filter->contexts_alive))
                g_thread_yield();
}

/* Setting, getting and deleting there is an error, and so is releasing what is paged. */
static void test_dispatch_is_too_high(void)
{
        static const FLT_CONTEXT_REGISTRATION registration[] = {FIXED(16, 0), END};
        PFILE_OBJECT file = fake_file(fake, "/", true);
        PFLT_CONTEXT context, got;
        uint64_t before;
        KIRQL old;

        fake->filter->registration.ContextRegistration = registration;
        assert_status(FltAllocateContext(fake->filter, FLT_STREAM_CONTEXT, 16, PagedPool, &context), STATUS_SUCCESS);
        before = fm_violation_count();
        KeRaiseIrql(DISPATCH_LEVEL, &old);
        FltSetStreamContext(fake->instance, file, FLT_SET_CONTEXT_KEEP_IF_EXISTS, context, NULL);
        FltGetStreamContext(fake->instance, file, &got);
        FltDeleteStreamContext(fake->instance, file, NULL);
        FltReleaseContext(context);
        KeLowerIrql(old);
        g_assert_cmpuint(fm_violation_count(), ==, before + 4);
        /* It was got once. */
        FltReleaseContext(context);
        while (atomic_load(&fake->filter->contexts_alive))
                g_thread_yield();
        fm_object_unref(file);
}

/* Definitions that can't be. */
static void test_definitions(void)
{
        static const FLT_CONTEXT_REGISTRATION three[] = {FIXED(1, 0), FIXED(2, 0), FIXED(3, 0), VARIABLE, END};
        static const FLT_CONTEXT_REGISTRATION four[] = {FIXED(1, 0), FIXED(2, 0), FIXED(3, 0), FIXED(4, 0), END};
        static const FLT_CONTEXT_REGISTRATION repeated[] = {FIXED(1, 0), FIXED(2, 0), FIXED(3, 0), FIXED(1, 0),
                                                            VARIABLE,    VARIABLE,    END};
        static const FLT_CONTEXT_REGISTRATION own_and_more[] = {
                {FLT_STREAM_CONTEXT, 0, cleanup, 16, 'tseT', allocate, deallocate, NULL}, FIXED(8, 0), END};
        static const FLT_CONTEXT_REGISTRATION no_type[] = {{0x80, 0, cleanup, 16, 'tseT'}, END};
        static const FLT_CONTEXT_REGISTRATION two_types[] = {
                {FLT_STREAM_CONTEXT | FLT_FILE_CONTEXT, 0, cleanup, 16, 'tseT'}, END};

        assert_status(fm_context_check_registration(NULL), STATUS_SUCCESS);
        assert_status(fm_context_check_registration(three), STATUS_SUCCESS);
        assert_status(fm_context_check_registration(repeated), STATUS_SUCCESS);
        assert_status(fm_context_check_registration(four), STATUS_INVALID_PARAMETER);
        assert_status(fm_context_check_registration(own_and_more), STATUS_INVALID_PARAMETER);
        assert_status(fm_context_check_registration(no_type), STATUS_INVALID_PARAMETER);
        assert_status(fm_context_check_registration(two_types), STATUS_INVALID_PARAMETER);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fake = fake_new();
        g_test_add_func("/context/sizes", test_sizes);
        g_test_add_func("/context/types", test_types);
        g_test_add_func("/context/content", test_content);
        g_test_add_func("/context/own-memory", test_own_memory);
        g_test_add_func("/context/release-at-dispatch", test_release_at_dispatch);
        g_test_add_func("/context/dispatch-is-too-high", test_dispatch_is_too_high);
        g_test_add_func("/context/definitions", test_definitions);
        result = g_test_run();
        fake->filter->registration.ContextRegistration = NULL;
        fake_free(fake);
        return result;
}
