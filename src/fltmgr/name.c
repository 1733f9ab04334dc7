/* SPDX-License-Identifier: MIT */
/*
 * File names: who may ask when, and what the answer is.
 *
 * An opened file's name is what the file system says now; it follows renames, so nothing is ever stale. Before the
 * open it is what the opener asked for. Windows keeps answers in a cache, which matters to filters where asking the
 * file system would be unsafe: there a name is had only if somebody asked for it earlier. We keep that rule with a
 * few bits per file and stream that say "somebody asked", and make the name anew.
 */
#include "fltmgr/name.h"

#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/fsd.h"
#include "fltmgr/manager.h"
#include "nt/object.h"
#include "nt/unicode.h"

/* A path within a volume, while it is being made. */
struct path {
        WCHAR *chars; /* g_malloc'd */
        size_t count;
};

/* Goes up when all cached names are dropped: bits of an older generation count for nothing. */
static _Atomic uint32_t names_generation = 1;

/* ---- the objects ---- */

static struct fm_name *name_new(PFLT_VOLUME volume, PFLT_FILTER filter, FLT_FILE_NAME_OPTIONS format, size_t capacity)
{
        struct fm_name *name = g_malloc0(sizeof(*name) + capacity * sizeof(WCHAR));

        atomic_init(&name->refs, 1);
        pthread_mutex_init(&name->lock, NULL);
        name->info.Size = sizeof(name->info);
        name->info.Format = format;
        if (format != FLT_FILE_NAME_SHORT) {
                memcpy(name->buffer, volume->Name.Buffer, volume->Name.Length);
                name->info.Volume = (UNICODE_STRING){volume->Name.Length, volume->Name.Length, name->buffer};
        }
        if (filter) {
                fm_flt_object_ref(filter);
                atomic_fetch_add_explicit(&filter->names_alive, 1, memory_order_relaxed);
                name->filter = filter;
        }
        return name;
}

static void name_set_length(struct fm_name *name, size_t count)
{
        name->info.Name.Buffer = name->buffer;
        name->info.Name.Length = (USHORT)(count * sizeof(WCHAR));
        name->info.Name.MaximumLength = name->info.Name.Length;
}

static void name_free(struct fm_name *name)
{
        if (name->filter) {
                atomic_fetch_sub_explicit(&name->filter->names_alive, 1, memory_order_relaxed);
                fm_flt_object_unref(name->filter);
        }
        pthread_mutex_destroy(&name->lock);
        g_free(name);
}

/* One more FltReleaseFileNameInformation will be needed. IRQL <= APC_LEVEL. */
VOID FltReferenceFileNameInformation(PFLT_FILE_NAME_INFORMATION NameInformation)
{
        fm_check_irql(__func__, APC_LEVEL);
        atomic_fetch_add_explicit(&fm_name_from_info(NameInformation)->refs, 1, memory_order_relaxed);
}

/* Gives a name back. IRQL <= APC_LEVEL. */
VOID FltReleaseFileNameInformation(PFLT_FILE_NAME_INFORMATION NameInformation)
{
        struct fm_name *name = fm_name_from_info(NameInformation);

        fm_check_irql(__func__, APC_LEVEL);
        if (atomic_fetch_sub_explicit(&name->refs, 1, memory_order_acq_rel) == 1)
                name_free(name);
}

/* ---- paths ---- */

static void path_clear(struct path *path)
{
        g_free(path->chars);
        *path = (struct path){0};
}

/* Takes UTF-16 from the end of `directory` on; a backslash goes between the two if there is none. */
static void path_append(struct path *path, const WCHAR *chars, size_t count)
{
        bool separate = path->count > 0 && path->chars[path->count - 1] != L'\\' && count > 0 && chars[0] != L'\\' &&
                        chars[0] != L':';

        path->chars = g_renew(WCHAR, path->chars, path->count + separate + count);
        if (separate)
                path->chars[path->count++] = L'\\';
        if (count > 0)
                memcpy(path->chars + path->count, chars, count * sizeof(WCHAR));
        path->count += count;
}

