/* SPDX-License-Identifier: MIT */
/*
 * Transactions: there are none. FltObjects->Transaction is always NULL, so a filter never has one to name here.
 */
#include "fltmgr/check.h"

static NTSTATUS no_transactions(const char *function)
{
        fm_log_unsupported(function, "there are no transactions");
        return STATUS_NOT_SUPPORTED;
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltEnlistInTransaction(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext,
                                NOTIFICATION_MASK NotificationMask)
{
        return no_transactions(__func__);
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltRollbackEnlistment(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext)
{
        return no_transactions(__func__);
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltPrePrepareComplete(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext)
{
        return no_transactions(__func__);
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltPrepareComplete(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext)
{
        return no_transactions(__func__);
}

/* STATUS_NOT_SUPPORTED. IRQL PASSIVE_LEVEL. */
NTSTATUS FltCommitComplete(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext)
{
        return no_transactions(__func__);
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltCommitFinalizeComplete(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext)
{
        return no_transactions(__func__);
}

/* STATUS_NOT_SUPPORTED. IRQL PASSIVE_LEVEL. */
NTSTATUS FltRollbackComplete(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT TransactionContext)
{
        return no_transactions(__func__);
}

/* No object is a transaction. STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltSetTransactionContext(PFLT_INSTANCE Instance, PKTRANSACTION Transaction,
                                  FLT_SET_CONTEXT_OPERATION Operation, PFLT_CONTEXT NewContext,
                                  PFLT_CONTEXT *OldContext)
{
        if (OldContext)
                *OldContext = NULL;
        return no_transactions(__func__);
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltGetTransactionContext(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT *Context)
{
        *Context = NULL;
        return no_transactions(__func__);
}

/* STATUS_NOT_SUPPORTED. IRQL <= APC_LEVEL. */
NTSTATUS FltDeleteTransactionContext(PFLT_INSTANCE Instance, PKTRANSACTION Transaction, PFLT_CONTEXT *OldContext)
{
        if (OldContext)
                *OldContext = NULL;
        return no_transactions(__func__);
}
