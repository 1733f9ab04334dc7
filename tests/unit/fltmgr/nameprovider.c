/* SPDX-License-Identifier: MIT */
/* Filters that provide names: who is asked, for what, and what is kept of the answers. */
#include "fake.h"

#include <string.h>

#include "fltmgr/name.h"
#include "nt/object.h"

#define NORMALIZED (FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_DEFAULT)
#define OPENED     (FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_DEFAULT)
#define SHORT      (FLT_FILE_NAME_SHORT | FLT_FILE_NAME_QUERY_DEFAULT)

/* fake->instance asks; below it two providers, of which tests use one or both; one more instance asks from below. */
static struct fake *fake;
static PFLT_FILTER filters[3];
static PFLT_INSTANCE upper, lower, lowest;

/* What the upper provider does and has seen. */
static struct {
        NTSTATUS normalized;    /* for NORMALIZED: what it returns */
        const char *name;       /* what it says, behind the volume's name; NULL: what the next below says, and "+" */
        const char *bare;       /* what it says, whole */
        FLT_FILE_NAME_OPTIONS also; /* flags for what it asks itself */
        BOOLEAN keep;
        unsigned calls;
        FLT_FILE_NAME_OPTIONS options;
        PFLT_CALLBACK_DATA data;
        PFILE_OBJECT file;
        GString *normalize; /* "parent|component " for each call */
        FLT_NORMALIZE_NAME_FLAGS flags;
        NTSTATUS component;
        unsigned contexts, cleanups;
        bool ex;
} saw;

static void put(PFLT_NAME_CONTROL name, PCUNICODE_STRING text)
{
        USHORT at = name->Name.Length;

        assert_status(FltCheckAndGrowNameControl(name, (USHORT)(at + text->Length)), STATUS_SUCCESS);
        if (text->Length)
                memcpy((char *)name->Name.Buffer + at, text->Buffer, text->Length);
        name->Name.Length = (USHORT)(at + text->Length);
}

static void put_text(PFLT_NAME_CONTROL name, const char *text)
{
        UNICODE_STRING string = fake_string(text);

        put(name, &string);
        g_free(string.Buffer);
}

