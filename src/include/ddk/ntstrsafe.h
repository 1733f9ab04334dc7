/* SPDX-License-Identifier: MIT */
/*
 * String functions that always terminate and tell when something did not fit: STATUS_BUFFER_OVERFLOW, with as
 * much of the text as there was room for. Cb counts bytes, Cch characters; both include the NUL.
 */
#pragma once

#include "ntdef.h"
#include "ntstatus.h"
#include "parts/crt.h"

typedef char *NTSTRSAFE_PSTR;
typedef const char *NTSTRSAFE_PCSTR;
typedef wchar_t *NTSTRSAFE_PWSTR;
typedef const wchar_t *NTSTRSAFE_PCWSTR;
#define NTSTRSAFE_MAX_CCH 2147483647
#define NTSTRSAFE_UNICODE_STRING_MAX_CCH (0xffff / sizeof(wchar_t))

#define FM_STRSAFE_STATIC static __attribute__((unused))

/* For both widths at once. length of a text that may have no end before limit. */
#define FM_STRSAFE_FUNCTIONS(Suffix, Char) \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCchLength##Suffix(const Char *Text, size_t Limit, \
                                                              size_t *Length) \
        { \
                size_t n = 0; \
\
                if (Text == NULL || Limit > NTSTRSAFE_MAX_CCH) \
                        n = Limit; \
                while (n < Limit && Text[n] != 0) \
                        n++; \
                if (Length != NULL) \
                        *Length = n < Limit ? n : 0; \
                return n < Limit ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER; \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCchCopyN##Suffix(Char *To, size_t Size, const Char *From, \
                                                             size_t Count) \
        { \
                size_t n = 0; \
\
                if (Size == 0 || Size > NTSTRSAFE_MAX_CCH) \
                        return STATUS_INVALID_PARAMETER; \
                while (n < Size - 1 && n < Count && From[n] != 0) { \
                        To[n] = From[n]; \
                        n++; \
                } \
                To[n] = 0; \
                return n == Count || From[n] == 0 ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW; \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCchCopy##Suffix(Char *To, size_t Size, const Char *From) \
        { \
                return RtlStringCchCopyN##Suffix(To, Size, From, NTSTRSAFE_MAX_CCH); \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCchCatN##Suffix(Char *To, size_t Size, const Char *From, \
                                                            size_t Count) \
        { \
                size_t n; \
                NTSTATUS status = RtlStringCchLength##Suffix(To, Size, &n); \
\
                return NT_SUCCESS(status) ? RtlStringCchCopyN##Suffix(To + n, Size - n, From, Count) \
                                          : status; \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCchCat##Suffix(Char *To, size_t Size, const Char *From) \
        { \
                return RtlStringCchCatN##Suffix(To, Size, From, NTSTRSAFE_MAX_CCH); \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCbLength##Suffix(const Char *Text, size_t Limit, size_t *Length) \
        { \
                NTSTATUS status = RtlStringCchLength##Suffix(Text, Limit / sizeof(Char), Length); \
\
                if (Length != NULL) \
                        *Length *= sizeof(Char); \
                return status; \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCbCopy##Suffix(Char *To, size_t Size, const Char *From) \
        { \
                return RtlStringCchCopy##Suffix(To, Size / sizeof(Char), From); \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCbCopyN##Suffix(Char *To, size_t Size, const Char *From, \
                                                            size_t Bytes) \
        { \
                return RtlStringCchCopyN##Suffix(To, Size / sizeof(Char), From, Bytes / sizeof(Char)); \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCbCat##Suffix(Char *To, size_t Size, const Char *From) \
        { \
                return RtlStringCchCat##Suffix(To, Size / sizeof(Char), From); \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCbCatN##Suffix(Char *To, size_t Size, const Char *From, \
                                                           size_t Bytes) \
        { \
                return RtlStringCchCatN##Suffix(To, Size / sizeof(Char), From, Bytes / sizeof(Char)); \
        }

FM_STRSAFE_FUNCTIONS(A, char)
FM_STRSAFE_FUNCTIONS(W, wchar_t)

#define FM_STRSAFE_FORMATTERS(Suffix, Char, Format) \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCchVPrintf##Suffix(Char *To, size_t Size, const Char *Text, \
                                                               va_list Args) \
        { \
                int n; \
\
                if (Size == 0 || Size > NTSTRSAFE_MAX_CCH) \
                        return STATUS_INVALID_PARAMETER; \
                n = Format(To, Size - 1, Text, Args); \
                To[n < 0 ? (int)Size - 1 : n] = 0; \
                return n < 0 ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS; \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCchPrintf##Suffix(Char *To, size_t Size, const Char *Text, ...) \
        { \
                va_list args; \
                NTSTATUS status; \
\
                va_start(args, Text); \
                status = RtlStringCchVPrintf##Suffix(To, Size, Text, args); \
                va_end(args); \
                return status; \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCbVPrintf##Suffix(Char *To, size_t Size, const Char *Text, \
                                                              va_list Args) \
        { \
                return RtlStringCchVPrintf##Suffix(To, Size / sizeof(Char), Text, Args); \
        } \
        FM_STRSAFE_STATIC NTSTATUS RtlStringCbPrintf##Suffix(Char *To, size_t Size, const Char *Text, ...) \
        { \
                va_list args; \
                NTSTATUS status; \
\
                va_start(args, Text); \
                status = RtlStringCchVPrintf##Suffix(To, Size / sizeof(Char), Text, args); \
                va_end(args); \
                return status; \
        }

FM_STRSAFE_FORMATTERS(A, char, fm_vsnprintf)
FM_STRSAFE_FORMATTERS(W, wchar_t, fm_vsnwprintf)

/* UNICODE_STRINGs: no NUL, MaximumLength is the limit. */
FM_STRSAFE_STATIC NTSTATUS RtlUnicodeStringCatString(PUNICODE_STRING To, NTSTRSAFE_PCWSTR From)
{
        while (*From != 0) {
                if (To->Length + sizeof(wchar_t) > To->MaximumLength)
                        return STATUS_BUFFER_OVERFLOW;
                To->Buffer[To->Length / sizeof(wchar_t)] = *From++;
                To->Length += sizeof(wchar_t);
        }
        return STATUS_SUCCESS;
}

FM_STRSAFE_STATIC NTSTATUS RtlUnicodeStringCat(PUNICODE_STRING To, PCUNICODE_STRING From)
{
        size_t room = (size_t)(To->MaximumLength - To->Length) & ~(size_t)1;
        size_t length = From->Length <= room ? From->Length : room;

        memmove((char *)To->Buffer + To->Length, From->Buffer, length);
        To->Length = (USHORT)(To->Length + length);
        return length == From->Length ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

FM_STRSAFE_STATIC NTSTATUS RtlUnicodeStringCopyString(PUNICODE_STRING To, NTSTRSAFE_PCWSTR From)
{
        To->Length = 0;
        return RtlUnicodeStringCatString(To, From);
}

FM_STRSAFE_STATIC NTSTATUS RtlUnicodeStringCopy(PUNICODE_STRING To, PCUNICODE_STRING From)
{
        To->Length = 0;
        return RtlUnicodeStringCat(To, From);
}

FM_STRSAFE_STATIC NTSTATUS RtlUnicodeStringInit(PUNICODE_STRING To, NTSTRSAFE_PCWSTR From)
{
        size_t length = 0;

        To->Buffer = (PWCH)From;
        To->Length = To->MaximumLength = 0;
        if (From == NULL)
                return STATUS_SUCCESS;
        if (!NT_SUCCESS(RtlStringCchLengthW(From, NTSTRSAFE_UNICODE_STRING_MAX_CCH, &length)))
                return STATUS_INVALID_PARAMETER;
        To->Length = (USHORT)(length * sizeof(wchar_t));
        To->MaximumLength = (USHORT)(To->Length + sizeof(wchar_t));
        return STATUS_SUCCESS;
}

FM_STRSAFE_STATIC NTSTATUS RtlUnicodeStringPrintf(PUNICODE_STRING To, NTSTRSAFE_PCWSTR Text, ...)
{
        size_t room = To->MaximumLength / sizeof(wchar_t);
        va_list args;
        int n;

        va_start(args, Text);
        n = fm_vsnwprintf(To->Buffer, room, Text, args);
        va_end(args);
        To->Length = (USHORT)((n < 0 ? room : (size_t)n) * sizeof(wchar_t));
        return n < 0 ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}
