/* SPDX-License-Identifier: MIT */
/* FsRtl: names with wildcards, expected statuses, waits that end with their request. */
#include <fltKernel.h>
#include <stdbool.h>

#include "nt/ke.h"

/* FALSE for what no file system should see: a fault in its own code. */
BOOLEAN FsRtlIsNtstatusExpected(NTSTATUS Exception)
{
        switch (Exception) {
        case STATUS_DATATYPE_MISALIGNMENT:
        case STATUS_ACCESS_VIOLATION:
        case STATUS_ILLEGAL_INSTRUCTION:
        case STATUS_INSTRUCTION_MISALIGNMENT:
                return FALSE;
        default:
                return TRUE;
        }
}

NTSTATUS FsRtlNormalizeNtstatus(NTSTATUS Exception, NTSTATUS GenericException)
{
        return FsRtlIsNtstatusExpected(Exception) ? Exception : GenericException;
}

BOOLEAN FsRtlIsTotalDeviceFailure(NTSTATUS Status)
{
        switch (Status) {
        case STATUS_CRC_ERROR:
        case STATUS_DEVICE_DATA_ERROR:
                return FALSE;
        default:
                return !NT_SUCCESS(Status);
        }
}

static bool is_wild(WCHAR character)
{
        return character == L'*' || character == L'?' || character == DOS_STAR || character == DOS_QM ||
               character == DOS_DOT;
}

BOOLEAN FsRtlDoesNameContainWildCards(PUNICODE_STRING Name)
{
        for (size_t i = Name->Length / sizeof(WCHAR); i > 0 && Name->Buffer[i - 1] != L'\\'; i--) {
                if (is_wild(Name->Buffer[i - 1]))
                        return TRUE;
        }
        return FALSE;
}

BOOLEAN FsRtlAreNamesEqual(PCUNICODE_STRING ConstantNameA, PCUNICODE_STRING ConstantNameB, BOOLEAN IgnoreCase,
                           PCWCH UpcaseTable)
{
        return RtlEqualUnicodeString(ConstantNameA, ConstantNameB, IgnoreCase);
}

/* Where an expression can stand: a bit for each of its characters, and one for its end. */
static bool has(const ULONG64 *bits, size_t position)
{
        return (bits[position / 64] >> (position % 64)) & 1;
}

static void add(ULONG64 *bits, size_t position)
{
        bits[position / 64] |= 1ULL << (position % 64);
}

/* Positions that are reached without a character of the name. */
static void close_over(ULONG64 *bits, const WCHAR *expression, size_t length, bool at_end, WCHAR next)
{
        for (size_t i = 0; i < length; i++) {
                if (!has(bits, i))
                        continue;
                switch (expression[i]) {
                case L'*':
                case DOS_STAR:
                        add(bits, i + 1);
                        break;
                case DOS_QM:
                        if (at_end || next == L'.')
                                add(bits, i + 1);
                        break;
                case DOS_DOT:
                        if (at_end)
                                add(bits, i + 1);
                        break;
                default:
                        break;
                }
        }
}

static bool more_dots(const WCHAR *name, size_t length, size_t after)
{
        for (size_t i = after + 1; i < length; i++) {
                if (name[i] == L'.')
                        return true;
        }
        return false;
}

/* One character of the name takes each state to its followers. */
static void step(const ULONG64 *from, ULONG64 *to, const WCHAR *expression, size_t length, const WCHAR *name,
                 size_t name_length, size_t at, bool ignore_case)
{
        WCHAR character = ignore_case ? RtlUpcaseUnicodeChar(name[at]) : name[at];

        for (size_t i = 0; i < length; i++) {
                if (!has(from, i))
                        continue;
                switch (expression[i]) {
                case L'*':
                        add(to, i);
                        break;
                case DOS_STAR:
                        /* It takes everything but the last dot. */
                        if (character != L'.' || more_dots(name, name_length, at))
                                add(to, i);
                        break;
                case L'?':
                        add(to, i + 1);
                        break;
                case DOS_QM:
                        if (character != L'.')
                                add(to, i + 1);
                        break;
                case DOS_DOT:
                        if (character == L'.')
                                add(to, i + 1);
                        break;
                default:
                        if (expression[i] == character)
                                add(to, i + 1);
                        break;
                }
        }
}

