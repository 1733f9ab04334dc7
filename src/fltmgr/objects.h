/* SPDX-License-Identifier: MIT */
/*
 * The Filter Manager's objects: filter, volume, instance, file object, stream.
 *
 * Three lifetimes, never mixed:
 *   memory      object.refs: fm_flt_object_ref/_unref
 *   entry       object.rundown: FltObjectReference/FltObjectDereference and every callback in progress
 *   membership  the lists below, guarded by the manager's lock
 *
 * Lock order: manager lock -> volume stack lock -> instance lock -> the lock of the cancel entries (queue.c); filter
 * contexts lock -> context list lock.
 * None is held across a filter callback, a port wait or a FUSE reply.
 */
#pragma once

#include <fltKernel.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "nt/rundown.h"

struct fm_fsd_ops;
struct fm_name_kept;
struct fm_requestor;
struct fm_stack;

enum fm_flt_kind {
        FM_FLT_FILTER = 0x464c4946, /* "FILF": recognisable in a core dump */
        FM_FLT_VOLUME = 0x4d4c4f56,
        FM_FLT_INSTANCE = 0x54534e49,
};

struct fm_flt_object {
        enum fm_flt_kind kind;
        _Atomic uint32_t refs;
        struct fm_rundown rundown;
        _Atomic uint32_t references; /* of those inside: FltObjectReference and the like, for filters to give back */
        const void *_Atomic references_code; /* where a filter has taken the last of these; for reports */
};

void fm_flt_object_ref(void *object);
void fm_flt_object_unref(void *object); /* NULL is allowed */

/* What FltObjectReference does, for our own work: not counted as a filter's. false: the object goes away. */
bool fm_flt_object_enter(void *object);
void fm_flt_object_leave(void *object);

/* Contexts of one object, of all owners. */
struct fm_context_list {
        pthread_mutex_t lock;
        struct fm_context *first; /* guarded by lock */
        bool closed;              /* guarded by lock: nothing may be linked any more */
};

void fm_context_list_init(struct fm_context_list *list);
/* Unlinks all (cleanup callbacks run for those that nobody else refers to), refuses new ones. */
void fm_context_list_close(struct fm_context_list *list);
/* The same, and destroys the lock. */
void fm_context_list_deinit(struct fm_context_list *list);

/* What one filter (volume contexts) or one instance (all others) has linked anywhere: to take it all back at its end. */
struct fm_context_owner {
        struct fm_context *first; /* guarded by the filter's contexts_lock */
        bool closed;              /* guarded by it, too: nothing may be linked any more */
};

enum fm_filter_state {
        FM_FILTER_REGISTERED, /* FltRegisterFilter returned */
        FM_FILTER_STARTED,    /* FltStartFiltering was called */
        FM_FILTER_UNLOADING,
};

struct _FLT_FILTER {
        struct fm_flt_object object;
        char *name; /* UTF-8 service name */
        UNICODE_STRING Name;
        char *altitude; /* of the default instance */
        PDRIVER_OBJECT driver;
        FLT_REGISTRATION registration; /* our copy; its arrays are copies too */
        const FLT_OPERATION_REGISTRATION *callbacks[256]; /* by major; NULL: not registered */
        enum fm_filter_state state; /* manager lock */
        GPtrArray *instances;       /* manager lock; borrowed PFLT_INSTANCE */
        GQueue ports;               /* message.c's lock */
        /*
         * Guards what is linked of all its contexts, its own and its instances'. Not in the instances, since whoever
         * unlinks a context may find its instance gone. Taken before a context list's lock.
         */
        pthread_mutex_t contexts_lock;
        struct fm_context_owner owned; /* volume contexts */
        _Atomic uint64_t contexts_alive;
        _Atomic uint64_t names_alive;
        _Atomic uint64_t data_alive; /* FltAllocateCallbackData */
        /* Where the filter has made the last of each; for reports. */
        const void *_Atomic contexts_code, *_Atomic names_code, *_Atomic data_code;
};

enum fm_instance_state {
        FM_INSTANCE_SETUP, /* its setup callback runs; altitude and name are reserved */
        FM_INSTANCE_ACTIVE,
        FM_INSTANCE_TEARDOWN,
};

struct _FLT_INSTANCE {
        struct fm_flt_object object;
        PFLT_FILTER filter; /* memory reference */
        PFLT_VOLUME volume; /* memory reference */
        UNICODE_STRING Name;
        UNICODE_STRING Altitude;
        char *altitude;
        enum fm_instance_state state; /* manager lock */
        struct fm_context_list contexts; /* its instance context */
        struct fm_context_owner owned;   /* every context it has set, wherever */
        pthread_mutex_t lock;            /* guards all below */
        pthread_cond_t idle;             /* nodes or posts went down to none, or a draining callback is over */
        GQueue nodes;                    /* completion nodes in flight: their post-operation is owed */
        GQueue pended;                   /* nodes whose callback has pended the operation */
        unsigned posts;                  /* post-operations that run, or were pended */
        bool draining;                   /* TeardownStart is over: owed post-operations are called at once */
        _Atomic bool data_scan; /* FltRegisterForDataScan was called */
};

