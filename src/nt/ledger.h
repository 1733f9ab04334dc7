/* SPDX-License-Identifier: MIT */
/*
 * What a filter has to give back before it goes, other than what the Filter Manager and the pool count themselves:
 * each thing is entered with the filter that runs when it is made, and the place in its code.
 *
 * Who gives it back does not matter. Nothing is entered where no filter runs.
 */
#pragma once

#include <stdbool.h>

enum fm_ledger_kind {
        FM_LEDGER_OBJECT, /* references: may be entered several times */
        FM_LEDGER_HANDLE,
        FM_LEDGER_DEVICE,
        FM_LEDGER_TIMER,
        FM_LEDGER_WORK_ITEM,
        FM_LEDGER_LOOKASIDE,
        FM_LEDGER_RESOURCE,
        FM_LEDGER_THREAD,
        FM_LEDGER_KINDS,
};

/* code: where in the filter, usually __builtin_return_address(0). */
void fm_ledger_add(enum fm_ledger_kind kind, const void *thing, const void *code);
/* Not entered: no harm. */
void fm_ledger_remove(enum fm_ledger_kind kind, const void *thing);

/* Waits for the filter's threads to end, as long as the verifier is patient. */
void fm_ledger_wait_for_threads(const char *filter);

/* Reports what is left of a filter that is gone, and forgets it. False: something in its image is still referred to. */
bool fm_ledger_close(const char *filter);
