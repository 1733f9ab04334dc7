/* SPDX-License-Identifier: MIT */
/*
 * Configuration: the Parameters key of the service.
 *
 * Every value may be missing; one of the wrong type or out of range counts as missing and is reported. Read once,
 * when the filter is loaded.
 */
#include "onaccess.h"

#define OA_DEFAULT_SCAN_TIMEOUT 30000

/* Of one value. Larger ones are refused: nobody writes such a list. */
#define OA_MAX_VALUE 65536

#ifdef ALLOC_PRAGMA
#pragma alloc_text(INIT, OaReadParameters)
#pragma alloc_text(PAGE, OaFreeParameters)
#endif

static NTSTATUS OaOpenKey(_In_opt_ HANDLE Root, _In_ PUNICODE_STRING Path, _Out_ PHANDLE Key)
{
        OBJECT_ATTRIBUTES Attributes;

        InitializeObjectAttributes(&Attributes, Path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, Root, NULL);
        return ZwOpenKey(Key, KEY_READ, &Attributes);
}

/* The caller frees it. NULL: no such value. */
static PKEY_VALUE_PARTIAL_INFORMATION OaQueryValue(_In_ HANDLE Key, _In_ PCWSTR Name)
{
        PKEY_VALUE_PARTIAL_INFORMATION Value;
        UNICODE_STRING ValueName;
        ULONG Length = 0;
        NTSTATUS Status;

        RtlInitUnicodeString(&ValueName, Name);
        Status = ZwQueryValueKey(Key, &ValueName, KeyValuePartialInformation, NULL, 0, &Length);
        if (Status != STATUS_BUFFER_TOO_SMALL && Status != STATUS_BUFFER_OVERFLOW)
                return NULL;
        if (Length < sizeof(KEY_VALUE_PARTIAL_INFORMATION) || Length > OA_MAX_VALUE)
                return NULL;

        Value = ExAllocatePoolZero(PagedPool, Length, OA_TAG_PARAMETERS);
        if (Value == NULL)
                return NULL;
        Status = ZwQueryValueKey(Key, &ValueName, KeyValuePartialInformation, Value, Length, &Length);
        if (!NT_SUCCESS(Status)) {
                ExFreePoolWithTag(Value, OA_TAG_PARAMETERS);
                return NULL;
        }
        return Value;
}

static VOID OaReportBadValue(_In_ PCWSTR Name)
{
        DbgPrint("onaccess: parameter %ws is not valid, the default is used\n", Name);
}

static ULONGLONG OaReadNumber(_In_ HANDLE Key, _In_ PCWSTR Name, _In_ ULONGLONG Default, _In_ ULONGLONG Maximum)
{
        PKEY_VALUE_PARTIAL_INFORMATION Value = OaQueryValue(Key, Name);
        ULONGLONG Number = Maximum;
        BOOLEAN Valid = FALSE;

        if (Value == NULL)
                return Default;
        if (Value->Type == REG_DWORD && Value->DataLength == sizeof(ULONG)) {
                ULONG Small;

                RtlCopyMemory(&Small, Value->Data, sizeof(Small));
                Number = Small;
                Valid = TRUE;
        } else if (Value->Type == REG_QWORD && Value->DataLength == sizeof(ULONGLONG)) {
                RtlCopyMemory(&Number, Value->Data, sizeof(Number));
                Valid = TRUE;
        }
        ExFreePoolWithTag(Value, OA_TAG_PARAMETERS);
        if (!Valid || Number > Maximum) {
                OaReportBadValue(Name);
                return Default;
        }
        return Number;
}

