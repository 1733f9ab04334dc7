/* SPDX-License-Identifier: MIT */
/*
 * Taking names apart: [Volume][Share][ParentDir][FinalComponent[.Extension][:Stream]].
 *
 * All parts are slices of the name they come from: not NUL-terminated, lengths in bytes. A colon always begins a
 * stream, because one that is part of a Linux name reaches us as U+F03A.
 */
#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/name.h"

static UNICODE_STRING slice(PCUNICODE_STRING whole, size_t from, size_t to)
{
        UNICODE_STRING part = {
                .Length = (USHORT)((to - from) * sizeof(WCHAR)),
                .MaximumLength = (USHORT)((to - from) * sizeof(WCHAR)),
                .Buffer = whole->Buffer + from,
        };

        if (part.Length == 0)
                part.Buffer = NULL;
        return part;
}

struct parts {
        size_t final;     /* where the final component begins */
        size_t extension; /* after the dot; == stream if there is none */
        size_t stream;    /* at the colon; == end if there is none */
        size_t end;
};

static struct parts find_parts(PCUNICODE_STRING name)
{
        const WCHAR *chars = name->Buffer;
        struct parts parts = {.end = name->Length / sizeof(WCHAR)};

        for (parts.final = parts.end; parts.final > 0 && chars[parts.final - 1] != L'\\'; parts.final--)
                ;
        for (parts.stream = parts.final; parts.stream < parts.end && chars[parts.stream] != L':'; parts.stream++)
                ;
        for (parts.extension = parts.stream; parts.extension > parts.final && chars[parts.extension - 1] != L'.';
             parts.extension--)
                ;
        if (parts.extension == parts.final)
                parts.extension = parts.stream;
        return parts;
}

/*
 * The extension (without its dot), the stream (with its colon) and the final component (with both) of a path or of a
 * final component alone. Each result is a slice of FileName, empty if there is no such part.
 *
 * STATUS_SUCCESS; STATUS_INVALID_PARAMETER without a name. IRQL <= APC_LEVEL.
 */
NTSTATUS FltParseFileName(PCUNICODE_STRING FileName, PUNICODE_STRING Extension, PUNICODE_STRING Stream,
                          PUNICODE_STRING FinalComponent)
{
        struct parts parts;

        fm_check_irql(__func__, APC_LEVEL);
        if (!FileName || (FileName->Length && !FileName->Buffer))
                return STATUS_INVALID_PARAMETER;
        parts = find_parts(FileName);
        if (Extension)
                *Extension = slice(FileName, parts.extension, parts.stream);
        if (Stream)
                *Stream = slice(FileName, parts.stream, parts.end);
        if (FinalComponent)
                *FinalComponent = slice(FileName, parts.final, parts.end);
        return STATUS_SUCCESS;
}

/*
 * Fills in Share, ParentDir, FinalComponent, Extension, Stream and NamesParsed of a name. A short name is a final
 * component and nothing else. Any number of callers may parse the same name at once.
 *
 * STATUS_SUCCESS; STATUS_INVALID_PARAMETER without a name. IRQL <= APC_LEVEL.
 */
NTSTATUS FltParseFileNameInformation(PFLT_FILE_NAME_INFORMATION NameInformation)
{
        PFLT_FILE_NAME_INFORMATION info = NameInformation;
        struct fm_name *name;
        struct parts parts;

        fm_check_irql(__func__, APC_LEVEL);
        if (!info)
                return STATUS_INVALID_PARAMETER;
        name = fm_name_from_info(info);
        parts = find_parts(&info->Name);

        pthread_mutex_lock(&name->lock);
        if (info->NamesParsed == 0) {
                size_t volume = (info->Volume.Length + info->Share.Length) / sizeof(WCHAR);

                /* The volume's own name, as in opens of the volume, has no components at all. */
                if (parts.final < volume)
                        parts = (struct parts){volume, volume, volume, volume};
                info->FinalComponent = slice(&info->Name, parts.final, parts.end);
                info->Extension = slice(&info->Name, parts.extension, parts.stream);
                info->Stream = slice(&info->Name, parts.stream, parts.end);
                if (info->Format != FLT_FILE_NAME_SHORT)
                        info->ParentDir = slice(&info->Name, volume, parts.final);
                info->NamesParsed = FLTFL_FILE_NAME_PARSED_FINAL_COMPONENT | FLTFL_FILE_NAME_PARSED_EXTENSION |
                                    FLTFL_FILE_NAME_PARSED_STREAM | FLTFL_FILE_NAME_PARSED_PARENT_DIR;
        }
        pthread_mutex_unlock(&name->lock);
        return STATUS_SUCCESS;
}
