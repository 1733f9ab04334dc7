/* SPDX-License-Identifier: MIT */
/*
 * Strings from one encoding to another, to numbers and back. The ANSI and OEM code pages are UTF-8 here, as
 * Windows can be set up too; nothing of a name is lost on the way.
 */
#include <fltKernel.h>
#include <stdbool.h>
#include <stdlib.h>

#include "nt/crt.h"
#include "nt/format.h"
#include "nt/pool.h"
#include "nt/unicode.h"

#define STRING_TAG 0x53727452 /* 'RtrS' */

/* STATUS_SOME_NOT_MAPPED when something was wrong and became U+FFFD; destination NULL: only the size. */
NTSTATUS RtlUTF8ToUnicodeN(PWSTR UnicodeStringDestination, ULONG UnicodeStringMaxByteCount,
                           PULONG UnicodeStringActualByteCount, PCCH UTF8StringSource,
                           ULONG UTF8StringByteCount)
{
        ULONG total = 0;
        NTSTATUS status = STATUS_SUCCESS;

        for (ULONG i = 0; i < UTF8StringByteCount;) {
                WCHAR units[2];
                size_t count = 1;
                size_t used;
                int32_t code = fm_utf8_decode(UTF8StringSource + i, UTF8StringByteCount - i, &used);

                if (code < 0) {
                        code = 0xfffd;
                        status = STATUS_SOME_NOT_MAPPED;
                }
                units[0] = (WCHAR)code;
                if (code > 0xffff) {
                        units[0] = (WCHAR)(0xd800 + ((code - 0x10000) >> 10));
                        units[1] = (WCHAR)(0xdc00 + ((code - 0x10000) & 0x3ff));
                        count = 2;
                }
                if (UnicodeStringDestination) {
                        if (total + count * sizeof(WCHAR) > UnicodeStringMaxByteCount) {
                                status = STATUS_BUFFER_TOO_SMALL;
                                break;
                        }
                        memcpy((PCHAR)UnicodeStringDestination + total, units, count * sizeof(WCHAR));
                }
                total += (ULONG)(count * sizeof(WCHAR));
                i += (ULONG)used;
        }
        if (UnicodeStringActualByteCount)
                *UnicodeStringActualByteCount = total;
        return status;
}

NTSTATUS RtlUnicodeToUTF8N(PCHAR UTF8StringDestination, ULONG UTF8StringMaxByteCount,
                           PULONG UTF8StringActualByteCount, PCWCH UnicodeStringSource,
                           ULONG UnicodeStringByteCount)
{
        size_t chars = UnicodeStringByteCount / sizeof(WCHAR);
        NTSTATUS status = STATUS_SUCCESS;
        ULONG total = 0;

        for (size_t i = 0; i < chars;) {
                char bytes[4];
                size_t used;
                uint32_t code = fm_utf16_decode(UnicodeStringSource + i, chars - i, &used);
                size_t count;

                if (code >= 0xd800 && code <= 0xdfff) {
                        code = 0xfffd;
                        status = STATUS_SOME_NOT_MAPPED;
                }
                count = fm_utf8_encode(code, bytes);
                if (UTF8StringDestination) {
                        if (total + count > UTF8StringMaxByteCount) {
                                status = STATUS_BUFFER_TOO_SMALL;
                                break;
                        }
                        memcpy(UTF8StringDestination + total, bytes, count);
                }
                total += (ULONG)count;
                i += used;
        }
        if (UTF8StringActualByteCount)
                *UTF8StringActualByteCount = total;
        return status;
}

/* Cuts silently, as on Windows. */
NTSTATUS RtlUnicodeToMultiByteN(PCHAR MultiByteString, ULONG MaxBytesInMultiByteString,
                                PULONG BytesInMultiByteString, PCWCH UnicodeString,
                                ULONG BytesInUnicodeString)
{
        RtlUnicodeToUTF8N(MultiByteString, MaxBytesInMultiByteString, BytesInMultiByteString, UnicodeString,
                          BytesInUnicodeString);
        return STATUS_SUCCESS;
}

NTSTATUS RtlMultiByteToUnicodeN(PWCH UnicodeString, ULONG MaxBytesInUnicodeString,
                                PULONG BytesInUnicodeString, const CHAR *MultiByteString,
                                ULONG BytesInMultiByteString)
{
        RtlUTF8ToUnicodeN(UnicodeString, MaxBytesInUnicodeString, BytesInUnicodeString, MultiByteString,
                          BytesInMultiByteString);
        return STATUS_SUCCESS;
}

ULONG RtlxUnicodeStringToAnsiSize(PCUNICODE_STRING UnicodeString)
{
        ULONG size;

        RtlUnicodeToUTF8N(NULL, 0, &size, UnicodeString->Buffer, UnicodeString->Length);
        return size + 1;
}

ULONG RtlxAnsiStringToUnicodeSize(PCANSI_STRING AnsiString)
{
        ULONG size;

        RtlUTF8ToUnicodeN(NULL, 0, &size, AnsiString->Buffer, AnsiString->Length);
        return size + (ULONG)sizeof(WCHAR);
}

