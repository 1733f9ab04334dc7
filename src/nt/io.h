/* SPDX-License-Identifier: MIT */
/* What the I/O manager asks of the Filter Manager, and what it does for it. */
#pragma once

#include <fltKernel.h>

struct fm_io_hooks {
        /* Pool-allocated names of a volume's device. STATUS_INVALID_PARAMETER when it is no volume. */
        NTSTATUS (*volume_dos_name)(PDEVICE_OBJECT device, PUNICODE_STRING name);
        NTSTATUS (*volume_guid_name)(PDEVICE_OBJECT device, PUNICODE_STRING name);
};

/* hooks is borrowed for good. */
void fm_io_set_hooks(const struct fm_io_hooks *hooks);

/* A driver object for a filter: name and registry_path are its service's. fm_object_unref() frees it. */
PDRIVER_OBJECT fm_driver_new(const char *service);
/* The device objects that a driver has left behind are deleted; returns how many there were. */
unsigned fm_driver_delete_devices(PDRIVER_OBJECT driver);
/* Referenced device of that name (with or without the link \??\ or \DosDevices\), or NULL. */
PDEVICE_OBJECT fm_device_ref_by_name(PCUNICODE_STRING name);