static NTSTATUS OaReadString(_In_ HANDLE Key, _In_ PCWSTR Name, _In_ PCWSTR Default, _Out_ PUNICODE_STRING String)
{
        PKEY_VALUE_PARTIAL_INFORMATION Value = OaQueryValue(Key, Name);
        UNICODE_STRING Source;

        RtlInitUnicodeString(&Source, Default);
        if (Value != NULL) {
                USHORT Length = (USHORT)(Value->DataLength & ~(ULONG)1);
                PWSTR Characters = (PWSTR)Value->Data;

                while (Length >= sizeof(WCHAR) && Characters[Length / sizeof(WCHAR) - 1] == UNICODE_NULL)
                        Length -= sizeof(WCHAR);
                if (Value->Type == REG_SZ && Length != 0) {
                        Source.Buffer = Characters;
                        Source.Length = Length;
                        Source.MaximumLength = Length;
                } else {
                        OaReportBadValue(Name);
                }
        }

        String->Length = Source.Length;
        String->MaximumLength = Source.Length;
        String->Buffer = ExAllocatePoolZero(PagedPool, Source.Length, OA_TAG_PARAMETERS);
        if (String->Buffer != NULL)
                RtlCopyMemory(String->Buffer, Source.Buffer, Source.Length);
        if (Value != NULL)
                ExFreePoolWithTag(Value, OA_TAG_PARAMETERS);
        return String->Buffer != NULL ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

/* Characters of the string at this place, which need not end with a NUL. */
static ULONG OaStringLength(_In_reads_(Count) const WCHAR *Characters, _In_ ULONG Count)
{
        ULONG Length = 0;

        while (Length < Count && Characters[Length] != UNICODE_NULL)
                Length++;
        return Length;
}

/* A REG_SZ is a list of one. */
static NTSTATUS OaReadList(_In_ HANDLE Key, _In_ PCWSTR Name, _Out_ POA_STRING_LIST List)
{
        PKEY_VALUE_PARTIAL_INFORMATION Value = OaQueryValue(Key, Name);
        const WCHAR *Characters;
        PWSTR Copy;
        ULONG Count;
        ULONG Items = 0;
        ULONG At;
        ULONG Length;

        RtlZeroMemory(List, sizeof(*List));
        if (Value == NULL)
                return STATUS_SUCCESS;
        if (Value->Type != REG_MULTI_SZ && Value->Type != REG_SZ) {
                OaReportBadValue(Name);
                ExFreePoolWithTag(Value, OA_TAG_PARAMETERS);
                return STATUS_SUCCESS;
        }

        Characters = (const WCHAR *)Value->Data;
        Count = Value->DataLength / sizeof(WCHAR);
        for (At = 0; At < Count; At += Length + 1) {
                Length = OaStringLength(Characters + At, Count - At);
                if (Length != 0)
                        Items++;
        }
        if (Items != 0) {
                List->Items = ExAllocatePoolZero(PagedPool, Items * sizeof(UNICODE_STRING) + Count * sizeof(WCHAR),
                                                 OA_TAG_PARAMETERS);
                if (List->Items == NULL) {
                        ExFreePoolWithTag(Value, OA_TAG_PARAMETERS);
                        return STATUS_INSUFFICIENT_RESOURCES;
                }
                Copy = (PWSTR)(List->Items + Items);
                RtlCopyMemory(Copy, Characters, Count * sizeof(WCHAR));
                for (At = 0; At < Count; At += Length + 1) {
                        Length = OaStringLength(Copy + At, Count - At);
                        if (Length == 0)
                                continue;
                        List->Items[List->Count].Buffer = Copy + At;
                        List->Items[List->Count].Length = (USHORT)(Length * sizeof(WCHAR));
                        List->Items[List->Count].MaximumLength = List->Items[List->Count].Length;
                        List->Count++;
                }
        }
        ExFreePoolWithTag(Value, OA_TAG_PARAMETERS);
        return STATUS_SUCCESS;
}

static VOID OaFreeList(_Inout_ POA_STRING_LIST List)
{
        if (List->Items != NULL)
                ExFreePoolWithTag(List->Items, OA_TAG_PARAMETERS);
        RtlZeroMemory(List, sizeof(*List));
}

/* People write extensions with and without the dot; "*" is all of them. */
static VOID OaNormalizeExtensions(_Inout_ POA_STRING_LIST List)
{
        ULONG i;

        for (i = 0; i < List->Count; i++) {
                PUNICODE_STRING Item = &List->Items[i];

                if (Item->Length == sizeof(WCHAR) && Item->Buffer[0] == L'*') {
                        OaFreeList(List);
                        return;
                }
                if (Item->Length > sizeof(WCHAR) && Item->Buffer[0] == L'.') {
                        Item->Buffer++;
                        Item->Length -= sizeof(WCHAR);
                        Item->MaximumLength = Item->Length;
                }
        }
}

static OA_ACTION OaReadAction(_In_ HANDLE Key, _In_ PCWSTR Name)
{
        return (OA_ACTION)OaReadNumber(Key, Name, OaActionAllow, OaActionDeny);
}

static NTSTATUS OaReadValues(_In_ HANDLE Key, _Inout_ POA_PARAMETERS Parameters)
{
        NTSTATUS Status;

        Parameters->ScanTimeout = (ULONG)OaReadNumber(Key, L"ScanTimeout", OA_DEFAULT_SCAN_TIMEOUT, MAXULONG);
        Parameters->MaximumFileSize = OaReadNumber(Key, L"MaximumFileSize", 0, MAXULONGLONG / 1024) * 1024;
        Parameters->ScanOnOpen = OaReadNumber(Key, L"ScanOnOpen", TRUE, TRUE) != 0;
        Parameters->ScanOnCleanup = OaReadNumber(Key, L"ScanOnCleanup", TRUE, TRUE) != 0;
        Parameters->ActionOnTimeout = OaReadAction(Key, L"ActionOnTimeout");
        Parameters->ActionWithoutAgent = OaReadAction(Key, L"ActionWithoutAgent");
        Parameters->ActionOnError = OaReadAction(Key, L"ActionOnError");
        Parameters->MaximumConnections = (LONG)OaReadNumber(Key, L"MaximumConnections", 1, OA_MAX_CONNECTIONS);
        if (Parameters->MaximumConnections == 0) {
                OaReportBadValue(L"MaximumConnections");
                Parameters->MaximumConnections = 1;
        }

        Status = OaReadString(Key, L"PortName", OA_DEFAULT_PORT_NAME, &Parameters->PortName);
        if (NT_SUCCESS(Status))
                Status = OaReadList(Key, L"Extensions", &Parameters->Extensions);
        if (NT_SUCCESS(Status))
                Status = OaReadList(Key, L"ExcludedPaths", &Parameters->ExcludedPaths);
        if (NT_SUCCESS(Status))
                Status = OaReadList(Key, L"ExcludedProcesses", &Parameters->ExcludedProcesses);
        OaNormalizeExtensions(&Parameters->Extensions);
        return Status;
}

NTSTATUS OaReadParameters(_In_ PUNICODE_STRING RegistryPath, _Out_ POA_PARAMETERS Parameters)
{
        UNICODE_STRING Name = RTL_CONSTANT_STRING(L"Parameters");
        HANDLE ServiceKey;
        HANDLE Key = NULL;
        NTSTATUS Status;

        RtlZeroMemory(Parameters, sizeof(*Parameters));

        Status = OaOpenKey(NULL, RegistryPath, &ServiceKey);
        if (!NT_SUCCESS(Status))
                return Status;

        /* Without a Parameters key each value is looked for, in vain, in the service's own. */
        if (!NT_SUCCESS(OaOpenKey(ServiceKey, &Name, &Key)))
                Key = NULL;
        Status = OaReadValues(Key != NULL ? Key : ServiceKey, Parameters);
        if (!NT_SUCCESS(Status))
                OaFreeParameters(Parameters);

        if (Key != NULL)
                ZwClose(Key);
        ZwClose(ServiceKey);
        return Status;
}

VOID OaFreeParameters(_Inout_ POA_PARAMETERS Parameters)
{
        PAGED_CODE();

        if (Parameters->PortName.Buffer != NULL)
                ExFreePoolWithTag(Parameters->PortName.Buffer, OA_TAG_PARAMETERS);
        OaFreeList(&Parameters->Extensions);
        OaFreeList(&Parameters->ExcludedPaths);
        OaFreeList(&Parameters->ExcludedProcesses);
        RtlZeroMemory(Parameters, sizeof(*Parameters));
}
