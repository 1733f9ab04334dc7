/* SPDX-License-Identifier: MIT */
/* Forgets to delete its device. */
#include "misdeed.h"

static VOID load(PDRIVER_OBJECT driver)
{
        PDEVICE_OBJECT forgotten;

        IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &forgotten);
}

const struct misdeed misdeed = { .load = load };
