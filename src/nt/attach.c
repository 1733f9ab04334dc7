/* SPDX-License-Identifier: MIT */
/*
 * Attaching to a process: what a thread does in another process's name. Here it changes whom the current process is
 * taken for, which is what handles that are made meanwhile belong to; there is no address space to change.
 */
#include "nt/ke.h"
#include "nt/thread.h"
#include "nt/verifier.h"

/* Marks an ApcState that KeStackAttachProcess() has filled. */
#define ATTACHED 1

/*
 * Attaches the thread to the process until KeUnstackDetachProcess(). Attachments nest. IRQL <= APC_LEVEL.
 */
VOID KeStackAttachProcess(PRKPROCESS Process, PRKAPC_STATE ApcState)
{
        struct fm_thread *self = fm_thread_self();

        fm_check_irql(__func__, APC_LEVEL);
        *ApcState = (KAPC_STATE){.Process = (PKPROCESS)self->attached, .KernelApcInProgress = ATTACHED};
        self->attached = (PEPROCESS)Process;
}

/* Goes back to the process that was current before. IRQL <= APC_LEVEL. */
VOID KeUnstackDetachProcess(PRKAPC_STATE ApcState)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (ApcState->KernelApcInProgress != ATTACHED) {
                fm_violation("detach-process", "KeUnstackDetachProcess without KeStackAttachProcess");
                return;
        }
        fm_thread_self()->attached = (PEPROCESS)ApcState->Process;
        ApcState->KernelApcInProgress = 0;
}
