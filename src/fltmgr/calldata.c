/* SPDX-License-Identifier: MIT */
/*
 * Callback data that filters allocate, fill in and send themselves.
 *
 * What the filter holds is a shell: it may write any major into it, use it again, cancel it. Sending it makes a true
 * operation of what it says at that moment, and brings the result back into it.
 */
#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/extras.h"
#include "fltmgr/fileio.h"
#include "fltmgr/manager.h"
#include "nt/object.h"

/* What a shell is made with counts as the major until the filter writes one. */
#define SHELL_MAJOR IRP_MJ_CREATE

/*
 * Callback data for FltPerformSynchronousIo and FltPerformAsynchronousIo, seen only by the instances below.
 * Iopb->TargetInstance and TargetFileObject are set; all else is the caller's to fill in.
 * STATUS_SUCCESS. IRQL <= APC_LEVEL.
 */
NTSTATUS FltAllocateCallbackData(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject,
                                 PFLT_CALLBACK_DATA *RetNewCallbackData)
{
        return FltAllocateCallbackDataEx(Instance, FileObject, 0, RetNewCallbackData);
}

/* FltAllocateCallbackData with flags, which make no difference here. Statuses and IRQL as there. */
NTSTATUS FltAllocateCallbackDataEx(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject,
                                   FLT_ALLOCATE_CALLBACK_DATA_FLAGS Flags, PFLT_CALLBACK_DATA *RetNewCallbackData)
{
        struct fm_operation *shell;
        struct fm_extras *extras;

        fm_check_irql("FltAllocateCallbackData", APC_LEVEL);
        shell = fm_operation_new_generated(Instance, SHELL_MAJOR, FileObject);
        extras = fm_operation_extras(shell);
        extras->allocated = true;
        extras->file = FileObject;
        shell->iopb.TargetInstance = Instance;
        /* The operation only borrows its thread, and may be kept for longer than that lives. */
        if (shell->requestor.thread)
                fm_object_ref(shell->requestor.thread);
        memset(&shell->iopb.Parameters, 0, sizeof(shell->iopb.Parameters));
        fm_flt_object_ref(Instance);
        atomic_fetch_add_explicit(&Instance->filter->data_alive, 1, memory_order_relaxed);
        atomic_store_explicit(&Instance->filter->data_code, fm_thread_self()->code, memory_order_relaxed);
        *RetNewCallbackData = &shell->data;
        return STATUS_SUCCESS;
}

static struct fm_operation *shell_of(const char *function, PFLT_CALLBACK_DATA data)
{
        struct fm_operation *shell = fm_operation_from_data(data);
        struct fm_extras *extras = fm_operation_extras_peek(shell);

        if (extras && extras->allocated)
                return shell;
        fm_violation("callback-data", "%s for callback data that FltAllocateCallbackData did not make", function);
        return NULL;
}

/* As it was made, so that what is freed is what was allocated. */
static void shell_reset(struct fm_operation *shell)
{
        shell->iopb.MajorFunction = SHELL_MAJOR;
        shell->iopb.TargetFileObject = fm_operation_extras_peek(shell)->file;
        shell->iopb.TargetInstance = shell->below;
        fm_operation_clear_tag_data(shell);
}

/* Frees what FltAllocateCallbackData made. IRQL <= DISPATCH_LEVEL. */
VOID FltFreeCallbackData(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *shell;
        PFLT_INSTANCE instance;
        PETHREAD thread;

        fm_check_irql(__func__, DISPATCH_LEVEL);
        shell = shell_of(__func__, CallbackData);
        if (!shell)
                return;
        instance = shell->below;
        thread = shell->requestor.thread;
        shell_reset(shell);
        fm_operation_free(shell);
        fm_object_unref(thread);
        atomic_fetch_sub_explicit(&instance->filter->data_alive, 1, memory_order_relaxed);
        fm_flt_object_unref(instance);
}

/* Makes it as it was when allocated, once its I/O is over. IRQL <= APC_LEVEL. */
VOID FltReuseCallbackData(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *shell;
        struct fm_extras *extras;
        PFILE_OBJECT file;

        fm_check_irql(__func__, APC_LEVEL);
        shell = shell_of(__func__, CallbackData);
        if (!shell)
                return;
        shell_reset(shell);
        file = fm_operation_extras_peek(shell)->file;
        fm_operation_extras_free(shell);
        extras = fm_operation_extras(shell);
        extras->allocated = true;
        extras->file = file;

        shell->data.Flags = FLTFL_CALLBACK_DATA_IRP_OPERATION | FLTFL_CALLBACK_DATA_GENERATED_IO;
        shell->data.IoStatus = (IO_STATUS_BLOCK){0};
        shell->iopb.IrpFlags = 0;
        shell->iopb.MinorFunction = 0;
        shell->iopb.OperationFlags = 0;
        memset(&shell->iopb.Parameters, 0, sizeof(shell->iopb.Parameters));
}

