/* SPDX-License-Identifier: MIT */
/*
 * File names in both worlds. The first two bytes of the input say where it is cut; the rest is a name: as bytes, it
 * becomes UTF-16 and comes back as it was; as UTF-16, it is either no name or the one that its bytes give; and
 * whatever it is, the parts that filters take it into are parts of it.
 */
#include <fltKernel.h>

#include "fltmgr/name.h"
#include "nt/unicode.h"
#include "program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bytes(const char *bytes, size_t length)
{
        UNICODE_STRING name;
        char *back;

        if (!fm_name_to_unicode_string(bytes, length, &name)) {
                require(length > UINT16_MAX / sizeof(WCHAR) - 1, "a name was refused");
                return;
        }
        require(name.Length / sizeof(WCHAR) <= length, "a name has grown");
        back = fm_name_from_unicode_string(&name);
        require(back && strlen(back) == length && memcmp(back, bytes, length) == 0, "a name came back as another");
        free(back);
        RtlFreeUnicodeString(&name);
}

static void check_chars(const WCHAR *chars, size_t count)
{
        char *bytes = fm_name_from_utf16(chars, count);
        g_autofree WCHAR *again = g_malloc((count + 1) * sizeof(WCHAR));

        if (bytes) {
                require(fm_name_to_utf16(bytes, strlen(bytes), again, count) == count &&
                                memcmp(again, chars, count * sizeof(WCHAR)) == 0,
                        "a name by which another file can be reached");
                free(bytes);
        }
        bytes = fm_utf8_from_utf16(chars, count);
        require(bytes && g_utf8_validate(bytes, strlen(bytes), NULL), "not UTF-8");
        free(bytes);
}

/* To UTF-8 and back, into buffers of just the size that was asked for, and one byte less. */
static void check_conversion(PUNICODE_STRING name)
{
        g_autofree char *utf8 = NULL;
        g_autofree WCHAR *chars = NULL;
        ULONG size = 0, used = 0, chars_size = 0;
        NTSTATUS status;

        RtlUnicodeToUTF8N(NULL, 0, &size, name->Buffer, name->Length);
        utf8 = g_malloc(size);
        status = RtlUnicodeToUTF8N(utf8, size, &used, name->Buffer, name->Length);
        require(NT_SUCCESS(status) && used == size, "UTF-8 has another size than was said");
        if (size)
                RtlUnicodeToUTF8N(utf8, size - 1, &used, name->Buffer, name->Length);
        RtlUTF8ToUnicodeN(NULL, 0, &chars_size, utf8, used);
        chars = g_malloc(chars_size);
        status = RtlUTF8ToUnicodeN(chars, chars_size, &size, utf8, used);
        require(NT_SUCCESS(status) && size == chars_size, "UTF-16 has another size than was said");
}

static bool is_slice(const UNICODE_STRING *part, const UNICODE_STRING *whole, size_t from, size_t to)
{
        return part->Length == (to - from) * sizeof(WCHAR) &&
               (part->Length == 0 || part->Buffer == whole->Buffer + from);
}

static size_t chars_of(const UNICODE_STRING *string)
{
        return string->Length / sizeof(WCHAR);
}

