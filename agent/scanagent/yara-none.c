/* SPDX-License-Identifier: MIT */
/*
 * In place of yara.c where there is no libyara: says so when rules are asked for.
 */
#include "engine.h"

static void *yara_open(const char *file, GError **error)
{
        g_set_error(error, FM_ENGINE_ERROR, 0, "%s: this scanagent was built without libyara", file);
        return NULL;
}

const struct fm_engine fm_engine_yara = {
        .name = "yara",
        .open = yara_open,
};
