/* SPDX-License-Identifier: MIT */
/*
 * File objects and streams.
 *
 * Closing has two steps, as on Windows: CLEANUP when the last handle goes (the front end says when), CLOSE
 * when the last reference goes, on whatever thread that happens.
 */
#include "fltmgr/fsd.h"
#include "fltmgr/manager.h"
#include "fltmgr/name.h"
#include "fltmgr/section.h"
#include "nt/object.h"
#include "nt/unicode.h"

static struct fm_requestor opener_of(struct fm_file_object *object)
{
        return (struct fm_requestor){
                .thread = object->opener,
                .uid = object->uid,
                .gid = object->gid,
                .kernel = object->initiator != NULL,
        };
}

static void send(struct fm_file_object *object, UCHAR major, const struct fm_requestor *requestor, PFLT_INSTANCE below,
                 bool borrowed)
{
        struct fm_operation *operation =
                borrowed ? fm_operation_new_borrowed(object->volume, major, &object->file, requestor) :
                           fm_operation_new(object->volume, major, &object->file, requestor);

        if (below) {
                fm_flt_object_ref(below);
                operation->below = below;
                operation->data.Flags |= FLTFL_CALLBACK_DATA_GENERATED_IO;
        }
        fm_operation_run(operation);
        fm_operation_free(operation);
}

static void release_open_state(struct fm_file_object *object)
{
        object->opened = false;
        object->volume->fsd->close_file(&object->file);
        object->fsd_file = NULL;
        object->stream = NULL;
        object->file.FsContext = NULL;
}

static void file_object_destroy(void *body)
{
        struct fm_file_object *object = body;
        struct fm_requestor requestor = opener_of(object);

        if (object->opened) {
                if (!object->cleaned)
                        send(object, IRP_MJ_CLEANUP, &requestor, object->initiator, true);
                send(object, IRP_MJ_CLOSE, &requestor, object->initiator, true);
        }
        /* Stream handle contexts die with the CLOSE; the stream itself is the FSD's. */
        fm_context_list_deinit(&object->contexts);
        if (object->fsd_file)
                release_open_state(object);
        fm_name_kept_forget(&object->file);
        pthread_mutex_destroy(&object->names_lock);
        RtlFreeUnicodeString(&object->file.FileName);
        fm_object_unref(object->related);
        fm_object_unref(object->opener);
        fm_flt_object_unref(object->initiator);
        fm_flt_object_unref(object->volume);
}

__attribute__((constructor)) static void file_object_type_init(void)
{
        (*IoFileObjectType)->destroy = file_object_destroy;
}

PFILE_OBJECT fm_file_object_new(PFLT_VOLUME volume)
{
        struct fm_file_object *object = fm_object_new(*IoFileObjectType, sizeof(*object));

        object->file.Type = 5; /* IO_TYPE_FILE */
        object->file.Size = sizeof(FILE_OBJECT);
        object->file.DeviceObject = volume->device;
        object->file.Vpb = &volume->vpb;
        fm_flt_object_ref(volume);
        object->volume = volume;
        fm_context_list_init(&object->contexts);
        pthread_mutex_init(&object->names_lock, NULL);
        return &object->file;
}

ULONG fm_file_object_flags(ULONG create_options)
{
        static const struct {
                ULONG options, flags;
        } rows[] = {
                {FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT, FO_SYNCHRONOUS_IO},
                {FILE_SYNCHRONOUS_IO_ALERT, FO_ALERTABLE_IO},
                {FILE_NO_INTERMEDIATE_BUFFERING, FO_NO_INTERMEDIATE_BUFFERING},
                {FILE_WRITE_THROUGH, FO_WRITE_THROUGH},
                {FILE_SEQUENTIAL_ONLY, FO_SEQUENTIAL_ONLY},
                {FILE_RANDOM_ACCESS, FO_RANDOM_ACCESS},
                {FILE_DELETE_ON_CLOSE, FO_DELETE_ON_CLOSE},
        };
        ULONG flags = FO_OPENED_CASE_SENSITIVE;

        for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
                flags |= create_options & rows[i].options ? rows[i].flags : 0;
        return flags;
}

/* Not inlined: tests/lib/tsan.supp names it. */
G_GNUC_NO_INLINE void fm_file_object_change_flags(PFILE_OBJECT file, ULONG set, ULONG clear)
{
        ULONG old = __atomic_load_n(&file->Flags, __ATOMIC_RELAXED);

        while ((old & (set | clear)) != set &&
               !__atomic_compare_exchange_n(&file->Flags, &old, (old & ~clear) | set, true, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
                ;
}

void fm_file_object_cleanup(PFILE_OBJECT file, const struct fm_requestor *requestor)
{
        struct fm_file_object *object = fm_file_object(file);
        struct fm_requestor opener = opener_of(object);

        if (object->opened && !object->cleaned)
                send(object, IRP_MJ_CLEANUP, requestor ? requestor : &opener, object->initiator, false);
}

void fm_file_object_undo_open(PFILE_OBJECT file, PFLT_INSTANCE below)
{
        struct fm_file_object *object = fm_file_object(file);
        struct fm_requestor opener = opener_of(object);

        if (!object->opened)
                return;
        fm_file_object_change_flags(file, FO_FILE_OPEN_CANCELLED, 0);
        send(object, IRP_MJ_CLEANUP, &opener, below, false);
        send(object, IRP_MJ_CLOSE, &opener, below, false);
        release_open_state(object);
}

struct fm_stream *fm_stream_new(PFLT_VOLUME volume, void *fsd_inode)
{
        struct fm_stream *stream = g_new0(struct fm_stream, 1);

        stream->header.NodeTypeCode = (CSHORT)0x0702; /* what NTFS uses for a stream */
        stream->header.NodeByteSize = sizeof(*stream);
        stream->header.Flags2 = FSRTL_FLAG2_SUPPORTS_FILTER_CONTEXTS;
        stream->volume = volume;
        stream->fsd_inode = fsd_inode;
        fm_context_list_init(&stream->contexts);
        return stream;
}

void fm_stream_free(struct fm_stream *stream)
{
        if (!stream)
                return;
        if (atomic_load(&stream->data_scans) > 0)
                fm_data_scan_forget(stream);
        fm_context_list_deinit(&stream->contexts);
        g_free(stream);
}
