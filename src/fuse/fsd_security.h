/* SPDX-License-Identifier: MIT */
/*
 * Owner, group and mode bits as a security descriptor, and back.
 *
 * A user is S-1-22-1-uid, a group S-1-22-2-gid, everybody S-1-1-0, as Samba has it. What is finer than nine
 * permission bits is lost on this way; the front end's own requests do not go it.
 */
#pragma once

#include <fltKernel.h>
#include <stdbool.h>
#include <sys/types.h>

#define FM_FSD_SECURITY_SIZE 160 /* of the largest that is ever built */

/* Self-relative, with the parts that information asks for. Returns its length. */
ULONG fm_fsd_security_build(uid_t uid, gid_t gid, mode_t mode, SECURITY_INFORMATION information,
                            void *buffer);

struct fm_fsd_security {
        bool has_uid, has_gid, has_mode;
        uid_t uid;
        gid_t gid;
        mode_t mode; /* nine bits */
};

/* The descriptor is trusted (a filter made it, or we). false: not one of ours, or broken. */
bool fm_fsd_security_parse(const void *descriptor, SECURITY_INFORMATION information,
                           struct fm_fsd_security *ret);
