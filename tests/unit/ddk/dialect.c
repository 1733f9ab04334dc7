/* SPDX-License-Identifier: MIT */
/*
 * The C of minifilters in the wild, where it is more than C: each piece here stands for what published filters do. That
 * this file compiles as a filter does, without warnings, is half of the test.
 */
#define RTL_USE_AVL_TABLES 0
#include <initguid.h>

#include <fltKernel.h>

#include <dontuse.h>
#include <ntdddisk.h>
#include <ntintsafe.h>
#include <ntstrsafe.h>
#include <stdio.h>
#include <suppress.h>
#include <wsk.h>

#include <fltkernel.h>
#include <glib.h>

#pragma prefast(disable : __WARNING_ENCODE_MEMBER_FUNCTION_POINTER, "Not valid for kernel mode drivers")

/* Redefinitions with the same tokens, and those under #ifndef. */
#define IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION ((UCHAR)-1)
#define IRP_MJ_VOLUME_DISMOUNT ((UCHAR)-20)
#if !defined(Add2Ptr) || !defined(ROUND_TO_SIZE) || !defined(FlagOn)
#error these must be macros
#endif
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#define Max(a, b) ((a) > (b) ? (a) : (b))
typedef _Return_type_success_(return >= 0) LONG NTSTATUS;

#if !FLT_MGR_LONGHORN || !FLT_MGR_WIN7 || WINVER < 0x0602 || NTDDI_VERSION < NTDDI_WIN8
#error versions
#endif
#if defined(_MSC_VER) || !defined(_WIN64)
#error compiler
#endif

DEFINE_GUID(GUID_TEST_OURS, 0x12345678, 0x9abc, 0xdef0, 1, 2, 3, 4, 5, 6, 7, 8);

DRIVER_INITIALIZE DriverEntry;
DRIVER_DISPATCH Dispatch;
RTL_GENERIC_COMPARE_ROUTINE CompareEntries;
RTL_GENERIC_ALLOCATE_ROUTINE AllocateEntry;
RTL_GENERIC_FREE_ROUTINE FreeEntry;

NTSTATUS
DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath);

#ifdef ALLOC_PRAGMA
#pragma alloc_text(INIT, DriverEntry)
#endif

_Function_class_(DRIVER_INITIALIZE) _IRQL_requires_max_(PASSIVE_LEVEL)
NTSTATUS DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath)
{
        UNREFERENCED_PARAMETER(DriverObject);
        UNREFERENCED_PARAMETER(RegistryPath);
        return STATUS_SUCCESS;
}

_Dispatch_type_(IRP_MJ_CREATE)
NTSTATUS Dispatch(_In_ PDEVICE_OBJECT DeviceObject, _Inout_ PIRP Irp)
{
        UNREFERENCED_PARAMETER(DeviceObject);
        UNREFERENCED_PARAMETER(Irp);
        return STATUS_INVALID_DEVICE_REQUEST;
}

RTL_GENERIC_COMPARE_RESULTS NTAPI CompareEntries(_In_ PRTL_GENERIC_TABLE Table, _In_ PVOID First, _In_ PVOID Second)
{
        UNREFERENCED_PARAMETER(Table);
        return First < Second ? GenericLessThan : First > Second ? GenericGreaterThan : GenericEqual;
}

PVOID NTAPI AllocateEntry(_In_ PRTL_GENERIC_TABLE Table, _In_ CLONG ByteSize)
{
        UNREFERENCED_PARAMETER(Table);
        return ExAllocatePoolZero(PagedPool, ByteSize, 'lbaT');
}

VOID NTAPI FreeEntry(_In_ PRTL_GENERIC_TABLE Table, _In_ __drv_freesMem(Mem) _Post_invalid_ PVOID Entry)
{
        UNREFERENCED_PARAMETER(Table);
        ExFreePoolWithTag(Entry, 'lbaT');
}

/* Declared plainly, defined FORCEINLINE; annotated between type and name; and with arbitrary C as arguments. */
ULONG HalfOf(IN ULONG Value);

FORCEINLINE
ULONG HalfOf(IN ULONG Value)
{
        return Value / 2;
}

static FORCEINLINE VOID _Acquires_lock_(_Global_critical_region_) _IRQL_requires_max_(APC_LEVEL)
        AcquireNothing(_Inout_ _Requires_lock_not_held_(*_Curr_) _Acquires_exclusive_lock_(*_Curr_) PERESOURCE Resource)
{
        FLT_ASSERT(Resource != NULL);
}

_When_(*Size == 0 && return >= 0, _At_(Size, _Post_satisfies_(*Size <= _Old_(*Size))))
static NTSTATUS Annotated(_Out_writes_bytes_to_opt_(*Size, *Size) PVOID Buffer, _Inout_ PULONG Size)
{
        UNREFERENCED_PARAMETER(Buffer);
        *Size = 0;
        return STATUS_SUCCESS;
}

/* An assertion is an expression. */
#define REMAINING(Record, End) (FLT_ASSERT((PCHAR)(Record) <= (PCHAR)(End)), (ULONG)((PCHAR)(End) - (PCHAR)(Record)))

