/* SPDX-License-Identifier: MIT */
/*
 * Transactions: there are none. FltObjects->Transaction is always NULL, so a filter never has one to name here.
 */
#include "fltmgr/check.h"
#include "nt/absent.h"

FM_NOT_SUPPORTED(FltEnlistInTransaction,
                 (PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext,
                  NOTIFICATION_MASK NotificationMask),
                 "there are no transactions")
FM_NOT_SUPPORTED(FltRollbackEnlistment,
                 (PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext),
                 "there are no transactions")
FM_NOT_SUPPORTED(FltPrePrepareComplete,
                 (PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext),
                 "there are no transactions")
FM_NOT_SUPPORTED(FltPrepareComplete,
                 (PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext),
                 "there are no transactions")
FM_NOT_SUPPORTED(FltCommitComplete,
                 (PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext),
                 "there are no transactions")
FM_NOT_SUPPORTED(FltCommitFinalizeComplete,
                 (PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext),
                 "there are no transactions")
FM_NOT_SUPPORTED(FltRollbackComplete,
                 (PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext),
                 "there are no transactions")

/* No object is a transaction. STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltSetTransactionContext(PFLT_INSTANCE Instance, PKTRANSACTION Transaction,
                                  FLT_SET_CONTEXT_OPERATION Operation, PFLT_CONTEXT NewContext,
                                  PFLT_CONTEXT *OldContext)
{
        if (OldContext)
                *OldContext = NULL;
        fm_log_unsupported(__func__, "there are no transactions");
        return STATUS_NOT_SUPPORTED;
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltGetTransactionContext(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT *Context)
{
        *Context = NULL;
        fm_log_unsupported(__func__, "there are no transactions");
        return STATUS_NOT_SUPPORTED;
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltDeleteTransactionContext(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT *OldContext)
{
        if (OldContext)
                *OldContext = NULL;
        fm_log_unsupported(__func__, "there are no transactions");
        return STATUS_NOT_SUPPORTED;
}
