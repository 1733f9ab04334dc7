/* SPDX-License-Identifier: MIT */
/*
 * Where a rename or a hard link goes: the full name of what does not exist yet.
 */
#include "fltmgr/check.h"
#include "fltmgr/manager.h"
#include "fltmgr/name.h"
#include "nt/object.h"

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

struct destination {
        PFILE_OBJECT file;
        PFLT_INSTANCE from;
        PFLT_INSTANCE provider; /* entered, or NULL */
        FLT_FILE_NAME_OPTIONS options;
};

/* The name of a file that is open, without the volume's. */
static NTSTATUS append_file(const struct destination *destination, struct fm_name_path *path, PFILE_OBJECT file)
{
        const struct fm_name_query query = {
                .file = file,
                .from = destination->from,
                .options = (destination->options & ~(ULONG)FLT_VALID_FILE_NAME_FORMATS) | FLT_FILE_NAME_OPENED,
        };
        size_t volume = fm_file_object(file)->volume->Name.Length / sizeof(WCHAR);
        struct fm_name_path whole = {0};
        NTSTATUS status;

        if ((destination->options & FLT_VALID_FILE_NAME_QUERY_METHODS) == FLT_FILE_NAME_QUERY_CACHE_ONLY &&
            !fm_name_is_cached(file, destination->options & FLT_VALID_FILE_NAME_FORMATS))
                return STATUS_FLT_NAME_CACHE_MISS;
        if (!destination->provider) {
                if (!fm_file_is_open(file) || !fm_name_path_append_opened(path, file))
                        fm_name_path_append_requested(path, file);
                return STATUS_SUCCESS;
        }
        status = fm_name_provided(destination->provider, &query, false, &whole);
        if (NT_SUCCESS(status))
                fm_name_path_append(path, whole.chars + volume, whole.count - volume);
        fm_name_path_clear(&whole);
        return status;
}

static NTSTATUS append_directory(const struct destination *destination, struct fm_name_path *path, HANDLE root)
{
        PFILE_OBJECT directory;
        NTSTATUS status;

        if (!root) {
                status = append_file(destination, path, destination->file);
                fm_name_path_cut_last(path);
                return status;
        }
        status = fm_handle_ref(root, *IoFileObjectType, (void **)&directory);
        if (!NT_SUCCESS(status))
                return status;
        if (fm_file_object(directory)->volume != fm_file_object(destination->file)->volume)
                status = STATUS_NOT_SAME_DEVICE;
        else
                status = append_file(destination, path, directory);
        fm_object_unref(directory);
        return status;
}

/* A name that begins with a backslash: from a volume, or from the root of the file's own. */
static NTSTATUS skip_volume(PFLT_VOLUME volume, UNICODE_STRING *name)
{
        static const UNICODE_STRING spaces[] = {RTL_CONSTANT_STRING(L"\\??"), RTL_CONSTANT_STRING(L"\\Device"),
                                                RTL_CONSTANT_STRING(L"\\DosDevices"),
                                                RTL_CONSTANT_STRING(L"\\GLOBAL??")};

        if (fm_volume_skip_name(volume, name))
                return STATUS_SUCCESS;
        for (size_t i = 0; i < G_N_ELEMENTS(spaces); i++) {
                UNICODE_STRING other = *name;

                if (skip_prefix(&other, &spaces[i]))
                        return STATUS_NOT_SAME_DEVICE;
        }
        return STATUS_SUCCESS;
}

static NTSTATUS normalize(const struct destination *destination, struct fm_name_path *path)
{
        PFLT_VOLUME volume = fm_file_object(destination->file)->volume;
        size_t length = volume->Name.Length / sizeof(WCHAR);
        struct fm_name_path whole = {0};
        NTSTATUS status;

        if (!destination->provider)
                return fm_name_path_resolve(path, volume, NULL);
        fm_name_path_append(&whole, volume->Name.Buffer, length);
        fm_name_path_append(&whole, path->chars, path->count);
        status = fm_name_normalize(destination->provider, destination->file, &whole,
                                   FLTFL_NORMALIZE_NAME_DESTINATION_FILE_NAME);
        if (NT_SUCCESS(status)) {
                fm_name_path_clear(path);
                fm_name_path_append(path, whole.chars + length, whole.count - length);
        }
        fm_name_path_clear(&whole);
        return status;
}