static const FLT_CONTEXT_REGISTRATION contexts[] = {
        { FLT_VOLUME_CONTEXT, 0, NULL, 16, 'xtcT', NULL, NULL, NULL },
        { FLT_STREAM_CONTEXT, 0, NULL, FLT_VARIABLE_SIZED_CONTEXTS, 'xtcT' },
        { FLT_CONTEXT_END },
};

static FLT_PREOP_CALLBACK_STATUS PreAny(_Inout_ PFLT_CALLBACK_DATA Data, _In_ PCFLT_RELATED_OBJECTS FltObjects,
                                        _Flt_CompletionContext_Outptr_ PVOID *CompletionContext)
{
        UNREFERENCED_PARAMETER(FltObjects);
        *CompletionContext = Data->Iopb->Parameters.Others.Argument1;
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
}

static const FLT_OPERATION_REGISTRATION callbacks[] = {
        { IRP_MJ_CREATE, 0, PreAny, NULL },
        { IRP_MJ_NETWORK_QUERY_OPEN, FLTFL_OPERATION_REGISTRATION_SKIP_PAGING_IO, PreAny, NULL, NULL },
        { IRP_MJ_OPERATION_END },
};

static const FLT_REGISTRATION registration = {
        sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION, 0, contexts, callbacks,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
};

static const UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\scan\\port");

