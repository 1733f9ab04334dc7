/* SPDX-License-Identifier: MIT */
#include "fake.h"

#include "fltmgr/work.h"
#include "nt/object.h"
#include "nt/thread.h"
#include "nt/verifier.h"

static struct fake *fake;
static KEVENT done;

static struct {
        PVOID item, object, context;
        const char *filter;
        KIRQL irql;
        PETHREAD thread;
} seen;

static VOID generic_routine(PFLT_GENERIC_WORKITEM item, PVOID object, PVOID context)
{
        seen.item = item;
        seen.object = object;
        seen.context = context;
        seen.filter = fm_thread_self()->filter;
        seen.irql = KeGetCurrentIrql();
        seen.thread = fm_thread_self()->thread;
        g_assert_cmpuint(fm_rundown_inside(&((struct fm_flt_object *)object)->rundown), ==, 1);
        KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
}

static void wait_done(void)
{
        assert_status(KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL), STATUS_SUCCESS);
        KeClearEvent(&done);
}

static void test_generic(void)
{
        PFLT_GENERIC_WORKITEM item = FltAllocateGenericWorkItem();

        for (int i = 0; i < 3; i++) {
                PVOID object = i == 1 ? (PVOID)fake->instance : (PVOID)fake->filter;

                assert_status(FltQueueGenericWorkItem(item, object, generic_routine, DelayedWorkQueue, &i),
                              STATUS_SUCCESS);
                wait_done();
                g_assert_true(seen.item == item && seen.object == object && seen.context == &i);
                g_assert_cmpstr(seen.filter, ==, "fake");
                g_assert_cmpuint(seen.irql, ==, PASSIVE_LEVEL);
                g_assert_null(seen.thread);
                fm_rundown_wait(&((struct fm_flt_object *)object)->rundown);
                fm_rundown_init(&((struct fm_flt_object *)object)->rundown);
        }
        assert_status(FltQueueGenericWorkItem(item, fake->volume, generic_routine, DelayedWorkQueue, NULL),
                      STATUS_INVALID_PARAMETER);
        fm_rundown_close(&fake->instance->object.rundown);
        assert_status(FltQueueGenericWorkItem(item, fake->instance, generic_routine, DelayedWorkQueue, NULL),
                      STATUS_FLT_DELETING_OBJECT);
        fm_rundown_init(&fake->instance->object.rundown);
        FltFreeGenericWorkItem(item);
}

static VOID self_freeing_routine(PFLT_GENERIC_WORKITEM item, PVOID object, PVOID context)
{
        FltFreeGenericWorkItem(item);
        KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
}

static void test_frees_itself(void)
{
        uint64_t before = fm_violation_count();

        assert_status(FltQueueGenericWorkItem(FltAllocateGenericWorkItem(), fake->filter, self_freeing_routine,
                                              CriticalWorkQueue, NULL),
                      STATUS_SUCCESS);
        wait_done();
        fm_rundown_wait(&fake->filter->object.rundown);
        fm_rundown_init(&fake->filter->object.rundown);
        g_assert_cmpuint(fm_violation_count(), ==, before);
}

/* All of them block at once: the pool has to grow to let the last one in. */
#define BLOCKED 100
static KEVENT go;
static _Atomic unsigned inside;

static VOID blocking_routine(PFLT_GENERIC_WORKITEM item, PVOID object, PVOID context)
{
        if (atomic_fetch_add(&inside, 1) + 1 == BLOCKED)
                KeSetEvent(&go, IO_NO_INCREMENT, FALSE);
        KeWaitForSingleObject(&go, Executive, KernelMode, FALSE, NULL);
        FltFreeGenericWorkItem(item);
}

static void test_pool_grows(void)
{
        KeInitializeEvent(&go, NotificationEvent, FALSE);
        for (unsigned i = 0; i < BLOCKED; i++)
                assert_status(FltQueueGenericWorkItem(FltAllocateGenericWorkItem(), fake->filter, blocking_routine,
                                                      DelayedWorkQueue, NULL),
                              STATUS_SUCCESS);
        fm_rundown_wait(&fake->filter->object.rundown);
        fm_rundown_init(&fake->filter->object.rundown);
        g_assert_cmpuint(inside, ==, BLOCKED);
}

static VOID deferred_routine(PFLT_DEFERRED_IO_WORKITEM item, PFLT_CALLBACK_DATA data, PVOID context)
{
        seen.item = item;
        seen.object = data;
        seen.context = context;
        KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
}