static NTSTATUS make_name(const struct destination *destination, HANDLE root, UNICODE_STRING name,
                          PFLT_FILE_NAME_INFORMATION *ret)
{
        FLT_FILE_NAME_OPTIONS format = destination->options & FLT_VALID_FILE_NAME_FORMATS;
        PFLT_VOLUME volume = fm_file_object(destination->file)->volume;
        struct fm_name_path path = {0};
        NTSTATUS status;

        if (name.Buffer[0] == L'\\')
                status = skip_volume(volume, &name);
        else
                status = append_directory(destination, &path, root);
        if (NT_SUCCESS(status))
                fm_name_path_append(&path, name.Buffer, name.Length / sizeof(WCHAR));
        if (NT_SUCCESS(status) && format == FLT_FILE_NAME_NORMALIZED)
                status = normalize(destination, &path);
        if (NT_SUCCESS(status))
                status = fm_name_from_path(&path, volume, destination->from ? destination->from->filter : NULL, format,
                                           ret);
        fm_name_path_clear(&path);
        return status;
}

/*
 * The full name of where a rename or hard link goes: FileName and RootDirectory as in FILE_RENAME_INFORMATION. A simple
 * name stays in the file's own directory; a path is from a volume ("\Device\...", "\??\C:\...") or from
 * the root of the file's own volume ("\dir\file"). It is what the nearest name provider below the caller calls it.
 *
 * STATUS_SUCCESS: release it with FltReleaseFileNameInformation. STATUS_FLT_INVALID_NAME_REQUEST: SHORT, or a top-level
 * IRP is set. STATUS_NOT_SAME_DEVICE: another volume. STATUS_OBJECT_PATH_NOT_FOUND: NORMALIZED, and its directory does
 * not exist. STATUS_FLT_NAME_CACHE_MISS: CACHE_ONLY, and nobody has asked for what it is relative to.
 * STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH: RootDirectory. STATUS_INVALID_PARAMETER: options, or an empty
 * name. IRQL <= APC_LEVEL.
 */
NTSTATUS FltGetDestinationFileNameInformation(PFLT_INSTANCE Instance, PFILE_OBJECT FileObject, HANDLE RootDirectory,
                                              PWSTR FileName, ULONG FileNameLength, FLT_FILE_NAME_OPTIONS NameOptions,
                                              PFLT_FILE_NAME_INFORMATION *RetFileNameInformation)
{
        const struct fm_name_query query = {.file = FileObject, .from = Instance, .options = NameOptions};
        struct destination destination = {.file = FileObject, .from = Instance, .options = NameOptions};
        NTSTATUS status;

        fm_check_irql(__func__, APC_LEVEL);
        if (!FileObject || !FileName || !RetFileNameInformation || FileNameLength == 0 ||
            FileNameLength % sizeof(WCHAR) != 0 || FileNameLength > UNICODE_STRING_MAX_BYTES ||
            !fm_name_options_are_valid(NameOptions))
                return STATUS_INVALID_PARAMETER;
        *RetFileNameInformation = NULL;
        if ((NameOptions & FLT_VALID_FILE_NAME_FORMATS) == FLT_FILE_NAME_SHORT || fm_thread_self()->top_level_irp)
                return STATUS_FLT_INVALID_NAME_REQUEST;
        destination.provider = fm_name_provider_enter(&query);
        status = make_name(&destination, RootDirectory,
                           (UNICODE_STRING){(USHORT)FileNameLength, (USHORT)FileNameLength, FileName},
                           RetFileNameInformation);
        if (destination.provider)
                fm_flt_object_leave(destination.provider);
        return status;
}