/* STATUS_BUFFER_OVERFLOW when it does not fit, with its NUL; STATUS_INVALID_PARAMETER_2 beyond 64 KiB. */
NTSTATUS RtlUnicodeStringToAnsiString(PANSI_STRING DestinationString, PCUNICODE_STRING SourceString,
                                      BOOLEAN AllocateDestinationString)
{
        ULONG size = RtlxUnicodeStringToAnsiSize(SourceString);
        ULONG length;

        if (size > MAXUSHORT)
                return STATUS_INVALID_PARAMETER_2;
        if (AllocateDestinationString) {
                DestinationString->Buffer = ExAllocatePoolWithTag(PagedPool, size, STRING_TAG);
                if (!DestinationString->Buffer)
                        return STATUS_NO_MEMORY;
                DestinationString->MaximumLength = (USHORT)size;
        } else if (DestinationString->MaximumLength < size) {
                return STATUS_BUFFER_OVERFLOW;
        }
        RtlUnicodeToUTF8N(DestinationString->Buffer, size - 1, &length, SourceString->Buffer,
                          SourceString->Length);
        DestinationString->Length = (USHORT)length;
        DestinationString->Buffer[length] = 0;
        return STATUS_SUCCESS;
}

NTSTATUS RtlAnsiStringToUnicodeString(PUNICODE_STRING DestinationString, PCANSI_STRING SourceString,
                                      BOOLEAN AllocateDestinationString)
{
        ULONG size = RtlxAnsiStringToUnicodeSize(SourceString);
        ULONG length;

        if (size > UNICODE_STRING_MAX_BYTES)
                return STATUS_INVALID_PARAMETER_2;
        if (AllocateDestinationString) {
                DestinationString->Buffer = ExAllocatePoolWithTag(PagedPool, size, STRING_TAG);
                if (!DestinationString->Buffer)
                        return STATUS_NO_MEMORY;
                DestinationString->MaximumLength = (USHORT)size;
        } else if (DestinationString->MaximumLength < size) {
                return STATUS_BUFFER_OVERFLOW;
        }
        RtlUTF8ToUnicodeN(DestinationString->Buffer, size - (ULONG)sizeof(WCHAR), &length,
                          SourceString->Buffer, SourceString->Length);
        DestinationString->Length = (USHORT)length;
        DestinationString->Buffer[length / sizeof(WCHAR)] = 0;
        return STATUS_SUCCESS;
}

NTSTATUS RtlUnicodeStringToOemString(POEM_STRING DestinationString, PCUNICODE_STRING SourceString,
                                     BOOLEAN AllocateDestinationString)
{
        return RtlUnicodeStringToAnsiString(DestinationString, SourceString, AllocateDestinationString);
}

NTSTATUS RtlOemStringToUnicodeString(PUNICODE_STRING DestinationString, PCOEM_STRING SourceString,
                                     BOOLEAN AllocateDestinationString)
{
        return RtlAnsiStringToUnicodeString(DestinationString, SourceString, AllocateDestinationString);
}

NTSTATUS RtlUnicodeStringToUTF8String(PUTF8_STRING DestinationString, PCUNICODE_STRING SourceString,
                                      BOOLEAN AllocateDestinationString)
{
        return RtlUnicodeStringToAnsiString(DestinationString, SourceString, AllocateDestinationString);
}

NTSTATUS RtlUTF8StringToUnicodeString(PUNICODE_STRING DestinationString, PUTF8_STRING SourceString,
                                      BOOLEAN AllocateDestinationString)
{
        return RtlAnsiStringToUnicodeString(DestinationString, SourceString, AllocateDestinationString);
}

/* Base 0 is 10; 2, 8 and 16 are the others. STATUS_BUFFER_OVERFLOW when it does not fit. */
NTSTATUS RtlInt64ToUnicodeString(ULONGLONG Value, ULONG Base, PUNICODE_STRING String)
{
        WCHAR digits[65];
        size_t at = RTL_NUMBER_OF(digits);
        size_t size;

        if (Base == 0)
                Base = 10;
        if (Base != 2 && Base != 8 && Base != 10 && Base != 16)
                return STATUS_INVALID_PARAMETER;
        do {
                digits[--at] = L"0123456789ABCDEF"[Value % Base];
                Value /= Base;
        } while (Value);
        size = (RTL_NUMBER_OF(digits) - at) * sizeof(WCHAR);
        if (size > String->MaximumLength)
                return STATUS_BUFFER_OVERFLOW;
        memcpy(String->Buffer, digits + at, size);
        String->Length = (USHORT)size;
        if (size + sizeof(WCHAR) <= String->MaximumLength)
                String->Buffer[size / sizeof(WCHAR)] = 0;
        return STATUS_SUCCESS;
}

NTSTATUS RtlIntegerToUnicodeString(ULONG Value, ULONG Base, PUNICODE_STRING String)
{
        return RtlInt64ToUnicodeString(Value, Base, String);
}

static int digit_of(WCHAR character)
{
        if (character >= L'0' && character <= L'9')
                return character - L'0';
        if (character >= L'a' && character <= L'f')
                return character - L'a' + 10;
        if (character >= L'A' && character <= L'F')
                return character - L'A' + 10;
        return 99;
}

