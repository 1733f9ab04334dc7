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

/* Goes up when all cached names are dropped: bits of an older generation count for nothing. */
static _Atomic uint32_t names_generation = 1;
/* Goes up whenever names change: what providers said of older ones counts for nothing. */
static _Atomic uint32_t names_changed = 1;

void fm_names_forget(void)
{
        atomic_fetch_add_explicit(&names_changed, 1, memory_order_relaxed);
}

uint32_t fm_names_generation(void)
{
        return atomic_load_explicit(&names_changed, memory_order_relaxed);
}

/* ---- the objects ---- */

#define NAME_MAGIC 0x454d414e /* "NAME" */

static uint32_t check_of(const struct fm_name *name)
{
        const UNICODE_STRING *text = &name->info.Name;
        uint32_t check = text->Length;

        for (size_t i = 0; i < text->Length / sizeof(WCHAR); i++)
                check = (check ^ text->Buffer[i]) * UINT32_C(16777619);
        return check;
}

/* NULL, and a report: it is none, or not any more. Without a sanitizer looking on, since that may be the answer. */
__attribute__((noinline, no_sanitize("address"), no_sanitize("thread"))) static struct fm_name *
name_checked(const char *function, PFLT_FILE_NAME_INFORMATION info)
{
        struct fm_name *name = fm_name_from_info(info);

        /* volatile, or the compiler moves the access into the caller. */
        if (info && *(const volatile uint32_t *)&name->magic == NAME_MAGIC)
                return name;
        fm_violation("name-over-release", "%s for what is no file name information, or was freed (%p)", function,
                     (void *)info);
        return NULL;
}

static struct fm_name *name_new(PFLT_VOLUME volume, PFLT_FILTER filter, FLT_FILE_NAME_OPTIONS format, size_t capacity)
{
        struct fm_name *name = g_malloc0(sizeof(*name) + capacity * sizeof(WCHAR));

        atomic_init(&name->refs, 1);
        name->magic = NAME_MAGIC;
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
                atomic_store_explicit(&filter->names_code, fm_thread_self()->code, memory_order_relaxed);
                name->filter = filter;
        }
        return name;
}

static void name_set_length(struct fm_name *name, size_t count)
{
        name->info.Name.Buffer = name->buffer;
        name->info.Name.Length = (USHORT)(count * sizeof(WCHAR));
        name->info.Name.MaximumLength = name->info.Name.Length;
        name->check = check_of(name);
}

static void name_free(struct fm_name *name)
{
        if (name->info.Name.Buffer != name->buffer || check_of(name) != name->check)
                fm_violation("name-changed", "a file name information that is shared was written to");
        name->magic = 0;
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
        struct fm_name *name;

        fm_check_irql(__func__, APC_LEVEL);
        name = name_checked(__func__, NameInformation);
        if (name)
                atomic_fetch_add_explicit(&name->refs, 1, memory_order_relaxed);
}

/* Gives a name back. IRQL <= APC_LEVEL. */
VOID FltReleaseFileNameInformation(PFLT_FILE_NAME_INFORMATION NameInformation)
{
        struct fm_name *name;

        fm_check_irql(__func__, APC_LEVEL);
        name = name_checked(__func__, NameInformation);
        if (name && atomic_fetch_sub_explicit(&name->refs, 1, memory_order_acq_rel) == 1)
                name_free(name);
}

/* ---- paths ---- */

void fm_name_path_clear(struct fm_name_path *path)
{
        g_free(path->chars);
        *path = (struct fm_name_path){0};
}

/* Takes UTF-16 from the end of `directory` on; a backslash goes between the two if there is none. */
void fm_name_path_append(struct fm_name_path *path, const WCHAR *chars, size_t count)
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

static void path_append_bytes(struct fm_name_path *path, const char *bytes)
{
        size_t length = strlen(bytes);

        path->chars = g_renew(WCHAR, path->chars, path->count + length);
        path->count += fm_name_to_utf16(bytes, length, path->chars + path->count, length);
}

/* What the opener asked for: the related file's path, then FileName. An empty path is the volume itself. */
void fm_name_path_append_requested(struct fm_name_path *path, PFILE_OBJECT file)
{
        PFILE_OBJECT related = file->RelatedFileObject;

        if (related) {
                struct fm_file_object *fo = fm_file_object(related);
                char *now = fo->fsd_file ? fo->volume->fsd->path(related) : NULL;

                if (now)
                        path_append_bytes(path, now);
                else
                        fm_name_path_append_requested(path, related);
                free(now);
        }
        fm_name_path_append(path, file->FileName.Buffer, file->FileName.Length / sizeof(WCHAR));
}

