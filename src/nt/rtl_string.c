/* SPDX-License-Identifier: MIT */
/*
 * Counted strings. Lengths are bytes; nothing is terminated unless a function says so. Case is that of the
 * file system: one unit to one unit.
 */
#include <fltKernel.h>
#include <pthread.h>
#include <stdbool.h>

#include "nt/crt.h"
#include "nt/pool.h"

#define STRING_TAG 0x53727452 /* 'RtrS' */

static WCHAR upper_table[65536];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
        for (unsigned i = 0; i < RTL_NUMBER_OF(upper_table); i++)
                upper_table[i] = fm_towupper((WCHAR)i);
}

WCHAR RtlUpcaseUnicodeChar(WCHAR SourceCharacter)
{
        if (SourceCharacter < 0x80)
                return SourceCharacter >= L'a' && SourceCharacter <= L'z' ? SourceCharacter - 0x20
                                                                          : SourceCharacter;
        pthread_once(&table_once, fill_table);
        return upper_table[SourceCharacter];
}

WCHAR RtlDowncaseUnicodeChar(WCHAR SourceCharacter)
{
        return fm_towlower(SourceCharacter);
}

CHAR RtlUpperChar(CHAR Character)
{
        return Character >= 'a' && Character <= 'z' ? (CHAR)(Character - 0x20) : Character;
}

VOID RtlInitString(PSTRING DestinationString, PCSZ SourceString)
{
        size_t length = SourceString ? strlen(SourceString) : 0;

        if (length > MAXUSHORT - 1)
                length = MAXUSHORT - 1;
        DestinationString->Length = (USHORT)length;
        DestinationString->MaximumLength = SourceString ? (USHORT)(length + 1) : 0;
        DestinationString->Buffer = (PCHAR)SourceString;
}

VOID RtlInitAnsiString(PANSI_STRING DestinationString, PCSZ SourceString)
{
        RtlInitString(DestinationString, SourceString);
}

VOID RtlInitUTF8String(PUTF8_STRING DestinationString, PCSZ SourceString)
{
        RtlInitString(DestinationString, SourceString);
}

/* A source longer than fits is cut at 32766 characters, as on Windows. */
VOID RtlInitUnicodeString(PUNICODE_STRING DestinationString, PCWSTR SourceString)
{
        size_t length = SourceString ? fm_wcslen(SourceString) * sizeof(WCHAR) : 0;

        if (length > UNICODE_STRING_MAX_BYTES - sizeof(WCHAR))
                length = UNICODE_STRING_MAX_BYTES - sizeof(WCHAR);
        DestinationString->Length = (USHORT)length;
        DestinationString->MaximumLength = SourceString ? (USHORT)(length + sizeof(WCHAR)) : 0;
        DestinationString->Buffer = (PWCH)SourceString;
}

/* STATUS_NAME_TOO_LONG instead of cutting. */
NTSTATUS RtlInitUnicodeStringEx(PUNICODE_STRING DestinationString, PCWSTR SourceString)
{
        if (SourceString && fm_wcsnlen(SourceString, UNICODE_STRING_MAX_CHARS) >= UNICODE_STRING_MAX_CHARS)
                return STATUS_NAME_TOO_LONG;
        RtlInitUnicodeString(DestinationString, SourceString);
        return STATUS_SUCCESS;
}

static void terminate(PUNICODE_STRING string)
{
        if ((ULONG)string->Length + sizeof(WCHAR) <= string->MaximumLength)
                string->Buffer[string->Length / sizeof(WCHAR)] = 0;
}

/* Copies what fits; terminates when there is room. */
VOID RtlCopyUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString)
{
        USHORT length;

        if (!SourceString) {
                DestinationString->Length = 0;
                return;
        }
        length = SourceString->Length;
        if (length > DestinationString->MaximumLength)
                length = DestinationString->MaximumLength;
        if (length)
                memmove(DestinationString->Buffer, SourceString->Buffer, length);
        DestinationString->Length = length;
        terminate(DestinationString);
}