/* The name that is next below, and `mark`. */
static NTSTATUS pass_on(PFLT_INSTANCE instance, PFILE_OBJECT file, PFLT_CALLBACK_DATA data, ULONG options,
                        const char *mark, PFLT_NAME_CONTROL name)
{
        PFLT_FILE_NAME_INFORMATION below;
        NTSTATUS status = data ? FltGetFileNameInformation(data, options, &below)
                               : FltGetFileNameInformationUnsafe(file, instance, options, &below);

        if (!NT_SUCCESS(status))
                return status;
        put(name, &below->Name);
        put_text(name, mark);
        FltReleaseFileNameInformation(below);
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI generate(PFLT_INSTANCE instance, PFILE_OBJECT file, PFLT_CALLBACK_DATA data,
                                FLT_FILE_NAME_OPTIONS options, PBOOLEAN keep, PFLT_NAME_CONTROL name)
{
        g_assert_true(instance == upper);
        saw.calls++;
        saw.options = options;
        saw.data = data;
        saw.file = file;
        *keep = saw.keep;
        if (FltGetFileNameFormat(options) == FLT_FILE_NAME_NORMALIZED && !NT_SUCCESS(saw.normalized))
                return saw.normalized;
        if (saw.bare) {
                put_text(name, saw.bare);
                return STATUS_SUCCESS;
        }
        if (!saw.name)
                return pass_on(instance, file, data, options | saw.also, "+", name);
        put(name, &fake->volume->Name);
        put_text(name, saw.name);
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI generate_lower(PFLT_INSTANCE instance, PFILE_OBJECT file, PFLT_CALLBACK_DATA data,
                                      FLT_FILE_NAME_OPTIONS options, PBOOLEAN keep, PFLT_NAME_CONTROL name)
{
        g_assert_true(instance == lower);
        return pass_on(instance, file, data, options, "-", name);
}

static void append(GString *to, PCUNICODE_STRING string)
{
        for (unsigned i = 0; i < string->Length / sizeof(WCHAR); i++)
                g_string_append_c(to, (char)string->Buffer[i]);
}

/* Makes capitals of it. */
static NTSTATUS FLTAPI normalize_ex(PFLT_INSTANCE instance, PFILE_OBJECT file, PCUNICODE_STRING parent,
                                    USHORT volume_length, PCUNICODE_STRING component, PFILE_NAMES_INFORMATION expanded,
                                    ULONG length, FLT_NORMALIZE_NAME_FLAGS flags, PVOID *context)
{
        g_assert_true(instance == upper);
        g_assert_cmpuint(volume_length, ==, fake->volume->Name.Length);
        g_assert_cmpuint(length, >=, FIELD_OFFSET(FILE_NAMES_INFORMATION, FileName) + 2 * 255);
        g_assert_true(RtlPrefixUnicodeString(&fake->volume->Name, parent, FALSE));
        saw.ex = file != NULL;
        saw.file = file;
        saw.flags = flags;
        UNICODE_STRING rest = {(USHORT)(parent->Length - volume_length), 0, parent->Buffer + volume_length / 2};
        append(saw.normalize, &rest);
        g_string_append_c(saw.normalize, '|');
        append(saw.normalize, component);
        g_string_append_c(saw.normalize, ' ');
        if (*context)
                saw.contexts++;
        *context = &saw;
        if (!NT_SUCCESS(saw.component))
                return saw.component;
        expanded->FileNameLength = component->Length;
        for (unsigned i = 0; i < component->Length / sizeof(WCHAR); i++)
                expanded->FileName[i] = RtlUpcaseUnicodeChar(component->Buffer[i]);
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI normalize_plain(PFLT_INSTANCE instance, PCUNICODE_STRING parent, USHORT volume_length,
                                       PCUNICODE_STRING component, PFILE_NAMES_INFORMATION expanded, ULONG length,
                                       FLT_NORMALIZE_NAME_FLAGS flags, PVOID *context)
{
        return normalize_ex(instance, NULL, parent, volume_length, component, expanded, length, flags, context);
}

static VOID FLTAPI context_cleanup(PVOID *context)
{
        g_assert_true(*context == &saw);
        saw.cleanups++;
}

static void reset(void)
{
        GString *normalize = saw.normalize;

        memset(&saw, 0, sizeof(saw));
        saw.normalize = normalize;
        g_string_truncate(normalize, 0);
        filters[0]->registration.GenerateFileNameCallback = generate;
        filters[0]->registration.NormalizeNameComponentExCallback = normalize_ex;
        filters[0]->registration.NormalizeNameComponentCallback = normalize_plain;
        filters[0]->registration.NormalizeContextCleanupCallback = context_cleanup;
        filters[1]->registration.GenerateFileNameCallback = NULL;
}

static struct fm_operation *operation_by(PFLT_INSTANCE instance, UCHAR major, PFILE_OBJECT file)
{
        struct fm_operation *operation = fm_operation_new_generated(fake->instance, major, file);

        operation->iopb.TargetInstance = instance;
        return operation;
}

static char *full(const char *rest)
{
        static char text[8][256];
        static unsigned next;
        char *result = text[next++ % G_N_ELEMENTS(text)];
        size_t length = fake->volume->Name.Length / sizeof(WCHAR);

        for (size_t i = 0; i < length; i++)
                result[i] = (char)fake->volume->Name.Buffer[i];
        g_strlcpy(result + length, rest, sizeof(text[0]) - length);
        return result;
}

static void assert_name(struct fm_operation *operation, FLT_FILE_NAME_OPTIONS options, const char *expected)
{
        PFLT_INSTANCE asking = operation->iopb.TargetInstance;
        PFLT_FILE_NAME_INFORMATION name;

        assert_status(FltGetFileNameInformation(&operation->data, options, &name), STATUS_SUCCESS);
        assert_string(&name->Name, FltGetFileNameFormat(options) == FLT_FILE_NAME_SHORT ? expected : full(expected));
        g_assert_cmpuint(name->Format, ==, FltGetFileNameFormat(options));
        if (name->Format != FLT_FILE_NAME_SHORT)
                assert_string(&name->Volume, full(""));
        FltReleaseFileNameInformation(name);
        /* Who asked is who asked. */
        g_assert_true(operation->iopb.TargetInstance == asking);
        g_assert_cmpuint(fake->filter->names_alive, ==, 0);
        g_assert_cmpuint(filters[0]->names_alive, ==, 0);
}

static void assert_refused(struct fm_operation *operation, FLT_FILE_NAME_OPTIONS options, NTSTATUS expected)
{
        PFLT_FILE_NAME_INFORMATION name = (PVOID)&name;

        assert_status(FltGetFileNameInformation(&operation->data, options, &name), expected);
        g_assert_null(name);
}

/* Who is above it gets its names; itself and who is below, the file system's; itself its own when it says so. */
static void test_who_is_asked(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *above = operation_by(fake->instance, IRP_MJ_READ, file);
        struct fm_operation *itself = operation_by(upper, IRP_MJ_READ, file);
        struct fm_operation *below = operation_by(lowest, IRP_MJ_READ, file);

        reset();
        assert_name(above, NORMALIZED, "\\dir\\old+");
        g_assert_cmpuint(saw.calls, ==, 1);
        g_assert_cmphex(saw.options, ==, NORMALIZED);
        g_assert_true(saw.data == &above->data && saw.file == file);
        assert_name(above, OPENED, "\\dir\\old+");
        g_assert_cmphex(saw.options, ==, OPENED);
        g_assert_cmpuint(saw.normalize->len, ==, 0);

        saw.calls = 0;
        assert_name(itself, NORMALIZED, "\\dir\\old");
        assert_name(below, NORMALIZED, "\\dir\\old");
        assert_name(below, NORMALIZED | FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER, "\\dir\\old");
        g_assert_cmpuint(saw.calls, ==, 0);
        saw.name = "\\mine";
        assert_name(itself, NORMALIZED | FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER, "\\mine");
        g_assert_cmpuint(saw.calls, ==, 1);

        fm_operation_free(above);
        fm_operation_free(itself);
        fm_operation_free(below);
        fm_object_unref(file);
}

/* Two of them: the upper asks the lower. */
static void test_two_providers(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *above = operation_by(fake->instance, IRP_MJ_READ, file);
        struct fm_operation *middle = operation_by(upper, IRP_MJ_READ, file);
        PFLT_FILE_NAME_INFORMATION name;

        reset();
        filters[1]->registration.GenerateFileNameCallback = generate_lower;
        assert_name(above, NORMALIZED, "\\dir\\old-+");
        assert_name(middle, NORMALIZED, "\\dir\\old-");
        assert_status(FltGetFileNameInformationUnsafe(file, fake->instance, NORMALIZED, &name), STATUS_SUCCESS);
        assert_string(&name->Name, full("\\dir\\old-+"));
        g_assert_null(saw.data);
        FltReleaseFileNameInformation(name);
        /* Without an instance: from above all. */
        assert_status(FltGetFileNameInformationUnsafe(file, NULL, NORMALIZED, &name), STATUS_SUCCESS);
        assert_string(&name->Name, full("\\dir\\old-+"));
        FltReleaseFileNameInformation(name);
        fm_operation_free(above);
        fm_operation_free(middle);
        fm_object_unref(file);
}

/* A provider that asks itself from within gets what is below. */
static void test_recursion(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *above = operation_by(fake->instance, IRP_MJ_READ, file);

        reset();
        saw.also = FLT_FILE_NAME_REQUEST_FROM_CURRENT_PROVIDER;
        assert_name(above, NORMALIZED, "\\dir\\old+");
        g_assert_cmpuint(saw.calls, ==, 1);
        fm_operation_free(above);
        fm_object_unref(file);
}

/* It can't say NORMALIZED: it is asked for OPENED, then for each component. */
static void test_components(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *above = operation_by(fake->instance, IRP_MJ_READ, file);

        reset();
        saw.normalized = STATUS_NOT_SUPPORTED;
        saw.name = "\\some\\where\\file.txt:stream:$DATA";
        assert_name(above, NORMALIZED, "\\SOME\\WHERE\\FILE.TXT:stream");
        g_assert_cmpuint(saw.calls, ==, 2);
        g_assert_cmphex(saw.options, ==, OPENED);
        g_assert_cmpstr(saw.normalize->str, ==, "\\|some \\SOME|where \\SOME\\WHERE|file.txt ");
        g_assert_true(saw.ex && saw.file == file);
        g_assert_cmphex(saw.flags, ==, FLTFL_NORMALIZE_NAME_CASE_SENSITIVE);
        /* Its context goes from call to call, and is cleaned up once. */
        g_assert_cmpuint(saw.contexts, ==, 2);
        g_assert_cmpuint(saw.cleanups, ==, 1);

        /* OPENED is nobody's business. */
        g_string_truncate(saw.normalize, 0);
        assert_name(above, OPENED, saw.name);
        g_assert_cmpuint(saw.normalize->len, ==, 0);

        /* What does not exist stays as it is; another failure is the caller's. */
        saw.component = STATUS_NO_SUCH_FILE;
        assert_name(above, NORMALIZED, "\\some\\where\\file.txt:stream");
        saw.component = STATUS_ACCESS_DENIED;
        assert_refused(above, NORMALIZED, STATUS_ACCESS_DENIED);
        g_assert_cmpuint(saw.cleanups, ==, 3);
        saw.component = STATUS_SUCCESS;

        /* The Ex variant wins; without it the other is called; without both the opened name is taken as it is. */
        filters[0]->registration.NormalizeNameComponentExCallback = NULL;
        assert_name(above, NORMALIZED, "\\SOME\\WHERE\\FILE.TXT:stream");
        g_assert_false(saw.ex);
        filters[0]->registration.NormalizeNameComponentCallback = NULL;
        assert_name(above, NORMALIZED, "\\some\\where\\file.txt:stream");
        fm_operation_free(above);
        fm_object_unref(file);
}

static void test_short(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true), new = fake_file(fake, "/dir/new", false);
        struct fm_operation *above = operation_by(fake->instance, IRP_MJ_READ, file);
        struct fm_operation *create = operation_by(fake->instance, IRP_MJ_CREATE, new);

        reset();
        saw.bare = "NAME~1.TXT";
        assert_name(above, SHORT, "NAME~1.TXT");
        g_assert_cmphex(saw.options, ==, SHORT);
        saw.calls = 0;
        assert_refused(create, SHORT, STATUS_FLT_INVALID_NAME_REQUEST);
        g_assert_cmpuint(saw.calls, ==, 0);
        fm_operation_free(above);
        fm_operation_free(create);
        fm_object_unref(file);
        fm_object_unref(new);
}

static void test_before_open(void)
{
        PFILE_OBJECT new = fake_file(fake, "/dir/new", false);
        struct fm_operation *create = operation_by(fake->instance, IRP_MJ_CREATE, new);

        reset();
        assert_name(create, OPENED, "\\dir\\new+");
        saw.normalized = STATUS_NOT_SUPPORTED;
        assert_name(create, NORMALIZED, "\\DIR\\NEW+");
        create->iopb.OperationFlags = SL_OPEN_TARGET_DIRECTORY;
        assert_name(create, OPENED, "\\dir+");
        fm_operation_free(create);
        fm_object_unref(new);
}

/* Names without the volume in front are none. */
static void test_bad_names(void)
{
        static const char *const bad[] = {"", "\\dir\\old", "old", "\\Device\\Elsewhere\\old"};
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true);
        struct fm_operation *above = operation_by(fake->instance, IRP_MJ_READ, file);

        reset();
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                saw.bare = bad[i];
                assert_refused(above, OPENED, STATUS_OBJECT_NAME_INVALID);
        }
        saw.bare = full("x\\old");
        assert_refused(above, NORMALIZED, STATUS_OBJECT_NAME_INVALID);
        fm_operation_free(above);
        fm_object_unref(file);
}

