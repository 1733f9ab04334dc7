/* SPDX-License-Identifier: MIT */
/*
 * Oplocks: none can be had. Asking for one fails, and there is never one to break or to wait for.
 */
#include "fltmgr/check.h"

static FLT_PREOP_CALLBACK_STATUS refuse(PFLT_CALLBACK_DATA data)
{
        fm_log_unsupported("FltOplockFsctrl", "there are no oplocks");
        data->IoStatus.Status = STATUS_NOT_SUPPORTED;
        data->IoStatus.Information = 0;
        return FLT_PREOP_COMPLETE;
}

/* IRQL <= APC_LEVEL. */
VOID FltInitializeOplock(POPLOCK Oplock)
{
        fm_check_irql(__func__, APC_LEVEL);
        *Oplock = NULL;
}

/* IRQL <= APC_LEVEL. */
VOID FltUninitializeOplock(POPLOCK Oplock)
{
        fm_check_irql(__func__, APC_LEVEL);
        *Oplock = NULL;
}

/* FLT_PREOP_COMPLETE, with STATUS_NOT_SUPPORTED in the callback data. IRQL <= APC_LEVEL. */
FLT_PREOP_CALLBACK_STATUS FltOplockFsctrl(POPLOCK Oplock, PFLT_CALLBACK_DATA CallbackData, ULONG OpenCount)
{
        fm_check_irql(__func__, APC_LEVEL);
        return refuse(CallbackData);
}

/* FLT_PREOP_COMPLETE, with STATUS_NOT_SUPPORTED in the callback data. IRQL <= APC_LEVEL. */
FLT_PREOP_CALLBACK_STATUS FltOplockFsctrlEx(POPLOCK Oplock, PFLT_CALLBACK_DATA CallbackData, ULONG OpenCount,
                                            ULONG Flags)
{
        fm_check_irql(__func__, APC_LEVEL);
        return refuse(CallbackData);
}

/* FLT_PREOP_SUCCESS_WITH_CALLBACK: nothing to wait for. IRQL <= APC_LEVEL. */
FLT_PREOP_CALLBACK_STATUS FltCheckOplock(POPLOCK Oplock, PFLT_CALLBACK_DATA CallbackData, PVOID Context,
                                         PFLTOPLOCK_WAIT_COMPLETE_ROUTINE WaitCompletionRoutine,
                                         PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE PrePostCallbackDataRoutine)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* FLT_PREOP_SUCCESS_WITH_CALLBACK: nothing to wait for. IRQL <= APC_LEVEL. */
FLT_PREOP_CALLBACK_STATUS FltCheckOplockEx(POPLOCK Oplock, PFLT_CALLBACK_DATA CallbackData, ULONG Flags, PVOID Context,
                                           PFLTOPLOCK_WAIT_COMPLETE_ROUTINE WaitCompletionRoutine,
                                           PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE PrePostCallbackDataRoutine)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* FLT_PREOP_SUCCESS_WITH_CALLBACK: nothing to break. IRQL <= APC_LEVEL. */
FLT_PREOP_CALLBACK_STATUS FltOplockBreakH(POPLOCK Oplock, PFLT_CALLBACK_DATA CallbackData, ULONG Flags, PVOID Context,
                                          PFLTOPLOCK_WAIT_COMPLETE_ROUTINE WaitCompletionRoutine,
                                          PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE PrePostCallbackDataRoutine)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* FLT_PREOP_SUCCESS_WITH_CALLBACK: nothing to break. IRQL <= APC_LEVEL. */
FLT_PREOP_CALLBACK_STATUS FltOplockBreakToNone(POPLOCK Oplock, PFLT_CALLBACK_DATA CallbackData, PVOID Context,
                                               PFLTOPLOCK_WAIT_COMPLETE_ROUTINE WaitCompletionRoutine,
                                               PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE PrePostCallbackDataRoutine)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* FLT_PREOP_SUCCESS_WITH_CALLBACK: nothing to break. IRQL <= APC_LEVEL. */
FLT_PREOP_CALLBACK_STATUS FltOplockBreakToNoneEx(POPLOCK Oplock, PFLT_CALLBACK_DATA CallbackData, ULONG Flags,
                                                 PVOID Context, PFLTOPLOCK_WAIT_COMPLETE_ROUTINE WaitCompletionRoutine,
                                                 PFLTOPLOCK_PREPOST_CALLBACKDATA_ROUTINE PrePostCallbackDataRoutine)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

/* TRUE: no oplock is in the way. IRQL <= APC_LEVEL. */
BOOLEAN FltOplockIsFastIoPossible(POPLOCK Oplock)
{
        fm_check_irql(__func__, APC_LEVEL);
        return TRUE;
}

/* FALSE: no request gets that far. IRQL <= APC_LEVEL. */
BOOLEAN FltOplockIsSharedRequest(PFLT_CALLBACK_DATA CallbackData)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FALSE;
}

/* FALSE: there is none. IRQL <= APC_LEVEL. */
BOOLEAN FltCurrentBatchOplock(POPLOCK Oplock)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FALSE;
}

/* FALSE: there is none. IRQL <= APC_LEVEL. */
BOOLEAN FltCurrentOplock(POPLOCK Oplock)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FALSE;
}

/* FALSE: there is none. IRQL <= APC_LEVEL. */
BOOLEAN FltCurrentOplockH(POPLOCK Oplock)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FALSE;
}

/* Whether both are the same file object: no file object has an oplock key. IRQL <= APC_LEVEL. */
BOOLEAN FltOplockKeysEqual(PFILE_OBJECT Fo1, PFILE_OBJECT Fo2)
{
        fm_check_irql(__func__, APC_LEVEL);
        return Fo1 && Fo1 == Fo2;
}