static void path_append_bytes(struct path *path, const char *bytes)
{
        size_t length = strlen(bytes);

        path->chars = g_renew(WCHAR, path->chars, path->count + length);
        path->count += fm_name_to_utf16(bytes, length, path->chars + path->count, length);
}

/* What the opener asked for: the related file's path, then FileName. An empty path is the volume itself. */
static void path_append_requested(struct path *path, PFILE_OBJECT file)
{
        PFILE_OBJECT related = file->RelatedFileObject;

        if (related) {
                struct fm_file_object *fo = fm_file_object(related);
                char *now = fo->fsd_file ? fo->volume->fsd->path(related) : NULL;

                if (now)
                        path_append_bytes(path, now);
                else
                        path_append_requested(path, related);
                free(now);
        }
        path_append(path, file->FileName.Buffer, file->FileName.Length / sizeof(WCHAR));
}

static bool path_append_opened(struct path *path, PFILE_OBJECT file)
{
        char *now = fm_file_object(file)->volume->fsd->path(file);

        if (!now)
                return false;
        path_append_bytes(path, now);
        free(now);
        return true;
}

/* "\a\b" becomes "\a"; "\a" becomes "\". */
static void path_cut_last(struct path *path)
{
        while (path->count > 1 && path->chars[path->count - 1] == L'\\')
                path->count--;
        while (path->count > 0 && path->chars[path->count - 1] != L'\\')
                path->count--;
        if (path->count > 1)
                path->count--;
}

static bool ends_with_nocase(const struct path *path, const char *ascii)
{
        size_t length = strlen(ascii);

        if (path->count < length)
                return false;
        for (size_t i = 0; i < length; i++) {
                WCHAR c = path->chars[path->count - length + i];

                if (c >= 0x80 || g_ascii_toupper((char)c) != ascii[i])
                        return false;
        }
        return true;
}

/* Normalized names have no stream type and no backslash at their end. */
static void path_normalize(struct path *path)
{
        if (ends_with_nocase(path, "::$DATA"))
                path->count -= strlen("::$DATA");
        else if (ends_with_nocase(path, ":$DATA"))
                path->count -= strlen(":$DATA");
        while (path->count > 1 && path->chars[path->count - 1] == L'\\')
                path->count--;
}

static NTSTATUS name_from_path(struct path *path, PFLT_VOLUME volume, PFLT_FILTER filter, FLT_FILE_NAME_OPTIONS format,
                               PFLT_FILE_NAME_INFORMATION *ret)
{
        size_t volume_chars = volume->Name.Length / sizeof(WCHAR);
        struct fm_name *name;

        if (format == FLT_FILE_NAME_NORMALIZED)
                path_normalize(path);
        if ((volume_chars + path->count) * sizeof(WCHAR) > UNICODE_STRING_MAX_BYTES)
                return STATUS_NAME_TOO_LONG;
        name = name_new(volume, filter, format, volume_chars + path->count);
        if (path->count > 0)
                memcpy(name->buffer + volume_chars, path->chars, path->count * sizeof(WCHAR));
        name_set_length(name, volume_chars + path->count);
        *ret = &name->info;
        return STATUS_SUCCESS;
}

/* ---- short names ---- */

static size_t short_part(const WCHAR *chars, size_t count)
{
        size_t length = 0;

        while (length < count && chars[length] < 0x80 &&
               (g_ascii_isalnum((char)chars[length]) || (chars[length] && strchr("!#$%&'()-@^_`{}~", chars[length]))))
                length++;
        return length;
}

/* A file here has a short name exactly if its name is one. */
static bool is_short_name(const WCHAR *chars, size_t count)
{
        size_t base = short_part(chars, count), extension;

        if (base == 0 || base > 8)
                return false;
        if (base == count)
                return true;
        if (chars[base] != L'.')
                return false;
        extension = short_part(chars + base + 1, count - base - 1);
        return extension >= 1 && extension <= 3 && base + 1 + extension == count;
}

