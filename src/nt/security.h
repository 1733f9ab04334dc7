/* SPDX-License-Identifier: MIT */
/*
 * Windows' access check for Linux credentials.
 *
 * uid 0 is Local System (S-1-5-18) and a member of Administrators (S-1-5-32-544); uid N is S-1-22-1-N, gid N
 * S-1-22-2-N; everybody is Everyone (S-1-1-0) and Authenticated Users (S-1-5-11). Who runs the filter manager
 * is an Administrator of it, and members of one more group can be made so.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fm_credentials {
        uid_t uid;
        gid_t gid;
        const gid_t *groups; /* supplementary; borrowed */
        size_t group_count;
};

/*
 * Evaluates the DACL from its first entry to its last: what is denied before it is allowed stays denied. No
 * DACL, or a NULL one, grants everything; an empty one nothing. An owner may always READ_CONTROL and
 * WRITE_DAC. mapping may be NULL: then generic rights in the entries grant nothing but themselves. *granted
 * (may be NULL) gets what was granted, also for MAXIMUM_ALLOWED. A descriptor that is malformed grants
 * nothing.
 */
bool fm_access_check(const SECURITY_DESCRIPTOR *descriptor, const struct fm_credentials *credentials,
                     ACCESS_MASK desired, const GENERIC_MAPPING *mapping, ACCESS_MASK *granted);

/* Whether the SID stands for these credentials. */
bool fm_sid_matches(const SID *sid, const struct fm_credentials *credentials);

/* Members of this group are Administrators too; (gid_t)-1, the default: nobody. */
void fm_security_set_administrators(gid_t gid);

/* SID of a Linux user. buffer: SECURITY_MAX_SID_SIZE bytes. */
SID *fm_sid_from_uid(uid_t uid, void *buffer);
/* Credentials of a process from /proc; groups go to g_free(). false: it is gone. */
bool fm_credentials_of_process(pid_t pid, struct fm_credentials *credentials, gid_t **groups);