VOID RtlCopyString(PSTRING DestinationString, const STRING *SourceString)
{
        USHORT length = SourceString ? SourceString->Length : 0;

        if (length > DestinationString->MaximumLength)
                length = DestinationString->MaximumLength;
        if (length)
                memmove(DestinationString->Buffer, SourceString->Buffer, length);
        DestinationString->Length = length;
}

static NTSTATUS append(PUNICODE_STRING destination, const WCHAR *chars, size_t size)
{
        if (size > (size_t)destination->MaximumLength - destination->Length)
                return STATUS_BUFFER_TOO_SMALL;
        if (size)
                memmove((PCHAR)destination->Buffer + destination->Length, chars, size);
        destination->Length = (USHORT)(destination->Length + size);
        terminate(destination);
        return STATUS_SUCCESS;
}

/* STATUS_BUFFER_TOO_SMALL, and nothing is changed, when it does not fit. */
NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source)
{
        return Source ? append(Destination, Source, fm_wcslen(Source) * sizeof(WCHAR)) : STATUS_SUCCESS;
}

NTSTATUS RtlAppendUnicodeStringToString(PUNICODE_STRING Destination, PCUNICODE_STRING Source)
{
        return append(Destination, Source->Buffer, Source->Length);
}

/* The difference of the first characters that differ, or else of the lengths. */
LONG RtlCompareUnicodeStrings(PCWCH String1, SIZE_T String1Length, PCWCH String2, SIZE_T String2Length,
                              BOOLEAN CaseInSensitive)
{
        SIZE_T common = String1Length < String2Length ? String1Length : String2Length;

        for (SIZE_T i = 0; i < common; i++) {
                WCHAR first = String1[i];
                WCHAR second = String2[i];

                if (first == second)
                        continue;
                if (CaseInSensitive) {
                        first = RtlUpcaseUnicodeChar(first);
                        second = RtlUpcaseUnicodeChar(second);
                        if (first == second)
                                continue;
                }
                return (LONG)first - (LONG)second;
        }
        return (LONG)String1Length - (LONG)String2Length;
}

LONG RtlCompareUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive)
{
        return RtlCompareUnicodeStrings(String1->Buffer, String1->Length / sizeof(WCHAR), String2->Buffer,
                                        String2->Length / sizeof(WCHAR), CaseInSensitive);
}

BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive)
{
        return String1->Length == String2->Length &&
               RtlCompareUnicodeString(String1, String2, CaseInSensitive) == 0;
}

BOOLEAN RtlPrefixUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive)
{
        SIZE_T count = String1->Length / sizeof(WCHAR);

        return String1->Length <= String2->Length &&
               RtlCompareUnicodeStrings(String1->Buffer, count, String2->Buffer, count, CaseInSensitive) == 0;
}

BOOLEAN RtlSuffixUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2, BOOLEAN CaseInSensitive)
{
        SIZE_T count = String1->Length / sizeof(WCHAR);
        SIZE_T whole = String2->Length / sizeof(WCHAR);

        return count <= whole &&
               RtlCompareUnicodeStrings(String1->Buffer, count, String2->Buffer + (whole - count), count,
                                        CaseInSensitive) == 0;
}

static LONG compare_bytes(const CHAR *first, const CHAR *second, size_t count, BOOLEAN ignore_case)
{
        for (size_t i = 0; i < count; i++) {
                UCHAR a = (UCHAR)(ignore_case ? RtlUpperChar(first[i]) : first[i]);
                UCHAR b = (UCHAR)(ignore_case ? RtlUpperChar(second[i]) : second[i]);

                if (a != b)
                        return (LONG)a - (LONG)b;
        }
        return 0;
}