static NTSTATUS short_name_from_path(const struct path *path, PFLT_VOLUME volume, PFLT_FILTER filter,
                                     PFLT_FILE_NAME_INFORMATION *ret)
{
        size_t from = path->count;
        struct fm_name *name;

        while (from > 0 && path->chars[from - 1] != L'\\')
                from--;
        if (!is_short_name(path->chars + from, path->count - from))
                return STATUS_OBJECT_NAME_NOT_FOUND;
        name = name_new(volume, filter, FLT_FILE_NAME_SHORT, path->count - from);
        memcpy(name->buffer, path->chars + from, (path->count - from) * sizeof(WCHAR));
        name_set_length(name, path->count - from);
        *ret = &name->info;
        return STATUS_SUCCESS;
}

/* ---- what has been asked for before ---- */

static uint32_t cache_word(FLT_FILE_NAME_OPTIONS format)
{
        return (atomic_load_explicit(&names_generation, memory_order_relaxed) << 8) | UINT32_C(1) << format;
}

static bool cache_has(_Atomic uint32_t *cached, FLT_FILE_NAME_OPTIONS format)
{
        uint32_t word = cache_word(format), have = atomic_load_explicit(cached, memory_order_relaxed);

        return have >> 8 == word >> 8 && (have & word & 0xff) != 0;
}

static void cache_add(_Atomic uint32_t *cached, FLT_FILE_NAME_OPTIONS format)
{
        uint32_t word = cache_word(format), old = atomic_load_explicit(cached, memory_order_relaxed), now;

        do {
                now = old >> 8 == word >> 8 ? old | word : word;
        } while (old != now &&
                 !atomic_compare_exchange_weak_explicit(cached, &old, now, memory_order_relaxed, memory_order_relaxed));
}

static bool file_name_is_cached(PFILE_OBJECT file, FLT_FILE_NAME_OPTIONS format)
{
        struct fm_file_object *fo = fm_file_object(file);

        return cache_has(&fo->names_cached, format) || (fo->stream && cache_has(&fo->stream->names_cached, format));
}

static void file_name_cache(PFILE_OBJECT file, FLT_FILE_NAME_OPTIONS format)
{
        struct fm_file_object *fo = fm_file_object(file);

        cache_add(&fo->names_cached, format);
        if (fo->stream)
                cache_add(&fo->stream->names_cached, format);
}

/*
 * Forgets which names of the file have been asked for, or, without a file, of all files (on Windows: of
 * all files of the instance's volume). STATUS_SUCCESS. IRQL <= APC_LEVEL.
 */
NTSTATUS FltPurgeFileNameInformationCache(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (!FileObject) {
                atomic_fetch_add_explicit(&names_generation, 1, memory_order_relaxed);
                return STATUS_SUCCESS;
        }
        atomic_store_explicit(&fm_file_object(FileObject)->names_cached, 0, memory_order_relaxed);
        if (fm_file_object(FileObject)->stream)
                atomic_store_explicit(&fm_file_object(FileObject)->stream->names_cached, 0, memory_order_relaxed);
        return STATUS_SUCCESS;
}

/* ---- asking ---- */

static bool options_are_valid(FLT_FILE_NAME_OPTIONS options)
{
        FLT_FILE_NAME_OPTIONS format = options & FLT_VALID_FILE_NAME_FORMATS;
        FLT_FILE_NAME_OPTIONS method = options & FLT_VALID_FILE_NAME_QUERY_METHODS;
        FLT_FILE_NAME_OPTIONS flags = FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER | FLT_FILE_NAME_DO_NOT_CACHE |
                                      FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE;

        return format >= FLT_FILE_NAME_NORMALIZED && format <= FLT_FILE_NAME_SHORT &&
               method >= FLT_FILE_NAME_QUERY_DEFAULT && method <= FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP &&
               (method & 0xff) == 0 &&
               !(options & ~(FLT_VALID_FILE_NAME_FORMATS | FLT_VALID_FILE_NAME_QUERY_METHODS | flags));
}

