/* SPDX-License-Identifier: MIT */
/*
 * What the Filter Manager needs of a file system (an FSD): the bottom of the stack.
 *
 * The FSD works from the parameters in op->iopb, as filters left them, and from the FILE_OBJECT in
 * op->iopb.TargetFileObject. It acts as op->requestor (uid, gid), with no access checks if
 * op->requestor.kernel.
 */
#pragma once

#include "fltmgr/objects.h"
#include "fltmgr/operation.h"

struct fm_fsd_ops {
        /* Performs the operation, for every major; sets the result. Synchronous. */
        void (*dispatch)(struct fm_operation *op);
        /*
         * Path of an opened file as it is now, "/a/b", from the volume's root ("/"), or NULL if it has none any more.
         * malloc'd. Follows renames of the file and of its parents.
         */
        char *(*path)(PFILE_OBJECT file);
        /*
         * Where a path leads, "/a/b", with the links on its way followed, but not the last component, which need not
         * exist. create: the CREATE it belongs to, which may be by file id, or NULL. *ret is malloc'd. May be NULL: to
         * where it says.
         */
        NTSTATUS (*real_path)(PFLT_VOLUME volume, struct fm_operation *create, const char *path, char **ret);
        /* Frees fsd_file after CLOSE. */
        void (*close_file)(PFILE_OBJECT file);
        /* A new descriptor, open for reading (and writing if asked and possible), of the file's data; negative errno. */
        int (*open_data)(PFILE_OBJECT file, bool writable);
};

struct fm_volume_options {
        const char *mount_point; /* shown as the volume's link; its last component or a drive letter becomes DosName */
        const char *source;
        ULONG sector_size; /* 512 */
        bool read_only;
};

/*
 * Adds a volume: filters that are started attach to it (NEWLY_MOUNTED_VOLUME) at its first operation. Returns a memory
 * reference that belongs to the front end.
 */
PFLT_VOLUME fm_volume_new(const struct fm_fsd_ops *fsd, void *fsd_context, const struct fm_volume_options *options,
                          void (*wanted_changed)(PFLT_VOLUME volume));
/* Sends IRP_MJ_VOLUME_MOUNT. Anything but a success: a filter refuses, and the volume has to be removed again. */
NTSTATUS fm_volume_mount(PFLT_VOLUME volume);
/*
 * Sends IRP_MJ_SHUTDOWN to the volumes that there are: the filter manager ends, and removes them now. Returns when it is
 * over, or takes too long.
 */
void fm_volume_shutdown_all(void);
/*
 * Tears down all instances (VOLUME_DISMOUNT), sends IRP_MJ_VOLUME_DISMOUNT, deletes the contexts, forgets the volume,
 * drops the reference.
 */
void fm_volume_remove(PFLT_VOLUME volume);