bool fm_name_path_append_opened(struct fm_name_path *path, PFILE_OBJECT file)
{
        char *now = fm_file_object(file)->volume->fsd->path(file);

        if (!now)
                return false;
        path_append_bytes(path, now);
        free(now);
        return true;
}

/* "\a\b" becomes "\a"; "\a" becomes "\". */
void fm_name_path_cut_last(struct fm_name_path *path)
{
        while (path->count > 1 && path->chars[path->count - 1] == L'\\')
                path->count--;
        while (path->count > 0 && path->chars[path->count - 1] != L'\\')
                path->count--;
        if (path->count > 1)
                path->count--;
}

static bool ends_with_nocase(const struct fm_name_path *path, const char *ascii)
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
static void path_normalize(struct fm_name_path *path)
{
        if (ends_with_nocase(path, "::$DATA"))
                path->count -= strlen("::$DATA");
        else if (ends_with_nocase(path, ":$DATA"))
                path->count -= strlen(":$DATA");
        while (path->count > 1 && path->chars[path->count - 1] == L'\\')
                path->count--;
}

NTSTATUS fm_name_from_path(struct fm_name_path *path, PFLT_VOLUME volume, PFLT_FILTER filter,
                           FLT_FILE_NAME_OPTIONS format, PFLT_FILE_NAME_INFORMATION *ret)
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