LONG RtlCompareString(const STRING *String1, const STRING *String2, BOOLEAN CaseInSensitive)
{
        USHORT common = String1->Length < String2->Length ? String1->Length : String2->Length;
        LONG difference = compare_bytes(String1->Buffer, String2->Buffer, common, CaseInSensitive);

        return difference ? difference : (LONG)String1->Length - (LONG)String2->Length;
}

BOOLEAN RtlEqualString(const STRING *String1, const STRING *String2, BOOLEAN CaseInSensitive)
{
        return RtlCompareString(String1, String2, CaseInSensitive) == 0;
}

BOOLEAN RtlPrefixString(const STRING *String1, const STRING *String2, BOOLEAN CaseInSensitive)
{
        return String1->Length <= String2->Length &&
               compare_bytes(String1->Buffer, String2->Buffer, String1->Length, CaseInSensitive) == 0;
}

VOID RtlUpperString(PSTRING DestinationString, const STRING *SourceString)
{
        USHORT length = SourceString->Length;

        if (length > DestinationString->MaximumLength)
                length = DestinationString->MaximumLength;
        for (USHORT i = 0; i < length; i++)
                DestinationString->Buffer[i] = RtlUpperChar(SourceString->Buffer[i]);
        DestinationString->Length = length;
}

static NTSTATUS map_case(PUNICODE_STRING to, PCUNICODE_STRING from, BOOLEAN allocate, WCHAR (*map)(WCHAR))
{
        if (allocate) {
                to->Buffer = ExAllocatePoolWithTag(PagedPool, from->Length ? from->Length : sizeof(WCHAR),
                                                   STRING_TAG);
                if (!to->Buffer)
                        return STATUS_NO_MEMORY;
                to->MaximumLength = from->Length;
        } else if (to->MaximumLength < from->Length) {
                return STATUS_BUFFER_OVERFLOW;
        }
        to->Length = from->Length;
        for (size_t i = 0; i < from->Length / sizeof(WCHAR); i++)
                to->Buffer[i] = map(from->Buffer[i]);
        return STATUS_SUCCESS;
}

/* STATUS_BUFFER_OVERFLOW when it does not fit, STATUS_NO_MEMORY. An allocated one goes to
 * RtlFreeUnicodeString. */
NTSTATUS RtlUpcaseUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString,
                                BOOLEAN AllocateDestinationString)
{
        return map_case(DestinationString, SourceString, AllocateDestinationString, RtlUpcaseUnicodeChar);
}

NTSTATUS RtlDowncaseUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString,
                                  BOOLEAN AllocateDestinationString)
{
        return map_case(DestinationString, SourceString, AllocateDestinationString, RtlDowncaseUnicodeChar);
}

NTSTATUS RtlHashUnicodeString(PCUNICODE_STRING String, BOOLEAN CaseInSensitive, ULONG HashAlgorithm,
                              PULONG HashValue)
{
        ULONG hash = 0;

        if (!HashValue || HashAlgorithm > HASH_STRING_ALGORITHM_X65599)
                return STATUS_INVALID_PARAMETER;
        for (size_t i = 0; i < String->Length / sizeof(WCHAR); i++)
                hash = hash * 65599 +
                       (CaseInSensitive ? RtlUpcaseUnicodeChar(String->Buffer[i]) : String->Buffer[i]);
        *HashValue = hash;
        return STATUS_SUCCESS;
}

VOID RtlFreeUnicodeString(PUNICODE_STRING UnicodeString)
{
        fm_pool_free(UnicodeString->Buffer);
        memset(UnicodeString, 0, sizeof(*UnicodeString));
}

VOID RtlFreeAnsiString(PANSI_STRING AnsiString)
{
        fm_pool_free(AnsiString->Buffer);
        memset(AnsiString, 0, sizeof(*AnsiString));
}

VOID RtlFreeOemString(POEM_STRING OemString)
{
        RtlFreeAnsiString(OemString);
}

VOID RtlFreeUTF8String(PUTF8_STRING Utf8String)
{
        RtlFreeAnsiString(Utf8String);
}