static void test_deferred(void)
{
        PFLT_DEFERRED_IO_WORKITEM item = FltAllocateDeferredIoWorkItem();
        struct fm_operation *operation = fm_operation_new_generated(fake->instance, IRP_MJ_READ, NULL);

        operation->iopb.TargetInstance = fake->instance;
        assert_status(FltQueueDeferredIoWorkItem(item, &operation->data, deferred_routine, DelayedWorkQueue, &item),
                      STATUS_SUCCESS);
        wait_done();
        g_assert_true(seen.item == item && seen.object == &operation->data && seen.context == &item);
        fm_rundown_wait(&fake->instance->object.rundown);

        assert_status(FltQueueDeferredIoWorkItem(item, &operation->data, deferred_routine, DelayedWorkQueue, NULL),
                      STATUS_FLT_DELETING_OBJECT);
        fm_rundown_init(&fake->instance->object.rundown);
        operation->iopb.IrpFlags |= IRP_PAGING_IO;
        assert_status(FltQueueDeferredIoWorkItem(item, &operation->data, deferred_routine, DelayedWorkQueue, NULL),
                      STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        operation->iopb.IrpFlags &= ~(ULONG)IRP_PAGING_IO;
        fm_thread_self()->top_level_irp = operation;
        assert_status(FltQueueDeferredIoWorkItem(item, &operation->data, deferred_routine, DelayedWorkQueue, NULL),
                      STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        fm_thread_self()->top_level_irp = NULL;
        operation->data.Flags = FLTFL_CALLBACK_DATA_FAST_IO_OPERATION;
        assert_status(FltQueueDeferredIoWorkItem(item, &operation->data, deferred_routine, DelayedWorkQueue, NULL),
                      STATUS_FLT_NOT_SAFE_TO_POST_OPERATION);
        fm_operation_free(operation);
        FltFreeDeferredIoWorkItem(item);
}

static FLT_POSTOP_CALLBACK_STATUS safe_post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects, PVOID context,
                                            FLT_POST_OPERATION_FLAGS flags)
{
        (*(int *)context)++;
        return FLT_POSTOP_MORE_PROCESSING_REQUIRED;
}

static void test_when_safe(void)
{
        struct fm_operation *operation = fm_operation_new_generated(fake->instance, IRP_MJ_READ, NULL);
        FLT_POSTOP_CALLBACK_STATUS status;
        uint64_t before = fm_violation_count();
        int calls = 0;
        KIRQL irql;

        /* Only a post-operation can be completed. */
        g_assert_false(FltDoCompletionProcessingWhenSafe(&operation->data, NULL, &calls, 0, safe_post, &status));
        g_assert_cmpuint(fm_violation_count(), ==, ++before);
        operation->data.Flags |= FLTFL_CALLBACK_DATA_POST_OPERATION;
        g_assert_true(FltDoCompletionProcessingWhenSafe(&operation->data, NULL, &calls, 0, safe_post, &status));
        g_assert_cmpint(calls, ==, 1);
        g_assert_cmpint(status, ==, FLT_POSTOP_MORE_PROCESSING_REQUIRED);
        g_assert_false(FltDoCompletionProcessingWhenSafe(&operation->data, NULL, &calls, FLTFL_POST_OPERATION_DRAINING,
                                                         safe_post, &status));
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        g_assert_cmpint(status, ==, FLT_POSTOP_FINISHED_PROCESSING);
        /* At DISPATCH_LEVEL paging I/O can't be posted. */
        operation->iopb.IrpFlags |= IRP_PAGING_IO;
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        g_assert_false(FltDoCompletionProcessingWhenSafe(&operation->data, NULL, &calls, 0, safe_post, &status));
        KeLowerIrql(irql);
        g_assert_cmpint(status, ==, FLT_POSTOP_FINISHED_PROCESSING);
        g_assert_cmpint(calls, ==, 1);
        fm_operation_free(operation);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fm_verifier_init(false);
        fake = fake_new();
        KeInitializeEvent(&done, NotificationEvent, FALSE);
        g_test_add_func("/work/generic", test_generic);
        g_test_add_func("/work/frees-itself", test_frees_itself);
        g_test_add_func("/work/pool-grows", test_pool_grows);
        g_test_add_func("/work/deferred", test_deferred);
        g_test_add_func("/work/when-safe", test_when_safe);
        result = g_test_run();
        fake_free(fake);
        return result;
}
