/* SPDX-License-Identifier: MIT */
/*
 * What filters want to know of a file when its open is done, without a query of their own that others see.
 *
 * Before the open they say what; afterwards the file system is asked, below all filters, once for each class: who is
 * higher up gets the same buffer, with what lower filters wrote into it.
 */
#include <string.h>

#include "fltmgr/check.h"
#include "fltmgr/extras.h"
#include "fltmgr/fsd.h"
#include "fltmgr/manager.h"

#define EA_ROOM_LIMIT (1u << 20)

enum { STAT, LX, EA, CLASSES };

struct answer {
        bool asked;
        NTSTATUS status;
        void *buffer; /* g_malloc'd */
        ULONG size;
};

struct fm_create_info {
        ULONG wanted; /* QoC* */
        struct answer answers[CLASSES];
};

void fm_create_info_free(struct fm_create_info *info)
{
        for (unsigned i = 0; info && i < CLASSES; i++)
                g_free(info->answers[i].buffer);
        g_free(info);
}

static bool is_create(PFLT_CALLBACK_DATA data)
{
        return FLT_IS_IRP_OPERATION(data) && data->Iopb->MajorFunction == IRP_MJ_CREATE;
}

/*
 * Says in a pre-create what will be asked for with FltRetrieveFileInfoOnCreateCompletionEx: QoC* flags.
 * STATUS_SUCCESS; STATUS_INVALID_PARAMETER_2: not a create. IRQL <= APC_LEVEL.
 */
NTSTATUS FltRequestFileInfoOnCreateCompletion(PFLT_FILTER Filter, PFLT_CALLBACK_DATA Data, ULONG InfoClassFlags)
{
        struct fm_extras *extras;
        ULONG wanted;

        fm_check_irql(__func__, APC_LEVEL);
        if (!is_create(Data))
                return STATUS_INVALID_PARAMETER_2;
        extras = fm_operation_extras(fm_operation_from_data(Data));
        wanted = InfoClassFlags | (extras->create_info ? extras->create_info->wanted : 0);
        /* What is known is of an open that was led elsewhere meanwhile. */
        fm_create_info_free(extras->create_info);
        extras->create_info = g_new0(struct fm_create_info, 1);
        extras->create_info->wanted = wanted;
        return STATUS_SUCCESS;
}

/* An operation that only the file system sees. */
static struct fm_operation *question_new(PFILE_OBJECT file, UCHAR major)
{
        static const struct fm_requestor system = {.kernel = true};

        return fm_operation_new(fm_file_object(file)->volume, major, file, &system);
}

static NTSTATUS ask(struct fm_operation *question, ULONG_PTR *information)
{
        NTSTATUS status;

        question->volume->fsd->dispatch(question);
        status = question->data.IoStatus.Status;
        *information = question->data.IoStatus.Information;
        fm_operation_free(question);
        return status;
}

static NTSTATUS ask_stat(PFILE_OBJECT file, FILE_STAT_LX_INFORMATION *stat)
{
        struct fm_operation *question = question_new(file, IRP_MJ_QUERY_INFORMATION);
        ULONG_PTR information;

        question->iopb.Parameters.QueryFileInformation.FileInformationClass = FileStatLxInformation;
        question->iopb.Parameters.QueryFileInformation.InfoBuffer = stat;
        question->iopb.Parameters.QueryFileInformation.Length = sizeof(*stat);
        return ask(question, &information);
}

static NTSTATUS get_stat(PFILE_OBJECT file, struct answer *answer)
{
        FILE_STAT_LX_INFORMATION stat;
        NTSTATUS status = ask_stat(file, &stat);
        QUERY_ON_CREATE_FILE_STAT_INFORMATION *out;

        if (!NT_SUCCESS(status))
                return status;
        answer->size = sizeof(*out);
        answer->buffer = out = g_new0(QUERY_ON_CREATE_FILE_STAT_INFORMATION, 1);
        out->FileId = stat.FileId;
        out->CreationTime = stat.CreationTime;
        out->LastAccessTime = stat.LastAccessTime;
        out->LastWriteTime = stat.LastWriteTime;
        out->ChangeTime = stat.ChangeTime;
        out->AllocationSize = stat.AllocationSize;
        out->EndOfFile = stat.EndOfFile;
        out->FileAttributes = stat.FileAttributes;
        out->ReparseTag = stat.ReparseTag;
        out->NumberOfLinks = stat.NumberOfLinks;
        return STATUS_SUCCESS;
}

static NTSTATUS get_lx(PFILE_OBJECT file, struct answer *answer)
{
        FILE_STAT_LX_INFORMATION stat;
        NTSTATUS status = ask_stat(file, &stat);
        QUERY_ON_CREATE_FILE_LX_INFORMATION *out;

        if (!NT_SUCCESS(status))
                return status;
        answer->size = sizeof(*out);
        answer->buffer = out = g_new0(QUERY_ON_CREATE_FILE_LX_INFORMATION, 1);
        out->EffectiveAccess = stat.EffectiveAccess;
        out->LxFlags = stat.LxFlags;
        out->LxUid = stat.LxUid;
        out->LxGid = stat.LxGid;
        out->LxMode = stat.LxMode;
        out->LxDeviceIdMajor = stat.LxDeviceIdMajor;
        out->LxDeviceIdMinor = stat.LxDeviceIdMinor;
        return STATUS_SUCCESS;
}