static bool major_allows_query(const FLT_CALLBACK_DATA *data)
{
        switch (data->Iopb->MajorFunction) {
        case IRP_MJ_CLEANUP:
                return !fm_data_is_post(data);
        case IRP_MJ_CLOSE:
        case IRP_MJ_ACQUIRE_FOR_CC_FLUSH:
        case IRP_MJ_ACQUIRE_FOR_MOD_WRITE:
        case IRP_MJ_RELEASE_FOR_CC_FLUSH:
        case IRP_MJ_RELEASE_FOR_MOD_WRITE:
        case IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION:
                return false;
        case IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION:
                return !fm_data_is_post(data);
        default:
                return true;
        }
}

/* Whether the file system could be asked right now on Windows. */
static bool query_is_safe(const FLT_CALLBACK_DATA *data, PFILE_OBJECT file)
{
        return major_allows_query(data) && !(data->Iopb->IrpFlags & IRP_PAGING_IO) &&
               !(file->Flags & FO_CLEANUP_COMPLETE) && !fm_thread_self()->top_level_irp && !KeAreAllApcsDisabled();
}

static bool is_before_open(const FLT_CALLBACK_DATA *data, PFILE_OBJECT file)
{
        return (data->Iopb->MajorFunction == IRP_MJ_CREATE && !fm_data_is_post(data)) || !fm_file_is_open(file);
}

static NTSTATUS opened_name(PFILE_OBJECT file, PFLT_FILTER filter, FLT_FILE_NAME_OPTIONS format,
                            PFLT_FILE_NAME_INFORMATION *ret)
{
        PFLT_VOLUME volume = fm_file_object(file)->volume;
        struct path path = {0};
        NTSTATUS status;

        /* A file that was unlinked keeps the name it was opened by. */
        if (!path_append_opened(&path, file))
                path_append_requested(&path, file);
        if (format == FLT_FILE_NAME_SHORT)
                status = short_name_from_path(&path, volume, filter, ret);
        else
                status = name_from_path(&path, volume, filter, format, ret);
        path_clear(&path);
        return status;
}

static NTSTATUS requested_name(const FLT_CALLBACK_DATA *data, PFILE_OBJECT file, PFLT_FILTER filter,
                               FLT_FILE_NAME_OPTIONS format, PFLT_FILE_NAME_INFORMATION *ret)
{
        struct path path = {0};
        NTSTATUS status;

        if (format == FLT_FILE_NAME_SHORT)
                return STATUS_FLT_INVALID_NAME_REQUEST;
        if (data->Iopb->MajorFunction == IRP_MJ_CREATE) {
                if (data->Iopb->Parameters.Create.Options & FILE_OPEN_BY_FILE_ID) {
                        fm_log_unsupported("FltGetFileNameInformation", "the name of a file that is opened by its id, "
                                                                        "before it is open");
                        return STATUS_NOT_SUPPORTED;
                }
                path_append_requested(&path, file);
                if (data->Iopb->OperationFlags & SL_OPEN_TARGET_DIRECTORY)
                        path_cut_last(&path);
        } else {
                path_append_requested(&path, file);
        }
        status = name_from_path(&path, fm_file_object(file)->volume, filter, format, ret);
        path_clear(&path);
        return status;
}

