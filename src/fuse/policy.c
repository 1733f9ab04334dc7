/* SPDX-License-Identifier: MIT */
/* See policy.h. */
#include "fuse/policy.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static const struct {
        const char *name;
        const char *values[2]; /* the default first */
        size_t offset;         /* of the bool that the second one sets */
} choices[] = {
        {"unlink", {"posix", "classic"}, offsetof(struct fm_session_options, classic_unlink)},
        {"cleanup", {"dirty", "every-flush"}, offsetof(struct fm_session_options, cleanup_each_flush)},
};

/* 1: taken; 0: not ours */
static int take(const char *option, struct fm_session_options *options, char **error)
{
        const char *value = strchr(option, '=');
        unsigned i;

        for (i = 0; value && i < G_N_ELEMENTS(choices); i++) {
                bool *chosen = (bool *)((char *)options + choices[i].offset);

                if (strlen(choices[i].name) != (size_t)(value - option) ||
                    strncmp(option, choices[i].name, (size_t)(value - option)) != 0)
                        continue;
                value++;
                *chosen = strcmp(value, choices[i].values[1]) == 0;
                if (*chosen || strcmp(value, choices[i].values[0]) == 0)
                        return 1;
                *error = g_strdup_printf("-o %s: one of %s=%s, %s=%s", option, choices[i].name,
                                         choices[i].values[0], choices[i].name, choices[i].values[1]);
                return -EINVAL;
        }
        return 0;
}

int fm_policy_parse(const char *list, struct fm_session_options *options, char **ret_rest, char **error)
{
        g_auto(GStrv) all = g_strsplit(list ? list : "", ",", -1);
        g_autoptr(GString) rest = g_string_new(NULL);
        int r;

        for (char **option = all; *option; option++) {
                r = take(*option, options, error);
                if (r < 0)
                        return r;
                if (r == 0)
                        g_string_append_printf(rest, "%s%s", rest->len ? "," : "", *option);
        }
        *ret_rest = rest->len ? g_strdup(rest->str) : NULL;
        return 0;
}