/* The parts follow one another and make up the whole. */
static void check_parts(PUNICODE_STRING name, size_t volume)
{
        struct fm_name *object = g_malloc0(sizeof(*object) + name->Length);
        FLT_FILE_NAME_INFORMATION *info = &object->info;
        UNICODE_STRING extension, stream, final;
        size_t end = chars_of(name), final_at, stream_at, extension_at;

        memcpy(object->buffer, name->Buffer, name->Length);
        pthread_mutex_init(&object->lock, NULL);
        info->Size = sizeof(*info);
        info->Format = FLT_FILE_NAME_NORMALIZED;
        info->Name = *name;
        info->Name.Buffer = object->buffer;
        info->Volume = (UNICODE_STRING){ .Length = volume * sizeof(WCHAR), .Buffer = object->buffer };
        require(FltParseFileNameInformation(info) == STATUS_SUCCESS, "a name can't be parsed");
        final_at = MAX(end - chars_of(&info->FinalComponent), volume);
        stream_at = end - chars_of(&info->Stream);
        extension_at = stream_at - chars_of(&info->Extension);
        require(FltParseFileName(name, &extension, &stream, &final) == STATUS_SUCCESS, "a path can't be parsed");
        if (info->FinalComponent.Length) {
                require(is_slice(&info->ParentDir, &info->Name, volume, final_at), "the parent directory is elsewhere");
                require(is_slice(&info->FinalComponent, &info->Name, final_at, end),
                        "the final component is elsewhere");
                require(is_slice(&info->Stream, &info->Name, stream_at, end), "the stream is elsewhere");
                require(is_slice(&info->Extension, &info->Name, extension_at, stream_at),
                        "the extension is elsewhere");
                require(final.Length == info->FinalComponent.Length && extension.Length == info->Extension.Length &&
                                stream.Length == info->Stream.Length,
                        "one name has two ways to be parsed");
        }
        pthread_mutex_destroy(&object->lock);
        g_free(object);
}

/* What filters do with names: components, expressions, comparison without case. */
static void check_use(PUNICODE_STRING one, PUNICODE_STRING other)
{
        UNICODE_STRING rest = *one, first, upper;
        size_t dissected = 0;
        ULONG hash, other_hash;

        while (rest.Length) {
                require(dissected++ <= chars_of(one), "a path has no end");
                FsRtlDissectName(rest, &first, &rest);
                require(first.Length == 0 || (first.Buffer >= one->Buffer &&
                                              first.Buffer + chars_of(&first) <= one->Buffer + chars_of(one)),
                        "a component of another path");
        }
        require(RtlUpcaseUnicodeString(&upper, one, TRUE) == STATUS_SUCCESS, "no upper case");
        require(upper.Length == one->Length && RtlEqualUnicodeString(one, &upper, TRUE), "upper case is another name");
        RtlHashUnicodeString(one, TRUE, HASH_STRING_ALGORITHM_DEFAULT, &hash);
        RtlHashUnicodeString(&upper, TRUE, HASH_STRING_ALGORITHM_DEFAULT, &other_hash);
        require(hash == other_hash, "equal names have different hashes");
        FsRtlIsNameInExpression(&upper, other, TRUE, NULL);
        FsRtlIsNameInExpression(other, one, FALSE, NULL);
        RtlFreeUnicodeString(&upper);
        require((RtlCompareUnicodeString(one, other, TRUE) < 0) == (RtlCompareUnicodeString(other, one, TRUE) > 0),
                "two names are in no order");
        require(!RtlPrefixUnicodeString(one, other, TRUE) || one->Length <= other->Length, "a prefix is longer");
        require(RtlEqualUnicodeString(one, other, FALSE) == (RtlCompareUnicodeString(one, other, FALSE) == 0),
                "equal and not");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        UNICODE_STRING name, rest;
        size_t cut, count;

        if (size < 2 || size > 1 << 14)
                return 0;
        cut = data[0] | data[1] << 8;
        data += 2;
        size -= 2;
        check_bytes((const char *)data, strnlen((const char *)data, size));

        /* In memory of its own: what reads past it is seen. */
        count = size / sizeof(WCHAR);
        cut = cut % (count + 1);
        name.Length = name.MaximumLength = count * sizeof(WCHAR);
        name.Buffer = g_malloc(MAX(name.Length, 1));
        memcpy(name.Buffer, data, name.Length);
        rest.Length = rest.MaximumLength = (count - cut) * sizeof(WCHAR);
        rest.Buffer = name.Buffer + cut;
        check_chars(name.Buffer, count);
        check_conversion(&name);
        check_parts(&name, cut);
        name.Length = cut * sizeof(WCHAR);
        check_use(&name, &rest);
        g_free(name.Buffer);
        return 0;
}