struct _FLT_VOLUME {
        struct fm_flt_object object;
        UNICODE_STRING Name;     /* \Device\HarddiskVolume1 */
        UNICODE_STRING GuidName; /* \??\Volume{...} */
        UNICODE_STRING DosName;  /* C: */
        char *mount_point;
        const struct fm_fsd_ops *fsd;
        void *fsd_context;
        ULONG sector_size;
        BOOLEAN read_only;
        PDEVICE_OBJECT device;
        PDEVICE_OBJECT disk; /* below it; for its type and its names: it takes no requests */
        VPB vpb;             /* of both: FILE_OBJECT.Vpb */
        /*
         * Bit set of the majors that an attached instance registered for: what the front end looks
         * at before it builds anything. Written on attach and detach, read without a lock.
         */
        _Atomic uint64_t wanted;
        pthread_mutex_t stack_lock;
        struct fm_stack *stack; /* guarded by stack_lock; replaced, never changed */
        GPtrArray *instances;   /* manager lock; by descending altitude */
        struct fm_context_list contexts;
        /* Filters that attach at the first operation, not before: see volume.c. Manager lock; memory references, or NULL */
        GPtrArray *attach_later;
        pthread_t attacher; /* manager lock: who attaches them now, if `attaches` */
        bool attaches;
        _Atomic bool attach_is_due; /* until it is done */
        bool mounted;               /* the front end's thread; IRP_MJ_VOLUME_MOUNT was sent, _DISMOUNT is owed */
        /* The front end recomputes its caching mode here; called without locks after each change of `wanted`. */
        void (*wanted_changed)(PFLT_VOLUME volume);
};

/* Place of a major in a bit set: 0..0x1b as they are, FltMgr's own (0xeb..0xff) from 32 on. */
static inline uint64_t fm_major_bit(UCHAR major)
{
        return UINT64_C(1) << (major < 0x20 ? major : 32 + (0xff - major) % 32);
}

/* A bit that is no major's: an attached instance provides names. */
#define FM_WANTS_NAMES (UINT64_C(1) << 31)

static inline bool fm_volume_wants(PFLT_VOLUME volume, uint64_t majors)
{
        return (atomic_load_explicit(&volume->wanted, memory_order_acquire) & majors) != 0;
}

/*
 * One file's data: what FILE_OBJECT.FsContext points at. One per inode (hard links share it). The FSD
 * keeps it as long as it knows the inode, at least until the last CLOSE.
 */
struct fm_stream {
        FSRTL_ADVANCED_FCB_HEADER header; /* must be first */
        PFLT_VOLUME volume;               /* borrowed */
        struct fm_context_list contexts;  /* file and stream contexts */
        void *fsd_inode;                  /* borrowed, for the FSD */
        _Atomic uint32_t names_cached;    /* name.c: which names of it a lookup without a query may give */
        _Atomic uint32_t data_scans;      /* sections of it that filters have: datascan.c */
        SECTION_OBJECT_POINTERS section_pointers; /* FILE_OBJECT.SectionObjectPointer: the same for all openers, empty */
};

struct fm_stream *fm_stream_new(PFLT_VOLUME volume, void *fsd_inode);
/* Runs the cleanup of its contexts; NULL is allowed. */
void fm_stream_free(struct fm_stream *stream);

/* A FILE_OBJECT with what we hang on it. An Ob object: fm_object_ref/_unref, ObReferenceObject. */
struct fm_file_object {
        FILE_OBJECT file; /* must be first; FileName is volume-relative, pool-allocated, "\a\b" */
        PFLT_VOLUME volume;       /* memory reference */
        struct fm_stream *stream; /* NULL until opened; == file.FsContext; borrowed from the FSD */
        PFILE_OBJECT related;     /* referenced; filters may clear file.RelatedFileObject */
        PFLT_INSTANCE initiator;  /* opened by FltCreateFile: later I/O starts below it. memory reference, or NULL */
        struct fm_context_list contexts; /* stream handle contexts */
        void *fsd_file;           /* open state of the FSD; NULL: not open */
        uid_t uid;                /* of the opener: who answers for a CLOSE that nobody asked for */
        gid_t gid;
        PETHREAD opener;          /* referenced */
        bool opened;              /* a CREATE succeeded: CLEANUP and CLOSE are owed */
        _Atomic bool cleaned;     /* CLEANUP was done and nothing was written since */
        bool directory;
        bool by_id;               /* its FileName is an id */
        _Atomic uint32_t names_cached; /* as in struct fm_stream, from before the open on */
        pthread_mutex_t names_lock;
        struct fm_name_kept *names_kept; /* what name providers said; guarded by names_lock */
};

static inline struct fm_file_object *fm_file_object(PFILE_OBJECT file)
{
        return (struct fm_file_object *)file;
}

/*
 * A FILE_OBJECT that is not open yet. When its last reference goes, an opened one is cleaned up if it
 * was not, IRP_MJ_CLOSE is sent, and fsd->close_file frees fsd_file.
 */
PFILE_OBJECT fm_file_object_new(PFLT_VOLUME volume);
/* FO_* that an open with these CreateOptions has from the beginning, before any filter sees it. */
ULONG fm_file_object_flags(ULONG create_options);
/*
 * Bits of FILE_OBJECT.Flags, from any thread: several requests of one handle run at a time. Filters read the field
 * plainly, as on Windows; they see the bits before or after.
 */
void fm_file_object_change_flags(PFILE_OBJECT file, ULONG set, ULONG clear);
/*
 * What closing the last handle does: IRP_MJ_CLEANUP, if the file is open and was not cleaned up since the last
 * write. requestor NULL: the opener. The caller still has to drop its reference (IRP_MJ_CLOSE follows the last one).
 */
void fm_file_object_cleanup(PFILE_OBJECT file, const struct fm_requestor *requestor);
/* FltCancelFileOpen: CLEANUP and CLOSE to the instances below, and the file is not open any more. */
void fm_file_object_undo_open(PFILE_OBJECT file, PFLT_INSTANCE below);