/* What it allows to be kept is kept, for the file object, until names change. */
static void test_keeping(void)
{
        const FLT_FILE_NAME_OPTIONS cache_only = FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_CACHE_ONLY;
        const FLT_FILE_NAME_OPTIONS always =
                FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP;
        const FLT_FILE_NAME_OPTIONS straight = FLT_FILE_NAME_NORMALIZED | FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY;
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true), other = fake_file(fake, "/dir/old", true);
        struct fm_operation *above = operation_by(fake->instance, IRP_MJ_READ, file);
        struct fm_operation *paging = operation_by(fake->instance, IRP_MJ_READ, file);

        reset();
        paging->iopb.IrpFlags |= IRP_PAGING_IO;
        assert_name(above, NORMALIZED, "\\dir\\old+");
        assert_name(above, NORMALIZED, "\\dir\\old+");
        g_assert_cmpuint(saw.calls, ==, 2);
        assert_refused(above, cache_only, STATUS_FLT_NAME_CACHE_MISS);

        saw.keep = TRUE;
        assert_name(above, NORMALIZED | FLT_FILE_NAME_DO_NOT_CACHE, "\\dir\\old+");
        assert_name(above, straight, "\\dir\\old+");
        assert_refused(above, cache_only, STATUS_FLT_NAME_CACHE_MISS);
        assert_refused(paging, always, STATUS_FLT_NAME_CACHE_MISS);

        saw.calls = 0;
        assert_name(above, NORMALIZED, "\\dir\\old+");
        assert_name(above, NORMALIZED, "\\dir\\old+");
        assert_name(above, cache_only, "\\dir\\old+");
        g_assert_cmpuint(saw.calls, ==, 1);
        /* Where asking is unsafe that is all there is. */
        assert_name(paging, always, "\\dir\\old+");
        assert_refused(paging, NORMALIZED, STATUS_FLT_INVALID_NAME_REQUEST);
        assert_refused(paging, straight, STATUS_FLT_INVALID_NAME_REQUEST);
        g_assert_cmpuint(saw.calls, ==, 1);
        assert_name(above, straight, "\\dir\\old+");
        g_assert_cmpuint(saw.calls, ==, 2);
        /* By format, and by file object. */
        assert_refused(above, FLT_FILE_NAME_OPENED | FLT_FILE_NAME_QUERY_CACHE_ONLY, STATUS_FLT_NAME_CACHE_MISS);
        above->iopb.TargetFileObject = other;
        assert_refused(above, cache_only, STATUS_FLT_NAME_CACHE_MISS);
        above->iopb.TargetFileObject = file;

        assert_status(FltPurgeFileNameInformationCache(upper, file), STATUS_SUCCESS);
        assert_refused(above, cache_only, STATUS_FLT_NAME_CACHE_MISS);
        assert_name(above, NORMALIZED, "\\dir\\old+");
        assert_name(above, cache_only, "\\dir\\old+");
        assert_status(FltPurgeFileNameInformationCache(upper, NULL), STATUS_SUCCESS);
        assert_refused(above, cache_only, STATUS_FLT_NAME_CACHE_MISS);
        /* Some file was renamed, a directory perhaps. */
        assert_name(above, NORMALIZED, "\\dir\\old+");
        fm_names_forget();
        assert_refused(above, cache_only, STATUS_FLT_NAME_CACHE_MISS);
        assert_name(above, NORMALIZED, "\\dir\\old+");

        fm_operation_free(above);
        fm_operation_free(paging);
        fm_object_unref(file);
        fm_object_unref(other);
}

