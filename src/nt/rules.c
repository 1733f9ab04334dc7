/* SPDX-License-Identifier: MIT */
/*
 * The table of the verifier's rules. Each is written down in docs/verifier.md, raised somewhere, and broken
 * by a filter in tests/filters/misdeeds; a test compares the four.
 *
 * The bug check is the one that Windows has for it, with Driver Verifier if need be. Where Windows has none,
 * it is Driver Verifier's general one, and `windows` says what happens there.
 */
#include "nt/rules.h"

#include <stddef.h>
#include <string.h>

#define VERIFIER 0xc4
#define FLTMGR   0xf5

static const char breaks[] = "Filter Verifier stops in the debugger";
static const char hangs[] = "hangs";
static const char leaks[] = "the memory is lost; Filter Verifier stops in the debugger";
static const char stays[] = "it stays until the system is restarted";
static const char unsafe[] = "what was there before is used: anything may happen";
static const char ignored[] = "no effect";

const char *const fm_rule_group_titles[FM_RULE_GROUPS] = {
        [FM_RULE_RESULTS] = "Results of callbacks, and who completes what",
        [FM_RULE_CHANGES] = "Changes",
        [FM_RULE_RETURNS] = "What callbacks, threads and work items leave behind",
        [FM_RULE_LEFT] = "What is left at unload",
        [FM_RULE_NONE] = "Objects that are none",
        [FM_RULE_LOCKS] = "IRQL, locks, waits",
        [FM_RULE_OTHERS] = "Memory descriptors, IRPs, exceptions",
};

