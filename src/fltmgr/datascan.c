/* SPDX-License-Identifier: MIT */
/*
 * Sections for scans: one at a time per stream and instance, with a section context that says so.
 *
 * What the section shows is the file's own data. Windows can't truncate a mapped file, nor purge what is cached of it,
 * so the scanner is told to close his section first. Here nobody has to wait for him: he is told, and what he
 * still reads of a part that is gone is a fault.
 */
#include "fltmgr/check.h"
#include "fltmgr/manager.h"
#include "fltmgr/section.h"
#include "nt/object.h"

/* A section context in use: FltCloseSectionForDataScan was not called for it. */
struct scan {
        PFLT_INSTANCE instance;   /* memory reference */
        PFLT_CONTEXT context;     /* referenced */
        struct fm_stream *stream; /* NULL: gone */
        uint64_t size;
};

static pthread_mutex_t scans_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *scans; /* context -> struct scan; guarded by scans_lock */

static void scan_free(gpointer opaque)
{
        struct scan *scan = opaque;

        fm_flt_object_unref(scan->instance);
        g_free(scan);
}

/* Says that the instance will make sections for scans. STATUS_SUCCESS. IRQL <= APC_LEVEL. */
NTSTATUS FltRegisterForDataScan(const PFLT_INSTANCE Instance)
{
        PFLT_VOLUME volume = Instance->volume;
        bool wants_more;

        fm_check_irql(__func__, APC_LEVEL);
        if (atomic_exchange(&Instance->data_scan, true) || !Instance->filter->registration.SectionNotificationCallback)
                return STATUS_SUCCESS;
        /* It is to be told of truncations from now on. */
        pthread_mutex_lock(&fm_manager.lock);
        wants_more = Instance->state == FM_INSTANCE_ACTIVE;
        if (wants_more)
                fm_volume_rebuild_stack_locked(volume);
        pthread_mutex_unlock(&fm_manager.lock);
        if (wants_more && volume->wanted_changed)
                volume->wanted_changed(volume);
        return STATUS_SUCCESS;
}

static NTSTATUS check_scan(PFLT_INSTANCE instance, PFILE_OBJECT file, PFLT_CONTEXT context, ULONG protection,
                           ULONG attributes)
{
        if (!instance || !file || !context || !atomic_load(&instance->data_scan))
                return STATUS_INVALID_PARAMETER;
        if (!fm_section_protection_is_valid(protection))
                return STATUS_INVALID_PARAMETER_8;
        if (attributes & ~(ULONG)(SEC_COMMIT | SEC_RESERVE | SEC_FILE))
                return STATUS_INVALID_PARAMETER_9;
        if (!fm_file_is_open(file) || !fm_file_object(file)->stream)
                return STATUS_INVALID_PARAMETER;
        return STATUS_SUCCESS;
}

/* Before the section is made: whoever truncates the file from then on tells. */
static void scan_add(PFLT_INSTANCE instance, PFLT_CONTEXT context, struct fm_stream *stream)
{
        struct scan *scan = g_new(struct scan, 1);

        *scan = (struct scan){.instance = instance, .context = context, .stream = stream};
        fm_flt_object_ref(instance);
        FltReferenceContext(context);
        pthread_mutex_lock(&scans_lock);
        if (!scans)
                scans = g_hash_table_new_full(NULL, NULL, NULL, scan_free);
        g_hash_table_insert(scans, context, scan);
        atomic_fetch_add(&stream->data_scans, 1);
        pthread_mutex_unlock(&scans_lock);
}

static void scan_set_size(PFLT_CONTEXT context, uint64_t size)
{
        struct scan *scan;

        pthread_mutex_lock(&scans_lock);
        scan = g_hash_table_lookup(scans, context);
        if (scan)
                scan->size = size;
        pthread_mutex_unlock(&scans_lock);
}