/*
 * The name of the file that an operation is about.
 *
 * NameOptions: one format (NORMALIZED, OPENED, SHORT), one query method, flags. Before the open: what the opener asked
 * for (for SL_OPEN_TARGET_DIRECTORY its parent). Once open: the path as it is now; NORMALIZED and OPENED are the same
 * but for stream types and a trailing backslash, since Linux has walked all links already. SHORT: the final component,
 * if it is a legal 8.3 name itself.
 *
 * STATUS_SUCCESS: release it with FltReleaseFileNameInformation. STATUS_FLT_INVALID_NAME_REQUEST: not here (paging I/O,
 * after cleanup, top-level IRP set, APCs disabled, acquire/release callbacks; SHORT before the open).
 * STATUS_FLT_NAME_CACHE_MISS: method CACHE_ONLY, or ALWAYS_ALLOW_CACHE_LOOKUP where asking is unsafe, and nobody has
 * asked before. STATUS_OBJECT_NAME_NOT_FOUND: no short name. STATUS_INVALID_PARAMETER: options, or no
 * file. STATUS_NOT_SUPPORTED: before an open by file id (Windows asks the file system). IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetFileNameInformation(PFLT_CALLBACK_DATA CallbackData, FLT_FILE_NAME_OPTIONS NameOptions,
                                   PFLT_FILE_NAME_INFORMATION *NameInformation)
{
        PFLT_CALLBACK_DATA data = CallbackData;
        FLT_FILE_NAME_OPTIONS format = NameOptions & FLT_VALID_FILE_NAME_FORMATS;
        FLT_FILE_NAME_OPTIONS method = NameOptions & FLT_VALID_FILE_NAME_QUERY_METHODS;
        PFLT_FILTER filter;
        PFILE_OBJECT file;
        NTSTATUS status;
        bool before;

        fm_check_irql(__func__, APC_LEVEL);
        if (!data || !NameInformation || !options_are_valid(NameOptions))
                return STATUS_INVALID_PARAMETER;
        *NameInformation = NULL;
        file = data->Iopb->TargetFileObject;
        if (!file)
                return STATUS_INVALID_PARAMETER;
        filter = data->Iopb->TargetInstance ? data->Iopb->TargetInstance->filter : NULL;
        before = is_before_open(data, file);

        if (data->Iopb->MajorFunction == IRP_MJ_CREATE && fm_data_is_post(data) &&
            data->IoStatus.Status == STATUS_REPARSE && !(NameOptions & FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE))
                return STATUS_FLT_INVALID_NAME_REQUEST;
        if (before && format == FLT_FILE_NAME_SHORT)
                return STATUS_FLT_INVALID_NAME_REQUEST;
        if (method == FLT_FILE_NAME_QUERY_CACHE_ONLY) {
                if (!file_name_is_cached(file, format))
                        return STATUS_FLT_NAME_CACHE_MISS;
        } else if (!query_is_safe(data, file)) {
                if (method != FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP)
                        return STATUS_FLT_INVALID_NAME_REQUEST;
                if (!file_name_is_cached(file, format))
                        return STATUS_FLT_NAME_CACHE_MISS;
        }

        status = before ? requested_name(data, file, filter, format, NameInformation)
                        : opened_name(file, filter, format, NameInformation);
        if (NT_SUCCESS(status) && !(NameOptions & FLT_FILE_NAME_DO_NOT_CACHE))
                file_name_cache(file, format);
        return status;
}

/*
 * The same for a file object, from outside a callback; the caller knows that asking is safe.
 *
 * STATUS_FLT_INVALID_NAME_REQUEST: the file is not open. STATUS_FLT_NAME_CACHE_MISS, STATUS_OBJECT_NAME_NOT_FOUND and
 * STATUS_INVALID_PARAMETER as FltGetFileNameInformation. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetFileNameInformationUnsafe(PFILE_OBJECT FileObject, PFLT_INSTANCE Instance,
                                         FLT_FILE_NAME_OPTIONS NameOptions, PFLT_FILE_NAME_INFORMATION *NameInformation)
{
        FLT_FILE_NAME_OPTIONS format = NameOptions & FLT_VALID_FILE_NAME_FORMATS;
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        if (!FileObject || !NameInformation || !options_are_valid(NameOptions))
                return STATUS_INVALID_PARAMETER;
        *NameInformation = NULL;
        if (!fm_file_is_open(FileObject))
                return STATUS_FLT_INVALID_NAME_REQUEST;
        if ((NameOptions & FLT_VALID_FILE_NAME_QUERY_METHODS) == FLT_FILE_NAME_QUERY_CACHE_ONLY &&
            !file_name_is_cached(FileObject, format))
                return STATUS_FLT_NAME_CACHE_MISS;
        status = opened_name(FileObject, Instance ? Instance->filter : NULL, format, NameInformation);
        if (NT_SUCCESS(status) && !(NameOptions & FLT_FILE_NAME_DO_NOT_CACHE))
                file_name_cache(FileObject, format);
        return status;
}

/* ---- where a rename or a link goes ---- */

