/* SPDX-License-Identifier: MIT */
/* The verifier's rules: what docs/verifier.md lists, and what a fatal report takes its bug check from. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum fm_rule_group {
        FM_RULE_RESULTS,
        FM_RULE_CHANGES,
        FM_RULE_RETURNS,
        FM_RULE_LEFT,
        FM_RULE_NONE,
        FM_RULE_LOCKS,
        FM_RULE_OTHERS,
        FM_RULE_GROUPS,
};

struct fm_rule {
        const char *name;
        enum fm_rule_group group;
        bool note; /* bad style, or lost work: told once for each callback, never fatal */
        uint32_t bug_check; /* what a fatal report ends with */
        uint32_t parameter; /* the bug check's first parameter, which says what it is about; 0: none is documented */
        const char *windows; /* what Windows does if it is not that bug check; NULL: it is */
        const char *what;    /* broken by ... */
};

extern const struct fm_rule fm_rules[]; /* ends with a name of NULL */
extern const char *const fm_rule_group_titles[FM_RULE_GROUPS];

const struct fm_rule *fm_rule_find(const char *name); /* NULL: no such rule */

/* "DRIVER_VERIFIER_DETECTED_VIOLATION", or NULL. */
const char *fm_bug_check_name(uint32_t code);