/* False: it is not there. */
static bool scan_remove(PFLT_CONTEXT context)
{
        struct scan *scan;

        pthread_mutex_lock(&scans_lock);
        scan = scans ? g_hash_table_lookup(scans, context) : NULL;
        if (scan && scan->stream)
                atomic_fetch_sub(&scan->stream->data_scans, 1);
        if (scan)
                g_hash_table_remove(scans, context);
        pthread_mutex_unlock(&scans_lock);
        if (!scan)
                return false;
        FltDeleteContext(context);
        FltReleaseContext(context);
        return true;
}

void fm_data_scan_forget(struct fm_stream *stream)
{
        GHashTableIter iter;
        gpointer scan;

        pthread_mutex_lock(&scans_lock);
        g_hash_table_iter_init(&iter, scans);
        while (g_hash_table_iter_next(&iter, NULL, &scan))
                if (((struct scan *)scan)->stream == stream)
                        ((struct scan *)scan)->stream = NULL;
        pthread_mutex_unlock(&scans_lock);
}

/*
 * A section of an opened file for a scan, with a handle for the current process (without OBJ_KERNEL_HANDLE, if that is
 * connected to a port: the handle arrives there; else a kernel handle) and a referenced object. One at a time per
 * stream and instance; SectionContext is linked to the stream until FltCloseSectionForDataScan. The section sees what
 * is written while it exists. The filter's SectionNotificationCallback is called, perhaps before this returns, when
 * what is mapped is about to be truncated, zeroed or written past the cache, or was overwritten by an open.
 * Unlike Windows we do not hold that up until the section is closed.
 *
 * STATUS_SUCCESS; STATUS_END_OF_FILE: the file is empty; STATUS_FILE_IS_A_DIRECTORY; STATUS_INVALID_FILE_FOR_SECTION: a
 * special file; STATUS_FLT_CONTEXT_ALREADY_DEFINED: the instance has a section of that stream;
 * STATUS_FLT_CONTEXT_ALREADY_LINKED; STATUS_INVALID_PARAMETER: no FltRegisterForDataScan, or the file is not open;
 * STATUS_INVALID_PARAMETER_8, _9: protection, attributes; the file system's error. IRQL <= APC_LEVEL.
 */
NTSTATUS FltCreateSectionForDataScan(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PFLT_CONTEXT SectionContext,
                                     ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                                     PLARGE_INTEGER MaximumSize, ULONG SectionPageProtection,
                                     ULONG AllocationAttributes, ULONG Flags, PHANDLE SectionHandle,
                                     PVOID *SectionObject, PLARGE_INTEGER SectionFileSize)
{
        struct fm_section *section;
        struct fm_stream *stream;
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        *SectionHandle = NULL;
        *SectionObject = NULL;
        status = check_scan(Instance, FileObject, SectionContext, SectionPageProtection, AllocationAttributes);
        if (!NT_SUCCESS(status))
                return status;
        stream = fm_file_object(FileObject)->stream;
        status = fm_context_set(&stream->contexts, Instance, FLT_SECTION_CONTEXT, FLT_SET_CONTEXT_KEEP_IF_EXISTS,
                                SectionContext, NULL);
        if (!NT_SUCCESS(status))
                return status;
        scan_add(Instance, SectionContext, stream);
        status = fm_section_from_file(FileObject, 0, SectionPageProtection, &section);
        if (NT_SUCCESS(status)) {
                scan_set_size(SectionContext, section->size);
                status = fm_section_handle_new(section, ObjectAttributes, SectionHandle);
                if (!NT_SUCCESS(status))
                        fm_object_unref(section);
        }
        if (!NT_SUCCESS(status)) {
                scan_remove(SectionContext);
                return status == STATUS_MAPPED_FILE_SIZE_ZERO ? STATUS_END_OF_FILE : status;
        }
        *SectionObject = section;
        if (SectionFileSize)
                SectionFileSize->QuadPart = (LONGLONG)section->size;
        return STATUS_SUCCESS;
}

