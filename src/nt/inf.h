/* SPDX-License-Identifier: MIT */
/*
 * A filter's INF, as Microsoft ships it, into the registry.
 *
 * The file is untrusted: its size, its line length and every number are bounded, and the registry is touched
 * only when all of it was understood.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define FM_INF_SIZE_LIMIT (1024 * 1024)

#define FM_INF_ERROR (fm_inf_error_quark())

enum fm_inf_error {
        FM_INF_ERROR_READ,    /* the file can't be read, or is too large */
        FM_INF_ERROR_SYNTAX,  /* a line is not INF */
        FM_INF_ERROR_MISSING, /* a section or a directive that a filter needs is not there */
        FM_INF_ERROR_VALUE,   /* a directive's value is wrong */
};

GQuark fm_inf_error_quark(void);

struct fm_service {
        char *name;  /* of the service, which is the filter's name */
        char *image; /* last component of ServiceBinary: "scanner.sys" */
};

void fm_service_clear(struct fm_service *service);

/* Fills FM_SERVICES_KEY\name as an installation would. Errors say file, line and what is wrong. */
bool fm_inf_load(const char *path, struct fm_service *ret, GError **error);
/* The same from memory; name stands for the file in messages. */
bool fm_inf_load_data(const char *name, const void *data, size_t size, struct fm_service *ret,
                      GError **error);