static NTSTATUS short_name_from_path(const struct fm_name_path *path, PFLT_VOLUME volume, PFLT_FILTER filter,
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

bool fm_name_is_cached(PFILE_OBJECT file, FLT_FILE_NAME_OPTIONS format)
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
 * Forgets which names of the file have been asked for and what providers said of it, or, without a file, of all files
 * (on Windows: only names that the instance provides). STATUS_SUCCESS. IRQL <= APC_LEVEL.
 */
NTSTATUS FltPurgeFileNameInformationCache(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject)
{
        fm_check_irql(__func__, APC_LEVEL);
        if (!FileObject) {
                fm_names_forget();
                atomic_fetch_add_explicit(&names_generation, 1, memory_order_relaxed);
                return STATUS_SUCCESS;
        }
        fm_name_kept_forget(FileObject);
        atomic_store_explicit(&fm_file_object(FileObject)->names_cached, 0, memory_order_relaxed);
        if (fm_file_object(FileObject)->stream)
                atomic_store_explicit(&fm_file_object(FileObject)->stream->names_cached, 0, memory_order_relaxed);
        return STATUS_SUCCESS;
}

/* ---- asking ---- */

bool fm_name_options_are_valid(FLT_FILE_NAME_OPTIONS options)
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

NTSTATUS fm_name_path_resolve(struct fm_name_path *path, PFLT_VOLUME volume, struct fm_operation *create)
{
        size_t named = 0;
        char *bytes, *real = NULL;
        NTSTATUS status;

        if (!volume->fsd->real_path)
                return STATUS_SUCCESS;
        /* Of a stream it is the file that is looked for. */
        while (named < path->count && path->chars[named] != L':')
                named++;
        bytes = fm_name_from_utf16(path->chars, named);
        status = bytes ? volume->fsd->real_path(volume, create, bytes, &real) : STATUS_OBJECT_NAME_INVALID;
        if (NT_SUCCESS(status)) {
                struct fm_name_path found = {0};

                path_append_bytes(&found, real);
                fm_name_path_append(&found, path->chars + named, path->count - named);
                fm_name_path_clear(path);
                *path = found;
        }
        free(real);
        free(bytes);
        return status;
}

static NTSTATUS opened_name(PFILE_OBJECT file, PFLT_FILTER filter, FLT_FILE_NAME_OPTIONS format,
                            PFLT_FILE_NAME_INFORMATION *ret)
{
        PFLT_VOLUME volume = fm_file_object(file)->volume;
        struct fm_name_path path = {0};
        NTSTATUS status;

        /* A file that was unlinked keeps the name it was opened by, if that was a name. */
        if (!fm_name_path_append_opened(&path, file)) {
                if (fm_file_object(file)->by_id)
                        return STATUS_OBJECT_NAME_NOT_FOUND;
                fm_name_path_append_requested(&path, file);
        }
        if (format == FLT_FILE_NAME_SHORT)
                status = short_name_from_path(&path, volume, filter, ret);
        else
                status = fm_name_from_path(&path, volume, filter, format, ret);
        fm_name_path_clear(&path);
        return status;
}

static NTSTATUS requested_name(const struct fm_name_query *query, PFLT_FILTER filter, FLT_FILE_NAME_OPTIONS format,
                               PFLT_FILE_NAME_INFORMATION *ret)
{
        const FLT_IO_PARAMETER_BLOCK *iopb = query->data->Iopb;
        PFLT_VOLUME volume = fm_file_object(query->file)->volume;
        struct fm_name_path path = {0};
        NTSTATUS status = STATUS_SUCCESS;

        if (iopb->MajorFunction != IRP_MJ_CREATE) {
                fm_name_path_append_requested(&path, query->file);
        } else if (iopb->Parameters.Create.Options & FILE_OPEN_BY_FILE_ID) {
                /* Its bytes are no characters. */
                status = volume->fsd->real_path
                                 ? fm_name_path_resolve(&path, volume, fm_operation_from_data(query->data))
                                 : STATUS_NOT_SUPPORTED;
        } else {
                fm_name_path_append_requested(&path, query->file);
                if (format == FLT_FILE_NAME_NORMALIZED && path.count > 0)
                        status = fm_name_path_resolve(&path, volume, fm_operation_from_data(query->data));
                if (iopb->OperationFlags & SL_OPEN_TARGET_DIRECTORY)
                        fm_name_path_cut_last(&path);
        }
        if (NT_SUCCESS(status))
                status = fm_name_from_path(&path, volume, filter, format, ret);
        fm_name_path_clear(&path);
        return status;
}

/* A provider's answer, whole, as an object of its own. */
static NTSTATUS name_from_provided(const struct fm_name_path *whole, PFLT_VOLUME volume, PFLT_FILTER filter,
                                   FLT_FILE_NAME_OPTIONS format, PFLT_FILE_NAME_INFORMATION *ret)
{
        struct fm_name_path path = {0};
        struct fm_name *name;
        NTSTATUS status;

        if (format == FLT_FILE_NAME_SHORT) {
                name = name_new(volume, filter, format, whole->count);
                memcpy(name->buffer, whole->chars, whole->count * sizeof(WCHAR));
                name_set_length(name, whole->count);
                *ret = &name->info;
                return STATUS_SUCCESS;
        }
        fm_name_path_append(&path, whole->chars + volume->Name.Length / sizeof(WCHAR),
                            whole->count - volume->Name.Length / sizeof(WCHAR));
        status = fm_name_from_path(&path, volume, filter, format, ret);
        fm_name_path_clear(&path);
        return status;
}

/* How much a query may do. */
struct permission {
        bool look; /* at what was said before */
        bool ask;
        bool keep;
};

static NTSTATUS name_of_provider(PFLT_INSTANCE provider, const struct fm_name_query *query,
                                 const struct permission *may, PFLT_FILTER filter, PFLT_FILE_NAME_INFORMATION *ret)
{
        FLT_FILE_NAME_OPTIONS format = query->options & FLT_VALID_FILE_NAME_FORMATS;
        struct fm_name_path whole = {0};
        NTSTATUS status = STATUS_SUCCESS;

        if (!may->look || !fm_name_kept_get(provider, query->file, format, &whole))
                status = may->ask ? fm_name_provided(provider, query, may->keep, &whole) : STATUS_FLT_NAME_CACHE_MISS;
        if (NT_SUCCESS(status))
                status = name_from_provided(&whole, provider->volume, filter, format, ret);
        fm_name_path_clear(&whole);
        return status;
}

static NTSTATUS name_of_file_system(const struct fm_name_query *query, const struct permission *may, bool before,
                                    PFLT_FILTER filter, PFLT_FILE_NAME_INFORMATION *ret)
{
        FLT_FILE_NAME_OPTIONS format = query->options & FLT_VALID_FILE_NAME_FORMATS;
        NTSTATUS status;

        if (!may->ask && !fm_name_is_cached(query->file, format))
                return STATUS_FLT_NAME_CACHE_MISS;
        status = before ? requested_name(query, filter, format, ret) : opened_name(query->file, filter, format, ret);
        if (NT_SUCCESS(status) && may->keep)
                file_name_cache(query->file, format);
        return status;
}

/* safe: the file system may be asked right now. */
static NTSTATUS get_name(const struct fm_name_query *query, bool safe, bool before, PFLT_FILE_NAME_INFORMATION *ret)
{
        FLT_FILE_NAME_OPTIONS method = query->options & FLT_VALID_FILE_NAME_QUERY_METHODS;
        const bool straight = method == FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY;
        const struct permission may = {
                .look = !straight,
                .ask = safe && method != FLT_FILE_NAME_QUERY_CACHE_ONLY,
                .keep = !straight && !(query->options & FLT_FILE_NAME_DO_NOT_CACHE),
        };
        PFLT_FILTER filter = query->from ? query->from->filter : NULL;
        PFLT_INSTANCE provider;
        NTSTATUS status;

        if (!safe && (method == FLT_FILE_NAME_QUERY_DEFAULT || straight))
                return STATUS_FLT_INVALID_NAME_REQUEST;
        provider = fm_name_provider_enter(query);
        if (!provider)
                return name_of_file_system(query, &may, before, filter, ret);
        status = name_of_provider(provider, query, &may, filter, ret);
        fm_flt_object_leave(provider);
        return status;
}

/*
 * The name of the file that an operation is about: NORMALIZED, OPENED (before an open: as the opener spelled it) or
 * SHORT, from the nearest name provider below the caller, else from the file system. Here a file has a short name
 * only if it is a legal 8.3 name itself. Of an unlinked file: the name it was opened by.
 *
 * STATUS_SUCCESS: release it with FltReleaseFileNameInformation. STATUS_FLT_INVALID_NAME_REQUEST: not here (paging I/O,
 * after cleanup, top-level IRP set, APCs disabled, acquire/release callbacks; SHORT before the open; STATUS_REPARSE).
 * STATUS_FLT_NAME_CACHE_MISS: method CACHE_ONLY, or ALWAYS_ALLOW_CACHE_LOOKUP where asking is unsafe, and nobody has
 * asked before. STATUS_OBJECT_NAME_NOT_FOUND: no short name, or the file was opened by its id and has no name any more.
 * STATUS_OBJECT_PATH_NOT_FOUND: NORMALIZED before the open, and its directory does not exist.
 * STATUS_INVALID_PARAMETER: options, no file, or an unknown file id. STATUS_NAME_TOO_LONG. Never STATUS_ACCESS_DENIED:
 * only filters open by id, and their rights are not looked at. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetFileNameInformation(PFLT_CALLBACK_DATA CallbackData, FLT_FILE_NAME_OPTIONS NameOptions,
                                   PFLT_FILE_NAME_INFORMATION *NameInformation)
{
        PFLT_CALLBACK_DATA data = CallbackData;
        struct fm_name_query query = {.data = data, .options = NameOptions};
        bool before;

        fm_check_irql(__func__, APC_LEVEL);
        if (!data || !NameInformation || !fm_name_options_are_valid(NameOptions))
                return STATUS_INVALID_PARAMETER;
        *NameInformation = NULL;
        query.file = data->Iopb->TargetFileObject;
        query.from = data->Iopb->TargetInstance;
        if (!query.file)
                return STATUS_INVALID_PARAMETER;
        before = is_before_open(data, query.file);

        if (data->Iopb->MajorFunction == IRP_MJ_CREATE && fm_data_is_post(data) &&
            data->IoStatus.Status == STATUS_REPARSE && !(NameOptions & FLT_FILE_NAME_ALLOW_QUERY_ON_REPARSE))
                return STATUS_FLT_INVALID_NAME_REQUEST;
        if (before && (NameOptions & FLT_VALID_FILE_NAME_FORMATS) == FLT_FILE_NAME_SHORT)
                return STATUS_FLT_INVALID_NAME_REQUEST;
        return get_name(&query, query_is_safe(data, query.file), before, NameInformation);
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
        const struct fm_name_query query = {.file = FileObject, .from = Instance, .options = NameOptions};

        fm_check_irql(__func__, APC_LEVEL);
        if (!FileObject || !NameInformation || !fm_name_options_are_valid(NameOptions))
                return STATUS_INVALID_PARAMETER;
        *NameInformation = NULL;
        if (!fm_file_is_open(FileObject))
                return STATUS_FLT_INVALID_NAME_REQUEST;
        return get_name(&query, true, false, NameInformation);
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