const struct fm_rule fm_rules[] = {
        {"pre-operation-status", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "a return value of a pre-operation that is none"},
        {"post-operation-status", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "a return value of a post-operation that is none, or not one for this operation"},
        {"no-post-operation", FM_RULE_RESULTS, false, FLTMGR, 0x66, NULL,
         "asking for a post-operation that was not registered"},
        {"completion-context", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "a completion context without asking for a post-operation: nobody will free it"},
        {"no-status", FM_RULE_RESULTS, false, VERIFIER, 0, unsafe,
         "completing an operation without setting `IoStatus.Status`"},
        {"complete-status", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "completing an operation with `STATUS_PENDING` or a status that it can't have; failing a CLEANUP or CLOSE"},
        {"pending-status", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "leaving `STATUS_PENDING` as the result in a post-operation"},
        {"not-an-irp", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "pending what is no IRP (fast I/O, `IRP_MJ_QUERY_OPEN`), before or after"},
        {"synchronize", FM_RULE_RESULTS, true, VERIFIER, 0, "no effect, or a thread that waits for long",
         "`FLT_PREOP_SYNCHRONIZE` for a create or what is no IRP, synchronous anyway; for an asynchronous transfer or a wait for a lock"},
        {"disallow-fastio", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "`FLT_PREOP_DISALLOW_FASTIO` for an IRP"},
        {"disallow-fsfilter", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "`FLT_PREOP_DISALLOW_FSFILTER_IO` for anything but `IRP_MJ_QUERY_OPEN`"},
        {"draining-post-operation", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "doing more than freeing in a post-operation that has `FLTFL_POST_OPERATION_DRAINING`"},
        {"completion-processing", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "`FltDoCompletionProcessingWhenSafe` outside a post-operation"},
        {"completed-twice", FM_RULE_RESULTS, false, 0x44, 0, NULL,
         "completing an operation that is not pended, or not any more"},
        {"complete-pended", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "completing a pended operation with the wrong function, or with a status that is none"},
        {"use-after-completion", FM_RULE_RESULTS, false, VERIFIER, 0, unsafe,
         "using the callback data of an operation that is over"},
        {"pended-for-ever", FM_RULE_RESULTS, false, VERIFIER, 0, hangs,
         "a pended operation that is not completed while a teardown waits for it"},
        {"cancel-routine-left", FM_RULE_RESULTS, false, VERIFIER, 0,
         "the routine is called for freed callback data",
         "an operation that ends while its cancel routine is still set"},
        {"cancel-file-open", FM_RULE_RESULTS, false, FLTMGR, 0x6a, NULL,
         "`FltCancelFileOpen` for a file that is not open, or has a handle already"},
        {"reissue", FM_RULE_RESULTS, false, VERIFIER, 0, breaks,
         "`FltReissueSynchronousIo` outside a post-operation, or for an operation that is not synchronous"},

        {"major-function-changed", FM_RULE_CHANGES, false, VERIFIER, 0, breaks,
         "changing `Iopb->MajorFunction`"},
        {"target-changed", FM_RULE_CHANGES, false, VERIFIER, 0, breaks,
         "`Iopb->TargetInstance` that is not the filter's own at this altitude, `TargetFileObject` of another volume"},
        {"callback-data-changed", FM_RULE_CHANGES, false, VERIFIER, 0, breaks,
         "changing `Data->Iopb`, `Thread` or `RequestorMode`"},
        {"flt-objects-changed", FM_RULE_CHANGES, false, VERIFIER, 0, unsafe,
         "changing the `FLT_RELATED_OBJECTS`"},
        {"io-status-changed", FM_RULE_CHANGES, false, VERIFIER, 0, ignored,
         "setting `IoStatus.Status` in a pre-operation that does not complete the operation"},
        {"not-dirty", FM_RULE_CHANGES, true, VERIFIER, 0, ignored,
         "changed parameters without `FltSetCallbackDataDirty`: they are lost"},
        {"swapped-buffer", FM_RULE_CHANGES, false, VERIFIER, 0, "memory is overwritten, or the buffer is not used",
         "a swapped buffer that is too short (whole sectors for what is not cached), or without an MDL in an IRP"},
        {"name-changed", FM_RULE_CHANGES, false, VERIFIER, 0, "all who share the name get the wrong one",
         "writing into a name of `FltGetFileNameInformation`"},

        {"irql-at-return", FM_RULE_RETURNS, false, 0xc8, 0, NULL, "returning at another IRQL"},
        {"spin-lock-at-return", FM_RULE_RETURNS, false, VERIFIER, 0, hangs, "returning with a spin lock"},
        {"lock-at-return", FM_RULE_RETURNS, false, VERIFIER, 0, hangs,
         "returning with a mutex, a fast mutex, a push lock or a resource"},
        {"critical-region-at-return", FM_RULE_RETURNS, false, VERIFIER, 0xc5, NULL,
         "returning in a critical region"},
        {"attached-at-return", FM_RULE_RETURNS, false, 0x5, 0, NULL, "returning attached to a process"},
        {"thread-state", FM_RULE_RETURNS, false, 0x20, 0, NULL,
         "a thread that ends with a raised IRQL or a lock"},
        {"work-item-state", FM_RULE_RETURNS, false, 0xe1, 0, NULL,
         "a work item that ends with a raised IRQL or a lock"},

        {"context-leak", FM_RULE_LEFT, false, VERIFIER, 0, hangs,
         "contexts that are not released when the filter goes"},
        {"name-leak", FM_RULE_LEFT, false, VERIFIER, 0, leaks,
         "file name informations that are not released"},
        {"callback-data-leak", FM_RULE_LEFT, false, VERIFIER, 0, leaks, "callback data that is not freed"},
        {"reference-leak", FM_RULE_LEFT, false, VERIFIER, 0, hangs,
         "references of `FltObjectReference`, or of a function that returns a referenced object, that are not given back"},
        {"object-leak", FM_RULE_LEFT, false, VERIFIER, 0, stays,
         "references of `ObReferenceObject` and its like that `ObDereferenceObject` did not give back"},
        {"handle-leak", FM_RULE_LEFT, false, VERIFIER, 0, stays,
         "handles that are not closed: files, keys, events, threads"},
        {"port-leak", FM_RULE_LEFT, false, VERIFIER, 0, hangs,
         "a server port or a connection that is not closed"},
        {"device-leak", FM_RULE_LEFT, false, VERIFIER, 0, stays, "a device object that is not deleted"},
        {"pool-leak", FM_RULE_LEFT, false, VERIFIER, 0x62, NULL,
         "pool that is not freed; the lines before it list the tags"},
        {"timer-leak", FM_RULE_LEFT, false, 0xce, 0, NULL, "a timer that is still set"},
        {"work-item-leak", FM_RULE_LEFT, false, VERIFIER, 0, leaks, "work items that are not freed"},
        {"lookaside-leak", FM_RULE_LEFT, false, 0xce, 0, NULL, "lookaside lists that are not deleted"},
        {"resource-leak", FM_RULE_LEFT, false, 0xce, 0, NULL, "resources (`ERESOURCE`) that are not deleted"},
        {"thread-leak", FM_RULE_LEFT, false, 0xce, 0, NULL, "a system thread that is still running"},
        {"unload-without-unregister", FM_RULE_LEFT, false, 0xce, 0, NULL,
         "no `FltUnregisterFilter` in FilterUnload"},
        {"driver-entry-left-registered", FM_RULE_LEFT, false, 0xce, 0, NULL,
         "no `FltUnregisterFilter` after an error in DriverEntry"},
        {"unregister-twice", FM_RULE_LEFT, false, VERIFIER, 0, unsafe, "`FltUnregisterFilter` twice"},
        {"hang", FM_RULE_LEFT, false, VERIFIER, 0, hangs,
         "callbacks or work items that do not end while a teardown waits for them"},

        {"context", FM_RULE_NONE, false, FLTMGR, 0x6e, NULL, "a pointer that is no context, or not any more"},
        {"context-over-release", FM_RULE_NONE, false, FLTMGR, 0x6d, NULL, "one `FltReleaseContext` too many"},
        {"name-over-release", FM_RULE_NONE, false, FLTMGR, 0x68, NULL,
         "one `FltReleaseFileNameInformation` too many, or for what is no name"},
        {"flt-object", FM_RULE_NONE, false, VERIFIER, 0, unsafe,
         "a pointer that is no filter, instance or volume"},
        {"flt-object-reference", FM_RULE_NONE, false, VERIFIER, 0, unsafe,
         "one `FltObjectDereference` too many"},
        {"callback-data", FM_RULE_NONE, false, VERIFIER, 0, unsafe,
         "callback data that `FltAllocateCallbackData` did not make, for a function that takes only such"},
        {"ecp", FM_RULE_NONE, false, 0x10c, 0x1, NULL,
         "a pointer that is no extra create parameter; freeing one that is in a list"},
        {"invalid-handle", FM_RULE_NONE, false, 0x93, 0, NULL, "closing what is no handle"},
        {"port-close-invalid", FM_RULE_NONE, false, VERIFIER, 0, unsafe,
         "closing a port of the wrong kind or of another filter"},
        {"port-close-twice", FM_RULE_NONE, false, VERIFIER, 0, unsafe, "closing a connection twice"},
        {"port-send-invalid", FM_RULE_NONE, false, VERIFIER, 0, unsafe, "sending to what is no connection"},
        {"port-output-too-long", FM_RULE_NONE, false, VERIFIER, 0,
         "the agent is given memory that is not his",
         "`MessageNotify` says that it returned more than its buffer holds"},
        {"pool-free", FM_RULE_NONE, false, 0xc2, 0x7, NULL,
         "freeing what is no pool memory, or was freed already"},
        {"pool-tag", FM_RULE_NONE, false, 0xc2, 0xa, NULL,
         "freeing pool memory with another tag than it was allocated with"},
        {"pool-overrun", FM_RULE_NONE, false, 0x19, 0x20, NULL,
         "writing past the end of pool memory, or before its start"},
        {"lookaside", FM_RULE_NONE, false, VERIFIER, 0xcb, NULL,
         "a lookaside list that was not initialized or is deleted"},
        {"work-item-queued", FM_RULE_NONE, false, 0xe4, 0, NULL,
         "freeing or queueing a work item that waits to be run"},

        {"irql", FM_RULE_LOCKS, false, 0xa, 0, NULL, "a function at an IRQL where it is not allowed"},
        {"paged-code", FM_RULE_LOCKS, false, 0xd1, 0, NULL,
         "pageable code (`PAGED_CODE()`, in a build with `-DDBG=1`) at DISPATCH_LEVEL"},
        {"wait-with-spin-lock", FM_RULE_LOCKS, false, 0xb8, 0, NULL, "waiting with a spin lock"},
        {"wait-blocks", FM_RULE_LOCKS, false, 0xc, 0, NULL,
         "waiting for many objects without a `WaitBlockArray`"},
        {"wait-object", FM_RULE_LOCKS, false, VERIFIER, 0, unsafe, "waiting for what was not initialized"},
        {"event-object", FM_RULE_LOCKS, false, VERIFIER, 0, unsafe,
         "setting an event that was not initialized"},
        {"spin-lock-not-owned", FM_RULE_LOCKS, false, 0x10, 0, NULL,
         "releasing a spin lock that the thread does not hold"},
        {"mutex-not-owned", FM_RULE_LOCKS, false, 0x11, 0, NULL,
         "releasing a fast mutex that the thread does not hold"},
        {"resource-not-owned", FM_RULE_LOCKS, false, 0xe3, 0, NULL,
         "releasing a resource that the thread does not hold"},
        {"push-lock-not-owned", FM_RULE_LOCKS, false, VERIFIER, 0, unsafe,
         "releasing a push lock that is not held"},
        {"resource-in-use", FM_RULE_LOCKS, false, VERIFIER, 0, unsafe,
         "deleting a resource that somebody holds"},
        {"push-lock-held", FM_RULE_LOCKS, false, VERIFIER, 0, unsafe,
         "deleting a push lock that somebody holds"},
        {"critical-region", FM_RULE_LOCKS, false, VERIFIER, 0x37, NULL,
         "what needs a critical region, outside of one; one leave too many"},
        {"rundown-release", FM_RULE_LOCKS, false, VERIFIER, 0, unsafe,
         "rundown protection that is released more often than acquired"},
        {"detach-process", FM_RULE_LOCKS, false, 0x6, 0, NULL,
         "`KeUnstackDetachProcess` without `KeStackAttachProcess`"},

        {"mdl-locked", FM_RULE_OTHERS, false, VERIFIER, 0x7c, NULL,
         "freeing an MDL with locked pages; unlocking one without"},
        {"mdl-not-locked", FM_RULE_OTHERS, false, VERIFIER, 0x85, NULL,
         "mapping an MDL before its pages are locked"},
        {"irp-pending", FM_RULE_OTHERS, false, 0xc9, 0x6, NULL, "completing an IRP with `STATUS_PENDING`"},
        {"seh-finally-skipped", FM_RULE_OTHERS, false, VERIFIER, 0, "the block runs",
         "leaving a `__try` by `return`, `goto` or `break`: its `__finally` does not run here"},
        {"seh-continue-execution", FM_RULE_OTHERS, false, VERIFIER, 0,
         "it goes on where the exception was raised",
         "`EXCEPTION_CONTINUE_EXECUTION`"},
        {"assertion", FM_RULE_OTHERS, false, VERIFIER, 0, "stops in the debugger",
         "`NT_ASSERT`, `ASSERT` or `FLT_ASSERT` in a build with `-DDBG=1`"},
        {NULL},
};