static bool skip_prefix(UNICODE_STRING *rest, PCUNICODE_STRING prefix)
{
        UNICODE_STRING head = {prefix->Length, prefix->Length, rest->Buffer};

        if (prefix->Length == 0 || rest->Length < prefix->Length || !RtlEqualUnicodeString(&head, prefix, TRUE))
                return false;
        if (rest->Length > prefix->Length && rest->Buffer[prefix->Length / sizeof(WCHAR)] != L'\\')
                return false;
        rest->Buffer += prefix->Length / sizeof(WCHAR);
        rest->Length = (USHORT)(rest->Length - prefix->Length);
        return true;
}

bool fm_volume_skip_name(PFLT_VOLUME volume, UNICODE_STRING *rest)
{
        static UNICODE_STRING spaces[] = {RTL_CONSTANT_STRING(L"\\??"), RTL_CONSTANT_STRING(L"\\DosDevices"),
                                          RTL_CONSTANT_STRING(L"\\GLOBAL??")};
        UNICODE_STRING dos;

        if (skip_prefix(rest, &volume->Name) || skip_prefix(rest, &volume->GuidName))
                return true;
        for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++) {
                dos = *rest;
                if (!skip_prefix(&dos, &spaces[i]) || dos.Length < sizeof(WCHAR))
                        continue;
                dos.Buffer++;
                dos.Length = (USHORT)(dos.Length - sizeof(WCHAR));
                if (skip_prefix(&dos, &volume->DosName)) {
                        *rest = dos;
                        return true;
                }
        }
        return false;
}

static NTSTATUS append_directory(struct path *path, PFILE_OBJECT file, HANDLE root, bool *is_root)
{
        PFILE_OBJECT directory;
        NTSTATUS status;

        *is_root = root != NULL;
        if (!root) {
                if (!path_append_opened(path, file))
                        path_append_requested(path, file);
                path_cut_last(path);
                return STATUS_SUCCESS;
        }
        status = fm_handle_ref(root, *IoFileObjectType, (void **)&directory);
        if (!NT_SUCCESS(status))
                return status;
        if (fm_file_object(directory)->volume != fm_file_object(file)->volume)
                status = STATUS_NOT_SAME_DEVICE;
        else if (!fm_file_is_open(directory) || !path_append_opened(path, directory))
                path_append_requested(path, directory);
        fm_object_unref(directory);
        return status;
}