/*
 * The end of a scan: unlinks the context. Handle and object are the caller's to close and dereference.
 * STATUS_SUCCESS; STATUS_NOT_FOUND: closed already, or never used; STATUS_INVALID_PARAMETER: none. IRQL <= APC_LEVEL.
 */
NTSTATUS FltCloseSectionForDataScan(PFLT_CONTEXT SectionContext)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (!SectionContext)
                return STATUS_INVALID_PARAMETER;
        return scan_remove(SectionContext) ? STATUS_SUCCESS : STATUS_NOT_FOUND;
}

/*
 * The context of the section that the instance has of a file's stream, referenced.
 * STATUS_SUCCESS, STATUS_NOT_FOUND; STATUS_NOT_SUPPORTED: the file is not open. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetSectionContext(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, PFLT_CONTEXT *Context)
{
        struct fm_stream *stream = FileObject ? fm_file_object(FileObject)->stream : NULL;

        fm_check_irql(__func__, APC_LEVEL);
        *Context = NULL;
        return stream ? fm_context_get(&stream->contexts, Instance, FLT_SECTION_CONTEXT, Context)
                      : STATUS_NOT_SUPPORTED;
}

/* ---- conflicts ---- */

/* True: pages of a section of `size` bytes don't survive the operation. */
static bool is_conflict(const struct fm_operation *operation, uint64_t size)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = &operation->iopb;
        const LARGE_INTEGER *end = iopb->Parameters.SetFileInformation.InfoBuffer;

        switch (iopb->MajorFunction) {
        case IRP_MJ_CREATE:
                return operation->data.IoStatus.Information == FILE_OVERWRITTEN ||
                       operation->data.IoStatus.Information == FILE_SUPERSEDED;
        case IRP_MJ_WRITE:
                return (iopb->IrpFlags & IRP_NOCACHE) && !(iopb->IrpFlags & IRP_PAGING_IO);
        case IRP_MJ_SET_INFORMATION:
                if (iopb->Parameters.SetFileInformation.FileInformationClass != FileEndOfFileInformation &&
                    iopb->Parameters.SetFileInformation.FileInformationClass != FileAllocationInformation)
                        return false;
                /* Both begin with the new end. */
                return iopb->Parameters.SetFileInformation.Length >= sizeof(*end) && end &&
                       !iopb->Parameters.SetFileInformation.AdvanceOnly && (uint64_t)end->QuadPart < size;
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                return iopb->Parameters.FileSystemControl.Common.FsControlCode == FSCTL_SET_ZERO_DATA;
        default:
                return false;
        }
}

static void notify(const struct scan *scan, struct fm_operation *operation)
{
        PFLT_FILTER filter = scan->instance->filter;
        struct fm_callback_scope scope;

        fm_callback_enter(&scope, filter, "SectionNotificationCallback", operation->requestor.thread,
                          operation->requestor.cancel);
        filter->registration.SectionNotificationCallback(scan->instance, scan->context, &operation->data);
        fm_callback_leave(&scope);
}

void fm_data_scan_notify(struct fm_operation *operation)
{
        struct fm_stream *stream = fm_file_object(operation->iopb.TargetFileObject)->stream;
        g_autoptr(GArray) hit = g_array_new(FALSE, FALSE, sizeof(struct scan));
        GHashTableIter iter;
        gpointer value;

        pthread_mutex_lock(&scans_lock);
        g_hash_table_iter_init(&iter, scans);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                struct scan *scan = value;

                if (scan->stream != stream || !is_conflict(operation, scan->size) ||
                    !scan->instance->filter->registration.SectionNotificationCallback ||
                    !fm_flt_object_enter(scan->instance))
                        continue;
                FltReferenceContext(scan->context);
                g_array_append_val(hit, *scan);
        }
        pthread_mutex_unlock(&scans_lock);
        for (guint i = 0; i < hit->len; i++) {
                const struct scan *scan = &g_array_index(hit, struct scan, i);

                notify(scan, operation);
                FltReleaseContext(scan->context);
                fm_flt_object_leave(scan->instance);
        }
}