/* The operation that the shell describes now. */
static struct fm_operation *operation_from_shell(struct fm_operation *shell)
{
        FLT_IO_PARAMETER_BLOCK *from = &shell->iopb;
        struct fm_operation *operation =
                fm_operation_new_generated(shell->below, from->MajorFunction, from->TargetFileObject);
        IO_SECURITY_CONTEXT *security = NULL;

        operation->iopb.MinorFunction = from->MinorFunction;
        operation->iopb.OperationFlags = from->OperationFlags;
        operation->iopb.IrpFlags |= from->IrpFlags;
        if (from->MajorFunction == IRP_MJ_CREATE && !from->Parameters.Create.SecurityContext)
                security = operation->iopb.Parameters.Create.SecurityContext;
        operation->iopb.Parameters = from->Parameters;
        if (security)
                operation->iopb.Parameters.Create.SecurityContext = security;
        return operation;
}

static void result_to_shell(struct fm_operation *shell, struct fm_operation *operation)
{
        shell->data.IoStatus = operation->data.IoStatus;
        shell->data.TagData = operation->data.TagData;
        operation->data.TagData = NULL;
}

/*
 * Sends it below the instance and waits; the result is in CallbackData->IoStatus.
 * Reported, and STATUS_INVALID_PARAMETER: not from FltAllocateCallbackData. IRQL <= APC_LEVEL.
 */
VOID FltPerformSynchronousIo(PFLT_CALLBACK_DATA CallbackData)
{
        struct fm_operation *shell, *operation;

        fm_check_irql(__func__, APC_LEVEL);
        shell = shell_of(__func__, CallbackData);
        if (!shell) {
                CallbackData->IoStatus.Status = STATUS_INVALID_PARAMETER;
                return;
        }
        operation = operation_from_shell(shell);
        operation->iopb.IrpFlags |= IRP_SYNCHRONOUS_API;
        fm_operation_run(operation);
        result_to_shell(shell, operation);
        fm_operation_free(operation);
}

struct shell_call {
        struct fm_operation *shell;
        PFLT_COMPLETED_ASYNC_IO_CALLBACK callback;
        PFLT_CONTEXT context;
};

static VOID FLTAPI shell_done(PFLT_CALLBACK_DATA data, PFLT_CONTEXT context)
{
        struct shell_call call = *(struct shell_call *)context;
        struct fm_operation *operation = fm_operation_from_data(data);

        g_free(context);
        operation->requestor.cancel = NULL;
        result_to_shell(call.shell, operation);
        call.callback(&call.shell->data, call.context);
}

static NTSTATUS shell_refused(struct fm_operation *shell, PFLT_COMPLETED_ASYNC_IO_CALLBACK callback, PVOID context,
                              NTSTATUS status)
{
        shell->data.IoStatus = (IO_STATUS_BLOCK){.Status = status};
        callback(&shell->data, context);
        return status;
}

/*
 * Sends it below the instance; CallbackRoutine is called on another thread when it is done, and frees or uses the
 * callback data again. FltCancelIo ends it early.
 *
 * STATUS_PENDING; STATUS_FLT_INVALID_ASYNCHRONOUS_REQUEST: a create; STATUS_FLT_DELETING_OBJECT: the instance goes
 * away. With these two the callback has been called, too, before this returns, and finds them in IoStatus.
 * STATUS_INVALID_PARAMETER: not from FltAllocateCallbackData, or no callback. IRQL PASSIVE_LEVEL (APC_LEVEL for paging
 * I/O).
 */
NTSTATUS FltPerformAsynchronousIo(PFLT_CALLBACK_DATA CallbackData, PFLT_COMPLETED_ASYNC_IO_CALLBACK CallbackRoutine,
                                  PVOID CallbackContext)
{
        struct fm_operation *shell, *operation;
        struct shell_call *call;
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        shell = shell_of(__func__, CallbackData);
        if (!shell || !CallbackRoutine)
                return STATUS_INVALID_PARAMETER;
        if (!(shell->iopb.IrpFlags & IRP_PAGING_IO))
                fm_check_irql(__func__, PASSIVE_LEVEL);
        if (shell->iopb.MajorFunction == IRP_MJ_CREATE)
                return shell_refused(shell, CallbackRoutine, CallbackContext, STATUS_FLT_INVALID_ASYNCHRONOUS_REQUEST);
        fm_operation_own_cancel(shell);
        operation = operation_from_shell(shell);
        operation->requestor.cancel = shell->requestor.cancel;
        call = g_new(struct shell_call, 1);
        *call = (struct shell_call){shell, CallbackRoutine, CallbackContext};
        status = fm_io_run_async(operation, shell_done, call, true);
        if (!NT_SUCCESS(status)) {
                g_free(call);
                fm_operation_free(operation);
                return shell_refused(shell, CallbackRoutine, CallbackContext, status);
        }
        return status;
}