/*
 * The full name of where a rename or hard link goes: FileName and RootDirectory as in FILE_RENAME_INFORMATION. A simple
 * name stays in the file's own directory; a path is from a volume ("\Device\...", "\??\C:\...") or from
 * the root of the file's own volume ("\dir\file").
 *
 * STATUS_SUCCESS: release it with FltReleaseFileNameInformation. STATUS_FLT_INVALID_NAME_REQUEST: SHORT, or a top-level
 * IRP is set. STATUS_NOT_SAME_DEVICE: another volume. STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH:
 * RootDirectory. STATUS_INVALID_PARAMETER: options, or an empty name. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetDestinationFileNameInformation(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, HANDLE RootDirectory,
                                              PWSTR FileName, ULONG FileNameLength, FLT_FILE_NAME_OPTIONS NameOptions,
                                              PFLT_FILE_NAME_INFORMATION *RetFileNameInformation)
{
        FLT_FILE_NAME_OPTIONS format = NameOptions & FLT_VALID_FILE_NAME_FORMATS;
        static const UNICODE_STRING spaces[] = {RTL_CONSTANT_STRING(L"\\??"), RTL_CONSTANT_STRING(L"\\Device"),
                                                RTL_CONSTANT_STRING(L"\\DosDevices"),
                                                RTL_CONSTANT_STRING(L"\\GLOBAL??")};
        struct path path = {0};
        UNICODE_STRING rest;
        PFLT_VOLUME volume;
        NTSTATUS status = STATUS_SUCCESS;
        bool is_root;

        fm_check_irql(__func__, APC_LEVEL);
        if (!FileObject || !FileName || !RetFileNameInformation || FileNameLength == 0 ||
            FileNameLength % sizeof(WCHAR) != 0 || FileNameLength > UNICODE_STRING_MAX_BYTES ||
            !options_are_valid(NameOptions))
                return STATUS_INVALID_PARAMETER;
        *RetFileNameInformation = NULL;
        if (format == FLT_FILE_NAME_SHORT || fm_thread_self()->top_level_irp)
                return STATUS_FLT_INVALID_NAME_REQUEST;
        volume = fm_file_object(FileObject)->volume;
        rest = (UNICODE_STRING){(USHORT)FileNameLength, (USHORT)FileNameLength, FileName};

        if (FileName[0] != L'\\') {
                status = append_directory(&path, FileObject, RootDirectory, &is_root);
        } else if (!fm_volume_skip_name(volume, &rest)) {
                for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++) {
                        UNICODE_STRING other = rest;

                        if (skip_prefix(&other, &spaces[i]))
                                status = STATUS_NOT_SAME_DEVICE;
                }
        }
        if (NT_SUCCESS(status)) {
                path_append(&path, rest.Buffer, rest.Length / sizeof(WCHAR));
                status = name_from_path(&path, volume, Instance ? Instance->filter : NULL, format,
                                        RetFileNameInformation);
        }
        path_clear(&path);
        return status;
}

/*
 * Never finds a tunneled name: there are no short names here that a file could inherit from a deleted one.
 * STATUS_SUCCESS and NULL: the name is what it was. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetTunneledName(PFLT_CALLBACK_DATA CallbackData, PFLT_FILE_NAME_INFORMATION NameInformation,
                            PFLT_FILE_NAME_INFORMATION *RetTunneledFileNameInformation)
{
        fm_check_irql(__func__, APC_LEVEL);
        *RetTunneledFileNameInformation = NULL;
        return STATUS_SUCCESS;
}

/*
 * Makes room for NewSize bytes in a name that a name provider builds; what is in it stays.
 * STATUS_SUCCESS, STATUS_INSUFFICIENT_RESOURCES. IRQL <= APC_LEVEL.
 */
NTSTATUS FltCheckAndGrowNameControl(PFLT_NAME_CONTROL NameCtrl, USHORT NewSize)
{
        PVOID buffer;

        fm_check_irql(__func__, APC_LEVEL);
        if (NewSize <= NameCtrl->Name.MaximumLength)
                return STATUS_SUCCESS;
        buffer = ExAllocatePoolWithTag(PagedPool, NewSize, 'cnMF');
        if (!buffer)
                return STATUS_INSUFFICIENT_RESOURCES;
        if (NameCtrl->Name.Buffer) {
                memcpy(buffer, NameCtrl->Name.Buffer, NameCtrl->Name.Length);
                ExFreePool(NameCtrl->Name.Buffer);
        }
        NameCtrl->Name.Buffer = buffer;
        NameCtrl->Name.MaximumLength = NewSize;
        return STATUS_SUCCESS;
}