NTSTATUS RtlDuplicateUnicodeString(ULONG Flags, PCUNICODE_STRING StringIn, PUNICODE_STRING StringOut)
{
        bool with_nul = (Flags & RTL_DUPLICATE_UNICODE_STRING_NULL_TERMINATE) != 0;
        bool empty_too = (Flags & RTL_DUPLICATE_UNICODE_STRING_ALLOCATE_NULL_STRING) != 0;
        size_t length = StringIn ? StringIn->Length : 0;
        size_t size = length + (with_nul ? sizeof(WCHAR) : 0);

        if (!StringOut || (Flags & ~3u) || (empty_too && !with_nul))
                return STATUS_INVALID_PARAMETER;
        memset(StringOut, 0, sizeof(*StringOut));
        if (size > MAXUSHORT)
                return STATUS_NAME_TOO_LONG;
        if (length == 0 && !empty_too)
                return STATUS_SUCCESS;
        StringOut->Buffer = ExAllocatePoolWithTag(PagedPool, size, STRING_TAG);
        if (!StringOut->Buffer)
                return STATUS_NO_MEMORY;
        if (length)
                memcpy(StringOut->Buffer, StringIn->Buffer, length);
        if (with_nul)
                StringOut->Buffer[length / sizeof(WCHAR)] = 0;
        StringOut->Length = (USHORT)length;
        StringOut->MaximumLength = (USHORT)size;
        return STATUS_SUCCESS;
}

NTSTATUS RtlValidateUnicodeString(ULONG Flags, PCUNICODE_STRING String)
{
        if (Flags != 0)
                return STATUS_INVALID_PARAMETER;
        if (!String)
                return STATUS_SUCCESS;
        if ((String->Length & 1) || (String->MaximumLength & 1) || String->Length > String->MaximumLength ||
            (!String->Buffer && String->MaximumLength))
                return STATUS_INVALID_PARAMETER;
        return STATUS_SUCCESS;
}

static bool is_dos_char(WCHAR character)
{
        static const WCHAR forbidden[] = L"\"*+,/:;<=>?[\\]|";

        return character > 0x20 && character < 0x7f && !fm_wcschr(forbidden, character);
}

/* Eight characters, and after one dot three more. Blanks inside are told through NameContainsSpaces. */
BOOLEAN RtlIsNameLegalDOS8Dot3(PUNICODE_STRING Name, POEM_STRING OemName, PBOOLEAN NameContainsSpaces)
{
        size_t count = Name->Length / sizeof(WCHAR);
        size_t base = 0, extension = 0;
        bool dot = false, spaces = false;

        if (count == 0 || count > 12)
                return FALSE;
        if ((count == 1 && Name->Buffer[0] == L'.') ||
            (count == 2 && Name->Buffer[0] == L'.' && Name->Buffer[1] == L'.')) {
                base = count;
        } else {
                for (size_t i = 0; i < count; i++) {
                        WCHAR character = Name->Buffer[i];

                        if (character == L'.') {
                                if (dot || i == 0 || i == count - 1 || Name->Buffer[i - 1] == L' ')
                                        return FALSE;
                                dot = true;
                        } else if (character == L' ') {
                                if (i == 0 || i == count - 1)
                                        return FALSE;
                                spaces = true;
                                dot ? extension++ : base++;
                        } else if (is_dos_char(character)) {
                                dot ? extension++ : base++;
                        } else {
                                return FALSE;
                        }
                }
        }
        if (base > 8 || extension > 3)
                return FALSE;
        if (OemName && OemName->Buffer) {
                if (OemName->MaximumLength < count)
                        return FALSE;
                for (size_t i = 0; i < count; i++)
                        OemName->Buffer[i] = (CHAR)RtlUpcaseUnicodeChar(Name->Buffer[i]);
                OemName->Length = (USHORT)count;
        }
        if (NameContainsSpaces)
                *NameContainsSpaces = spaces;
        return TRUE;
}
