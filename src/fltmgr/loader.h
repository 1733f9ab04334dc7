/* SPDX-License-Identifier: MIT */
/*
 * Filters as files: from an INF, a key file or a shared object to a running filter, and back.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>

/*
 * Loads what `spec` names: a path of an .inf, a .conf (key file) or a .so, or a service name that is looked up in
 * the filter directories. image: path of the shared object, or NULL to find it (see docs). Fills
 * the registry, maps the image with private symbols and calls DriverEntry. On failure *error says in one
 * line what was wrong and what to do (malloc'd), and nothing is left behind.
 */
NTSTATUS fm_filter_load(const char *spec, const char *image, char **error);

/* The same for a filter that is linked into the program; its registry has to be there already. */
NTSTATUS fm_driver_start(const char *name, PDRIVER_INITIALIZE entry, char **error);

/* mandatory: as "sc stop" would; else FilterUnload may refuse. */
NTSTATUS fm_filter_unload(const char *name, bool mandatory);

/* At the end of the filter manager: every filter goes, mandatory, lowest altitude last. */
void fm_filter_unload_all(void);

/* A directory to look in for services by name, before the installed one. */
void fm_filter_directory_add(const char *path);

/* For filter.c: the service name of a driver (g_free), and whether its unload was asked for without a way to refuse. */
char *fm_driver_service_name(PDRIVER_OBJECT driver);
bool fm_driver_unload_is_mandatory(PDRIVER_OBJECT driver);
/* Something may still call into it: the image stays mapped, and can't be loaded again. */
void fm_driver_keep_image(PDRIVER_OBJECT driver);
