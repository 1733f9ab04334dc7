/* SPDX-License-Identifier: MIT */
/*
 * logger: says which files are made, written and deleted, and by which program.
 *
 * What is asked for is known in the pre-operation, what came of it in the post-operation. The name is
 * taken in the first, where that is always allowed, and handed to the second, which prints and releases it.
 */
#include <fltKernel.h>

static PFLT_FILTER Filter;

/* One line: by which program, what was done, to which file. */
static VOID Print(_In_ PFLT_CALLBACK_DATA Data, _In_ PCSTR What, _In_ PFLT_FILE_NAME_INFORMATION Name)
{
        PEPROCESS Process = Data->Thread != NULL ? IoThreadToProcess(Data->Thread) : NULL;
        UNICODE_STRING Unknown = RTL_CONSTANT_STRING(L"(unknown)");
        PUNICODE_STRING Image = NULL;

        if (Process == NULL || !NT_SUCCESS(SeLocateProcessImageName(Process, &Image)))
                Image = NULL;
        DbgPrint("logger: %wZ (%u) %s %wZ\n", Image != NULL ? Image : &Unknown, FltGetRequestorProcessId(Data), What,
                 &Name->Name);
        if (Image != NULL)
                ExFreePool(Image);
}

/* The completion context is the name; whoever gets it releases it. */
static FLT_PREOP_CALLBACK_STATUS KeepName(_Inout_ PFLT_CALLBACK_DATA Data,
                                          _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        PFLT_FILE_NAME_INFORMATION Name;

        if (!NT_SUCCESS(FltGetFileNameInformation(Data, FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT, &Name)))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        *CompletionContext = Name;
        /* The post-operation runs in this thread, at this IRQL: it may print and touch paged memory. */
        return FLT_PREOP_SYNCHRONIZE;
}

static FLT_PREOP_CALLBACK_STATUS PreCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                           _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        ULONG Disposition = Data->Iopb->Parameters.Create.Options >> 24;

        UNREFERENCED_PARAMETER(FltObjects);

        /* Nothing is made by an open of what is there. */
        if (Disposition == FILE_OPEN || Disposition == FILE_OVERWRITE)
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        return KeepName(Data, CompletionContext);
}

static FLT_POSTOP_CALLBACK_STATUS PostCreate(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                             _In_opt_ PVOID CompletionContext, _In_ FLT_POST_OPERATION_FLAGS Flags)
{
        PFLT_FILE_NAME_INFORMATION Name = CompletionContext;

        UNREFERENCED_PARAMETER(FltObjects);

        if (!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) && NT_SUCCESS(Data->IoStatus.Status) &&
            Data->IoStatus.Status != STATUS_REPARSE && Data->IoStatus.Information == FILE_CREATED)
                Print(Data, "made", Name);
        FltReleaseFileNameInformation(Name);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static FLT_PREOP_CALLBACK_STATUS PreWrite(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                          _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        UNREFERENCED_PARAMETER(FltObjects);

        /* The memory manager empties its cache: for data that was written before, and in nobody's name. */
        if (FlagOn(Data->Iopb->IrpFlags, IRP_PAGING_IO))
                return FLT_PREOP_SUCCESS_NO_CALLBACK;
        return KeepName(Data, CompletionContext);
}

static FLT_POSTOP_CALLBACK_STATUS PostWrite(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                            _In_opt_ PVOID CompletionContext, _In_ FLT_POST_OPERATION_FLAGS Flags)
{
        PFLT_FILE_NAME_INFORMATION Name = CompletionContext;

        UNREFERENCED_PARAMETER(FltObjects);

        if (!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) && NT_SUCCESS(Data->IoStatus.Status))
                Print(Data, "wrote", Name);
        FltReleaseFileNameInformation(Name);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

/* A deletion is the setting of a flag; the file goes with its last handle. */
static BOOLEAN IsDeletion(_In_ PFLT_IO_PARAMETER_BLOCK Iopb)
{
        PVOID Buffer = Iopb->Parameters.SetFileInformation.InfoBuffer;

        switch (Iopb->Parameters.SetFileInformation.FileInformationClass) {
        case FileDispositionInformation:
                return ((PFILE_DISPOSITION_INFORMATION)Buffer)->DeleteFile;
        case FileDispositionInformationEx:
                return FlagOn(((PFILE_DISPOSITION_INFORMATION_EX)Buffer)->Flags, FILE_DISPOSITION_DELETE) != 0;
        default:
                return FALSE;
        }
}

static FLT_PREOP_CALLBACK_STATUS PreSetInformation(_Inout_ PFLT_CALLBACK_DATA Data,
                                                   _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                                   _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        UNREFERENCED_PARAMETER(FltObjects);

        return IsDeletion(Data->Iopb) ? KeepName(Data, CompletionContext) : FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS PostSetInformation(_Inout_ PFLT_CALLBACK_DATA Data,
                                                     _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                                     _In_opt_ PVOID CompletionContext,
                                                     _In_ FLT_POST_OPERATION_FLAGS Flags)
{
        PFLT_FILE_NAME_INFORMATION Name = CompletionContext;

        UNREFERENCED_PARAMETER(FltObjects);

        if (!FlagOn(Flags, FLTFL_POST_OPERATION_DRAINING) && NT_SUCCESS(Data->IoStatus.Status))
                Print(Data, "deleted", Name);
        FltReleaseFileNameInformation(Name);
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS Unload(_In_ FLT_FILTER_UNLOAD_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(Flags);

        FltUnregisterFilter(Filter);
        return STATUS_SUCCESS;
}

static NTSTATUS QueryTeardown(_In_ PCFLT_RELATED_OBJECTS FltObjects, _In_ FLT_INSTANCE_QUERY_TEARDOWN_FLAGS Flags)
{
        UNREFERENCED_PARAMETER(FltObjects);
        UNREFERENCED_PARAMETER(Flags);

        return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION Operations[] = {
        { IRP_MJ_CREATE, 0, PreCreate, PostCreate },
        { IRP_MJ_WRITE, 0, PreWrite, PostWrite },
        { IRP_MJ_SET_INFORMATION, 0, PreSetInformation, PostSetInformation },
        { IRP_MJ_OPERATION_END }
};

static const FLT_REGISTRATION Registration = {
        .Size = sizeof(FLT_REGISTRATION),
        .Version = FLT_REGISTRATION_VERSION,
        .OperationRegistration = Operations,
        .FilterUnloadCallback = Unload,
        .InstanceQueryTeardownCallback = QueryTeardown,
};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath)
{
        NTSTATUS Status;

        UNREFERENCED_PARAMETER(RegistryPath);

        Status = FltRegisterFilter(DriverObject, &Registration, &Filter);
        if (!NT_SUCCESS(Status))
                return Status;
        Status = FltStartFiltering(Filter);
        if (!NT_SUCCESS(Status))
                FltUnregisterFilter(Filter);
        return Status;
}