static void assert_destination(PFILE_OBJECT file, HANDLE root, const char *target, FLT_FILE_NAME_OPTIONS options,
                               const char *expected)
{
        UNICODE_STRING text = fake_string(target);
        PFLT_FILE_NAME_INFORMATION name;

        assert_status(FltGetDestinationFileNameInformation(fake->instance, file, root, text.Buffer, text.Length,
                                                           options, &name),
                      STATUS_SUCCESS);
        assert_string(&name->Name, full(expected));
        FltReleaseFileNameInformation(name);
        g_free(text.Buffer);
}

/* Of a rename: the directory's name is the provider's, and so is each component. */
static void test_destination(void)
{
        PFILE_OBJECT file = fake_file(fake, "/dir/old", true), directory = fake_file(fake, "/dir", true);
        HANDLE root;

        reset();
        assert_status(fm_handle_new(directory, &root), STATUS_SUCCESS);
        saw.name = "\\shown\\file";
        assert_destination(file, NULL, "new", OPENED, "\\shown\\new");
        g_assert_cmphex(FltGetFileNameFormat(saw.options), ==, FLT_FILE_NAME_OPENED);
        g_assert_true(saw.file == file);
        g_assert_cmpuint(saw.normalize->len, ==, 0);
        assert_destination(file, NULL, "new", NORMALIZED, "\\SHOWN\\NEW");
        g_assert_cmphex(saw.flags, ==,
                        FLTFL_NORMALIZE_NAME_CASE_SENSITIVE | FLTFL_NORMALIZE_NAME_DESTINATION_FILE_NAME);
        g_assert_true(saw.file == file);
        saw.name = "\\root";
        assert_destination(file, root, "new", OPENED, "\\root\\new");
        g_assert_true(saw.file == directory);
        saw.calls = 0;
        assert_destination(file, NULL, "\\a\\new", NORMALIZED, "\\A\\NEW");
        assert_destination(file, NULL, full("\\a\\new"), NORMALIZED, "\\A\\NEW");
        g_assert_cmpuint(saw.calls, ==, 0);
        assert_status(fm_handle_close(root), STATUS_SUCCESS);
        fm_object_unref(file);
        fm_object_unref(directory);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        fake = fake_new();
        fake_add(fake, "/dir", NULL);
        fake_add(fake, "/dir/old", "content");
        saw.normalize = g_string_new(NULL);
        filters[0] = fake_filter("upper", "300000", NULL);
        filters[1] = fake_filter("lower", "200000", NULL);
        filters[2] = fake_filter("lowest", "100000", NULL);
        upper = fake_instance(filters[0], fake->volume, "upper", "300000");
        lower = fake_instance(filters[1], fake->volume, "lower", "200000");
        lowest = fake_instance(filters[2], fake->volume, "lowest", "100000");
        g_test_add_func("/name-provider/who-is-asked", test_who_is_asked);
        g_test_add_func("/name-provider/two", test_two_providers);
        g_test_add_func("/name-provider/recursion", test_recursion);
        g_test_add_func("/name-provider/components", test_components);
        g_test_add_func("/name-provider/short", test_short);
        g_test_add_func("/name-provider/before-open", test_before_open);
        g_test_add_func("/name-provider/bad-names", test_bad_names);
        g_test_add_func("/name-provider/keeping", test_keeping);
        g_test_add_func("/name-provider/destination", test_destination);
        result = g_test_run();
        fake_instance_free(upper);
        fake_instance_free(lower);
        fake_instance_free(lowest);
        for (size_t i = 0; i < G_N_ELEMENTS(filters); i++)
                fake_filter_free(filters[i]);
        g_string_free(saw.normalize, TRUE);
        fake_free(fake);
        return result;
}