static NTSTATUS ask_ea(PFILE_OBJECT file, void *buffer, ULONG room, ULONG_PTR *used)
{
        struct fm_operation *question = question_new(file, IRP_MJ_QUERY_EA);

        question->iopb.OperationFlags = SL_RESTART_SCAN;
        question->iopb.Parameters.QueryEa.EaBuffer = buffer;
        question->iopb.Parameters.QueryEa.Length = room;
        return ask(question, used);
}

static NTSTATUS get_ea(PFILE_OBJECT file, struct answer *answer)
{
        QUERY_ON_CREATE_EA_INFORMATION *out = NULL;
        NTSTATUS status = STATUS_BUFFER_OVERFLOW;
        ULONG_PTR used = 0, ignored;

        for (ULONG room = 512; room <= EA_ROOM_LIMIT; room *= 2) {
                out = g_realloc(out, sizeof(*out) + room);
                status = ask_ea(file, out + 1, room, &used);
                if (status != STATUS_BUFFER_OVERFLOW && status != STATUS_BUFFER_TOO_SMALL)
                        break;
        }
        /* The handle's own enumeration still starts at the first: nothing fits, so nothing is passed over. */
        if (NT_SUCCESS(status) || status == STATUS_BUFFER_OVERFLOW)
                ask_ea(file, &ignored, 0, &ignored);
        if (status != STATUS_SUCCESS) {
                g_free(out);
                return status;
        }
        out->EaBufferSize = (ULONG)used;
        out->EaBuffer = (PFILE_FULL_EA_INFORMATION)(out + 1);
        answer->size = sizeof(*out) + (ULONG)used;
        answer->buffer = out;
        return STATUS_SUCCESS;
}

/* What the caller is told of a file system's status. */
static NTSTATUS told(NTSTATUS status)
{
        switch (status) {
        case STATUS_SUCCESS:
                return STATUS_SUCCESS;
        case STATUS_NO_EAS_ON_FILE:
                return STATUS_NOT_FOUND;
        case STATUS_NOT_SUPPORTED:
        case STATUS_EAS_NOT_SUPPORTED:
        case STATUS_INVALID_DEVICE_REQUEST:
                return STATUS_NOT_SUPPORTED;
        default:
                return STATUS_UNSUCCESSFUL;
        }
}

/*
 * In a post-create: what some filter has said, before the open, that it wants to know; one QoC* flag. The buffer may be
 * written to, which filters higher up see; it goes with the operation. It tells how the file is at the first call, and
 * not at the end of the open.
 *
 * STATUS_SUCCESS; STATUS_NOT_FOUND: the file has none (EAs), or it is nothing that the file system knows (USNs);
 * STATUS_NOT_SUPPORTED: nobody said so, more than one flag, not a create, or the open failed; STATUS_UNSUCCESSFUL:
 * the file system's error. RetInfoBuffer is NULL then. IRQL <= APC_LEVEL.
 */
NTSTATUS FltRetrieveFileInfoOnCreateCompletionEx(PFLT_FILTER Filter, PFLT_CALLBACK_DATA Data, ULONG InfoClass,
                                                 PULONG RetInfoSize, PVOID *RetInfoBuffer)
{
        static NTSTATUS (*const get[CLASSES])(PFILE_OBJECT file, struct answer * answer) = {
                [STAT] = get_stat, [LX] = get_lx, [EA] = get_ea};
        struct fm_extras *extras = fm_operation_extras_peek(fm_operation_from_data(Data));
        PFILE_OBJECT file = Data->Iopb->TargetFileObject;
        struct answer *answer;
        unsigned class;

        fm_check_irql("FltRetrieveFileInfoOnCreateCompletion", APC_LEVEL);
        *RetInfoSize = 0;
        *RetInfoBuffer = NULL;
        if (!is_create(Data) || !extras || !extras->create_info || !(extras->create_info->wanted & InfoClass) ||
            (InfoClass & (InfoClass - 1)) || !file || !fm_file_is_open(file) || !NT_SUCCESS(Data->IoStatus.Status))
                return STATUS_NOT_SUPPORTED;
        class = (unsigned)__builtin_ctz(InfoClass);
        if (class >= CLASSES)
                return STATUS_NOT_FOUND;
        answer = &extras->create_info->answers[class];
        if (!answer->asked) {
                answer->asked = true;
                answer->status = told(get[class](file, answer));
        }
        *RetInfoSize = answer->size;
        *RetInfoBuffer = answer->buffer;
        return answer->status;
}

/* FltRetrieveFileInfoOnCreateCompletionEx without its status: the buffer, or NULL. IRQL <= APC_LEVEL. */
PVOID FltRetrieveFileInfoOnCreateCompletion(PFLT_FILTER Filter, PFLT_CALLBACK_DATA Data, ULONG InfoClass, PULONG Size)
{
        PVOID buffer;

        FltRetrieveFileInfoOnCreateCompletionEx(Filter, Data, InfoClass, Size, &buffer);
        return buffer;
}