const struct fm_rule *fm_rule_find(const char *name)
{
        for (const struct fm_rule *rule = fm_rules; rule->name; rule++) {
                if (strcmp(rule->name, name) == 0)
                        return rule;
        }
        return NULL;
}

const char *fm_bug_check_name(uint32_t code)
{
        static const struct {
                uint32_t code;
                const char *name;
        } names[] = {
                {0x5, "INVALID_PROCESS_ATTACH_ATTEMPT"},
                {0x6, "INVALID_PROCESS_DETACH_ATTEMPT"},
                {0x9, "IRQL_NOT_GREATER_OR_EQUAL"},
                {0xa, "IRQL_NOT_LESS_OR_EQUAL"},
                {0xc, "MAXIMUM_WAIT_OBJECTS_EXCEEDED"},
                {0xf, "SPIN_LOCK_ALREADY_OWNED"},
                {0x10, "SPIN_LOCK_NOT_OWNED"},
                {0x11, "THREAD_NOT_MUTEX_OWNER"},
                {0x18, "REFERENCE_BY_POINTER"},
                {0x19, "BAD_POOL_HEADER"},
                {0x1e, "KMODE_EXCEPTION_NOT_HANDLED"},
                {0x20, "KERNEL_APC_PENDING_DURING_EXIT"},
                {0x44, "MULTIPLE_IRP_COMPLETE_REQUESTS"},
                {0x93, "INVALID_KERNEL_HANDLE"},
                {0x96, "INVALID_WORK_QUEUE_ITEM"},
                {0xb8, "ATTEMPTED_SWITCH_FROM_DPC"},
                {0xc2, "BAD_POOL_CALLER"},
                {0xc4, "DRIVER_VERIFIER_DETECTED_VIOLATION"},
                {0xc8, "IRQL_UNEXPECTED_VALUE"},
                {0xc9, "DRIVER_VERIFIER_IOMANAGER_VIOLATION"},
                {0xce, "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS"},
                {0xd1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL"},
                {0xe1, "WORKER_THREAD_RETURNED_AT_BAD_IRQL"},
                {0xe3, "RESOURCE_NOT_OWNED"},
                {0xe4, "WORKER_INVALID"},
                {0xf5, "FLTMGR_FILE_SYSTEM"},
                {0x10c, "FSRTL_EXTRA_CREATE_PARAMETER_VIOLATION"},
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (names[i].code == code)
                        return names[i].name;
        }
        return NULL;
}