static BOOLEAN match(const WCHAR *expression, size_t length, const WCHAR *name, size_t name_length,
                     bool ignore_case)
{
        ULONG64 small[2][8] = {{0}};
        size_t words = length / 64 + 1;
        ULONG64 *now = small[0], *then = small[1];
        ULONG64 *block = NULL;
        bool matches;

        if (words > RTL_NUMBER_OF(small[0])) {
                block = ExAllocatePoolWithTag(PagedPool, 2 * words * sizeof(*block), 0x72465349);
                if (!block)
                        ExRaiseStatus(STATUS_INSUFFICIENT_RESOURCES);
                memset(block, 0, 2 * words * sizeof(*block));
                now = block;
                then = block + words;
        }
        add(now, 0);
        for (size_t i = 0; i < name_length; i++) {
                ULONG64 *swap = now;

                close_over(now, expression, length, false, name[i]);
                memset(then, 0, words * sizeof(*then));
                step(now, then, expression, length, name, name_length, i, ignore_case);
                now = then;
                then = swap;
        }
        close_over(now, expression, length, true, 0);
        matches = has(now, length);
        if (block)
                ExFreePool(block);
        return matches;
}

/*
 * Expression is upper case already when IgnoreCase is TRUE. * and ? as everybody knows them; < > and " as
 * MS-DOS knew * ? and the dot. UpcaseTable is ignored: there is one. Raises STATUS_INSUFFICIENT_RESOURCES.
 * IRQL <= APC_LEVEL.
 */
BOOLEAN FsRtlIsNameInExpression(PUNICODE_STRING Expression, PUNICODE_STRING Name, BOOLEAN IgnoreCase,
                                PWCH UpcaseTable)
{
        size_t length = Expression->Length / sizeof(WCHAR);
        size_t name_length = Name->Length / sizeof(WCHAR);

        if (length == 0 || name_length == 0)
                return length == name_length;
        if (length == 1 && Expression->Buffer[0] == L'*')
                return TRUE;
        return match(Expression->Buffer, length, Name->Buffer, name_length, IgnoreCase);
}

BOOLEAN FsRtlIsNameInUnUpcasedExpression(PUNICODE_STRING Expression, PUNICODE_STRING Name, BOOLEAN IgnoreCase,
                                         PWCH UpcaseTable)
{
        UNICODE_STRING upper;
        BOOLEAN matches;
        NTSTATUS status;

        if (!IgnoreCase)
                return FsRtlIsNameInExpression(Expression, Name, FALSE, UpcaseTable);
        status = RtlUpcaseUnicodeString(&upper, Expression, TRUE);
        if (!NT_SUCCESS(status))
                ExRaiseStatus(status);
        matches = FsRtlIsNameInExpression(&upper, Name, TRUE, UpcaseTable);
        RtlFreeUnicodeString(&upper);
        return matches;
}

/* "\a\b" gives "a" and "b". */
VOID FsRtlDissectName(UNICODE_STRING Path, PUNICODE_STRING FirstName, PUNICODE_STRING RemainingName)
{
        size_t count = Path.Length / sizeof(WCHAR);
        size_t start = count > 0 && Path.Buffer[0] == L'\\';
        size_t end = start;

        while (end < count && Path.Buffer[end] != L'\\')
                end++;
        FirstName->Buffer = count ? Path.Buffer + start : NULL;
        FirstName->Length = FirstName->MaximumLength = (USHORT)((end - start) * sizeof(WCHAR));
        RemainingName->Buffer = NULL;
        RemainingName->Length = RemainingName->MaximumLength = 0;
        if (end < count) {
                RemainingName->Buffer = Path.Buffer + end + 1;
                RemainingName->Length = RemainingName->MaximumLength =
                        (USHORT)((count - end - 1) * sizeof(WCHAR));
        }
}

PVOID FsRtlAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
        return ExAllocatePoolWithTag((POOL_TYPE)(PoolType | POOL_RAISE_IF_ALLOCATION_FAILURE), NumberOfBytes,
                                     Tag);
}

/*
 * STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_THREAD_IS_TERMINATING when the caller of the I/O is being killed.
 * Irp is ignored: cancelling it alone does not end the wait here.
 */
NTSTATUS FsRtlCancellableWaitForSingleObject(PVOID Object, PLARGE_INTEGER Timeout, PIRP Irp)
{
        return fm_wait(1, &Object, WaitAny, true, Timeout);
}

NTSTATUS FsRtlCancellableWaitForMultipleObjects(ULONG Count, PVOID ObjectArray[], WAIT_TYPE WaitType,
                                                PLARGE_INTEGER Timeout, PKWAIT_BLOCK WaitBlockArray, PIRP Irp)
{
        return fm_wait(Count, ObjectArray, WaitType, true, Timeout);
}

LOGICAL FsRtlIsDaxVolume(PFILE_OBJECT FileObject)
{
        return FALSE;
}

BOOLEAN FsRtlIsPagingFile(PFILE_OBJECT FileObject)
{
        fm_check_irql(__func__, APC_LEVEL);
        return FALSE;
}