/* Leading blanks, a sign, 0x 0o 0b when Base is 0, and digits as long as there are any; none is 0. */
static NTSTATUS parse_integer(const WCHAR *chars, size_t count, ULONG base, uint64_t *value, size_t *used)
{
        size_t i = 0;
        bool negative = false;

        *value = 0;
        while (i < count && chars[i] <= L' ')
                i++;
        if (i < count && (chars[i] == L'-' || chars[i] == L'+'))
                negative = chars[i++] == L'-';
        if (base == 0) {
                base = 10;
                if (i + 1 < count && chars[i] == L'0') {
                        base = chars[i + 1] == L'x'   ? 16
                               : chars[i + 1] == L'o' ? 8
                               : chars[i + 1] == L'b' ? 2
                                                      : 10;
                        if (base != 10)
                                i += 2;
                }
        } else if (base != 2 && base != 8 && base != 10 && base != 16) {
                return STATUS_INVALID_PARAMETER;
        }
        for (; i < count && digit_of(chars[i]) < (int)base; i++)
                *value = *value * base + (unsigned)digit_of(chars[i]);
        if (negative)
                *value = 0 - *value;
        *used = i;
        return STATUS_SUCCESS;
}

NTSTATUS RtlUnicodeStringToInteger(PCUNICODE_STRING String, ULONG Base, PULONG Value)
{
        uint64_t value;
        size_t used;
        NTSTATUS status = parse_integer(String->Buffer, String->Length / sizeof(WCHAR), Base, &value, &used);

        if (NT_SUCCESS(status))
                *Value = (ULONG)value;
        return status;
}

NTSTATUS RtlUnicodeStringToInt64(PCUNICODE_STRING String, ULONG Base, PLONG64 Number, PWSTR *EndPointer)
{
        uint64_t value;
        size_t used;
        NTSTATUS status = parse_integer(String->Buffer, String->Length / sizeof(WCHAR), Base, &value, &used);

        if (NT_SUCCESS(status)) {
                *Number = (LONG64)value;
                if (EndPointer)
                        *EndPointer = String->Buffer + used;
        }
        return status;
}

NTSTATUS RtlCharToInteger(PCSZ String, ULONG Base, PULONG Value)
{
        WCHAR wide[80];
        size_t count = 0;
        uint64_t value;
        size_t used;
        NTSTATUS status;

        while (count < RTL_NUMBER_OF(wide) && String[count]) {
                wide[count] = (UCHAR)String[count];
                count++;
        }
        status = parse_integer(wide, count, Base, &value, &used);
        if (NT_SUCCESS(status))
                *Value = (ULONG)value;
        return status;
}

#define GUID_CHARS 38

/* {XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX}; the result goes to RtlFreeUnicodeString. */
NTSTATUS RtlStringFromGUID(const GUID *Guid, PUNICODE_STRING GuidString)
{
        WCHAR *text = ExAllocatePoolWithTag(PagedPool, (GUID_CHARS + 1) * sizeof(WCHAR), STRING_TAG);

        if (!text)
                return STATUS_NO_MEMORY;
        fm_snwprintf(text, GUID_CHARS + 1, L"{%08X-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}", Guid->Data1,
                     Guid->Data2, Guid->Data3, Guid->Data4[0], Guid->Data4[1], Guid->Data4[2], Guid->Data4[3],
                     Guid->Data4[4], Guid->Data4[5], Guid->Data4[6], Guid->Data4[7]);
        RtlInitUnicodeString(GuidString, text);
        return STATUS_SUCCESS;
}

NTSTATUS RtlGUIDFromString(PCUNICODE_STRING GuidString, GUID *Guid)
{
        static const char shape[] = "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}";
        UCHAR nibbles[32];
        size_t count = 0;

        if (GuidString->Length != GUID_CHARS * sizeof(WCHAR))
                return STATUS_INVALID_PARAMETER;
        for (size_t i = 0; i < GUID_CHARS; i++) {
                WCHAR character = GuidString->Buffer[i];

                if (shape[i] != 'x') {
                        if (character != (WCHAR)shape[i])
                                return STATUS_INVALID_PARAMETER;
                        continue;
                }
                if (digit_of(character) > 15)
                        return STATUS_INVALID_PARAMETER;
                nibbles[count++] = (UCHAR)digit_of(character);
        }
        memset(Guid, 0, sizeof(*Guid));
        for (int i = 0; i < 8; i++)
                Guid->Data1 = (Guid->Data1 << 4) | nibbles[i];
        for (int i = 8; i < 12; i++)
                Guid->Data2 = (USHORT)((Guid->Data2 << 4) | nibbles[i]);
        for (int i = 12; i < 16; i++)
                Guid->Data3 = (USHORT)((Guid->Data3 << 4) | nibbles[i]);
        for (int i = 0; i < 8; i++)
                Guid->Data4[i] = (UCHAR)((nibbles[16 + 2 * i] << 4) | nibbles[17 + 2 * i]);
        return STATUS_SUCCESS;
}