static void test_macros(void)
{
        UNICODE_STRING empty = { 0, 0, NULL };
        FAST_IO_DISPATCH fast = { sizeof(FAST_IO_DISPATCH), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL };
        OBJECT_ATTRIBUTES attributes;
        char record[16];
        ULONG flags = 0, size = 1;
        ERESOURCE resource;

        g_assert_cmpuint(REMAINING(record + 4, record + 16), ==, 12);
        g_assert_cmpuint(HalfOf(7), ==, 3);
        AcquireNothing(&resource);
        g_assert_cmpint(Annotated(NULL, &size), ==, STATUS_SUCCESS);
        SetFlag(flags, 6);
        g_assert_cmpuint(FlagOn(flags, 2), ==, 2);
        ClearFlag(flags, 2);
        g_assert_cmpuint(flags, ==, 4);
        g_assert_cmpint(BooleanFlagOn(0x10000, 0x10000), ==, TRUE); /* not cut off by the 8 bits of a BOOLEAN */
        g_assert_true(Add2Ptr(record, 3) == (PVOID)(record + 3));
        g_assert_cmpuint(ROUND_TO_SIZE(513, 512), ==, 1024);
        g_assert_true(IS_ALIGNED(512, 512));
        g_assert_cmpuint(min(1u, 2u) + max(1u, 2u) + Max(1u, 2u), ==, 5);
        InitializeObjectAttributes(&attributes, &empty, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
        g_assert_cmpuint(attributes.Length, ==, 48);
        g_assert_cmpuint(name.Length, ==, 20);
        g_assert_cmpuint(name.MaximumLength, ==, 22);
        g_assert_cmpuint(registration.Size, ==, 112);
        g_assert_cmpuint(fast.SizeOfFastIoDispatch, ==, 224);
        g_assert_cmphex('abcd', ==, 0x61626364);
        g_assert_cmpuint(FLT_TAG_DATA_BUFFER_HEADER_SIZE, ==, 8);
        g_assert_true(OSVER(NTDDI_VERSION) >= NTDDI_VISTA);
        g_assert_true(GUID_TEST_OURS.Data1 == 0x12345678 && IsEqualGUID(&GUID_TEST_OURS, &GUID_TEST_OURS));
        g_assert_false(IsEqualGUID(&GUID_ECP_OPLOCK_KEY, &GUID_ECP_PREFETCH_OPEN)); /* defined, by initguid.h */
        if (fast.FastIoRead != NULL) {
                NOTHING;
        }
}

static void test_lists_and_atomics(void)
{
        struct entry {
                LIST_ENTRY links;
                int value;
        } entries[3] = { { .value = 0 }, { .value = 1 }, { .value = 2 } };
        LIST_ENTRY head;
        LONG value = 5;
        LONG64 wide = 1;
        struct entry *typed = NULL;

        InitializeListHead(&head);
        g_assert_true(IsListEmpty(&head));
        InsertTailList(&head, &entries[1].links);
        InsertTailList(&head, &entries[2].links);
        InsertHeadList(&head, &entries[0].links);
        g_assert_false(RemoveEntryList(&entries[1].links));
        g_assert_cmpint(CONTAINING_RECORD(RemoveTailList(&head), struct entry, links)->value, ==, 2);
        g_assert_cmpint(CONTAINING_RECORD(RemoveHeadList(&head), struct entry, links)->value, ==, 0);
        g_assert_true(IsListEmpty(&head));

        g_assert_cmpint(InterlockedIncrement(&value), ==, 6);
        g_assert_cmpint(InterlockedExchangeAdd(&value, 4), ==, 6);
        g_assert_cmpint(InterlockedCompareExchange(&value, 1, 9), ==, 10);
        g_assert_cmpint(InterlockedCompareExchange(&value, 1, 10), ==, 10);
        g_assert_cmpint(InterlockedOr(&value, 6), ==, 1);
        g_assert_cmpint(RtlInterlockedClearBits(&value, 1), ==, 7);
        g_assert_cmpint(InterlockedExchange(&value, 0), ==, 6);
        g_assert_cmpint(InterlockedIncrement64(&wide), ==, 2);
        g_assert_null(InterlockedExchangePointer(&typed, &entries[1]));
        g_assert_true(InterlockedCompareExchangePointer(&typed, NULL, &entries[1]) == &entries[1]);
        g_assert_null(typed);
        KeMemoryBarrier();
}

static void test_safe_arithmetic(void)
{
        ULONG result;
        USHORT small;

        g_assert_cmpint(RtlULongAdd(0xfffffff0, 0xf, &result), ==, STATUS_SUCCESS);
        g_assert_cmphex(result, ==, 0xffffffff);
        g_assert_cmpint(RtlULongAdd(0xfffffff0, 0x10, &result), ==, STATUS_INTEGER_OVERFLOW);
        g_assert_cmphex(result, ==, 0xffffffff);
        g_assert_cmpint(RtlULongSub(1, 2, &result), ==, STATUS_INTEGER_OVERFLOW);
        g_assert_cmpint(RtlULongMult(0x10000, 0x10000, &result), ==, STATUS_INTEGER_OVERFLOW);
        g_assert_cmpint(RtlULongToUShort(65535, &small), ==, STATUS_SUCCESS);
        g_assert_cmpint(RtlULongToUShort(65536, &small), ==, STATUS_INTEGER_OVERFLOW);
}

static void test_wide_strings(void)
{
        WCHAR buffer[16] = L"ab";
        UNICODE_STRING string = { 4, 4, buffer };
        int length;

        g_assert_cmpuint(sizeof(L"abc"), ==, 8);
        g_assert_cmpuint(wcslen(L"abc"), ==, 3);
        g_assert_cmpint(wcscmp(wcscpy(buffer + 8, L"xyz"), L"xyz"), ==, 0);
        g_assert_true(wcschr(L"a.b", L'.') != NULL);
        g_assert_cmpint(_wcsicmp(L"SCAN", L"scan"), ==, 0);
        length = _snwprintf(buffer + 4, 12, L"%wZ %d %S", &string, 7, "n"); /* %S in a wide format is narrow */
        g_assert_cmpint(length, ==, 6);
        g_assert_cmpint(wcscmp(buffer + 4, L"ab 7 n"), ==, 0);
        g_assert_cmpint(_snwprintf(buffer, 2, L"%s", L"xyz"), <, 0);
        g_assert_true(buffer[0] == L'x' && buffer[1] == L'y'); /* and no NUL forced in */
}

static void test_safe_strings(void)
{
        WCHAR wide[6];
        CHAR narrow[6];
        UNICODE_STRING string = { 0, 8, wide };
        size_t length;

        g_assert_cmpint(RtlStringCbCopyW(wide, sizeof(wide), L"abcde"), ==, STATUS_SUCCESS);
        g_assert_cmpint(RtlStringCbCopyW(wide, sizeof(wide), L"abcdef"), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpint(RtlStringCbLengthW(wide, sizeof(wide), &length), ==, STATUS_SUCCESS);
        g_assert_cmpuint(length, ==, 10);
        g_assert_cmpint(RtlStringCchCopyA(narrow, sizeof(narrow), "ab"), ==, STATUS_SUCCESS);
        g_assert_cmpint(RtlStringCchCatA(narrow, sizeof(narrow), "cdef"), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpstr(narrow, ==, "abcde");
        g_assert_cmpint(RtlStringCbPrintfA(narrow, sizeof(narrow), "%05u", 42u), ==, STATUS_SUCCESS);
        g_assert_cmpstr(narrow, ==, "00042");
        g_assert_cmpint(RtlStringCbPrintfW(wide, sizeof(wide), L"%s-%s", L"abc", L"de"), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpint(wcscmp(wide, L"abc-d"), ==, 0);
        g_assert_cmpint(RtlUnicodeStringCopyString(&string, L"abcd"), ==, STATUS_SUCCESS);
        g_assert_cmpint(RtlUnicodeStringCatString(&string, L"e"), ==, STATUS_BUFFER_OVERFLOW);
        g_assert_cmpuint(string.Length, ==, 8);
        g_assert_cmpint(RtlUnicodeStringPrintf(&string, L"%d", 7), ==, STATUS_SUCCESS);
        g_assert_cmpuint(string.Length, ==, 2);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/ddk/dialect/macros", test_macros);
        g_test_add_func("/ddk/dialect/lists-and-atomics", test_lists_and_atomics);
        g_test_add_func("/ddk/dialect/safe-arithmetic", test_safe_arithmetic);
        g_test_add_func("/ddk/dialect/wide-strings", test_wide_strings);
        g_test_add_func("/ddk/dialect/safe-strings", test_safe_strings);
        return g_test_run();
}
