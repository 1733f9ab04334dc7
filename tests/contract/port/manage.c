/* SPDX-License-Identifier: MIT */
/*
 * The management half of fltlib, function by function, against a manager with a volume and three filters.
 *
 *   FilterLoad: loaded, unknown                                      /manage/load
 *   FilterUnload: unknown, refused                                   /manage/unload, /manage/unload-refused
 *   FilterAttach, FilterAttachAtAltitude: altitude taken, name
 *     taken, refused, unknown; created name in bytes                 /manage/attach, /manage/attach-refusals,
 *                                                                    /manage/created-name
 *   FilterDetach: refused, unknown                                   /manage/detach
 *   FilterCreate, FilterGetInformation, FilterClose                  /manage/filter
 *   FilterInstanceCreate, FilterInstanceGetInformation,
 *     FilterInstanceClose                                            /manage/instance
 *   FilterFind*: one entry a call, descending altitude, exhausted    /manage/find/filters
 *   FilterVolumeFind*, FilterInstanceFind*, FilterVolumeInstanceFind*  /manage/find/volumes,
 *                                                                    /manage/find/instances,
 *                                                                    /manage/find/volume-instances
 *   too small, bad class; INVALID_HANDLE_VALUE on First              /manage/find/too-small, /manage/find/bad-class
 *   each class of each family: NextEntryOffset, needed size          /manage/find/classes, /manage/information/classes
 *   a handle of another family                                       /manage/find/wrong-handle
 *   FilterGetDosName: size in WCHARs                                 /manage/dos-name
 *   layouts, lengths in bytes, no NUL, NextEntryOffset 0             /manage/layouts
 *   changes need privilege, else 0x80070522                          /manage/privilege
 */
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "fltmgr/fsd.h"
#include "fltmgr/loader.h"
#include "fltmgr/manager.h"
#include "nt/registry.h"

static void fsd_dispatch(struct fm_operation *operation)
{
        fm_operation_set_result(operation, STATUS_NOT_IMPLEMENTED, 0);
}

static char *fsd_path(PFILE_OBJECT file)
{
        return strdup("/");
}

static void fsd_close(PFILE_OBJECT file)
{
}

static int fsd_open_data(PFILE_OBJECT file, bool writable)
{
        return -1;
}

static const struct fm_fsd_ops fsd = {
        .dispatch = fsd_dispatch,
        .path = fsd_path,
        .close_file = fsd_close,
        .open_data = fsd_open_data,
};

static PFLT_VOLUME volume;
static char *volume_name, *dos_name;
static PFLT_FILTER filters[2]; /* "high", "low" */
static _Atomic bool refuse_unload, refuse_attach;

static NTSTATUS FLTAPI setup(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags, DEVICE_TYPE device,
                             FLT_FILESYSTEM_TYPE type)
{
        return refuse_attach ? STATUS_FLT_DO_NOT_ATTACH : STATUS_SUCCESS;
}

static NTSTATUS FLTAPI query_teardown(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_QUERY_TEARDOWN_FLAGS flags)
{
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI unload_high(FLT_FILTER_UNLOAD_FLAGS flags)
{
        if (refuse_unload && !(flags & FLTFL_FILTER_UNLOAD_MANDATORY))
                return STATUS_FLT_DO_NOT_DETACH;
        FltUnregisterFilter(filters[0]);
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI unload_low(FLT_FILTER_UNLOAD_FLAGS flags)
{
        FltUnregisterFilter(filters[1]);
        return STATUS_SUCCESS;
}

static const FLT_OPERATION_REGISTRATION operations[] = { { IRP_MJ_OPERATION_END } };

static NTSTATUS start_filter(PDRIVER_OBJECT driver, unsigned i, PFLT_FILTER_UNLOAD_CALLBACK unload)
{
        FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .OperationRegistration = operations,
                .FilterUnloadCallback = unload,
                .InstanceSetupCallback = setup,
                /* "low" can't be detached by hand. */
                .InstanceQueryTeardownCallback = i == 0 ? query_teardown : NULL,
        };
        NTSTATUS status = FltRegisterFilter(driver, &registration, &filters[i]);

        return NT_SUCCESS(status) ? FltStartFiltering(filters[i]) : status;
}

static NTSTATUS entry_high(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        return start_filter(driver, 0, unload_high);
}

static NTSTATUS entry_low(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        return start_filter(driver, 1, unload_low);
}

static void load(const char *name, PDRIVER_INITIALIZE entry, const char *altitude)
{
        g_autofree char *key = g_strdup_printf(FM_SERVICES_KEY "\\%s\\Instances", name);
        g_autofree char *instance = g_strdup_printf("%s\\%s Instance", key, name);
        g_autofree char *default_name = g_strdup_printf("%s Instance", name);
        g_autofree char *error = NULL;

        fm_registry_set_string(key, "DefaultInstance", default_name);
        fm_registry_set_string(instance, "Altitude", altitude);
        assert_hex(fm_driver_start(name, entry, &error), ==, STATUS_SUCCESS);
}

static char *text_of(PCUNICODE_STRING string)
{
        return g_utf16_to_utf8((const gunichar2 *)string->Buffer, string->Length / sizeof(WCHAR), NULL, NULL, NULL);
}

static void set_up(struct scene *scene, gconstpointer unused)
{
        struct fm_volume_options options = { .mount_point = "/contract/volume" };

        refuse_unload = refuse_attach = false;
        volume = fm_volume_new(&fsd, NULL, &options, NULL);
        /* As its first operation would. */
        fm_volume_attach_due(volume);
        load("low", entry_low, "100.5");
        load("high", entry_high, "400000");
        volume_name = text_of(&volume->Name);
        dos_name = text_of(&volume->DosName);
        scene->agent = agent_new();
}

static void tear_down(struct scene *scene, gconstpointer unused)
{
        agent_free(scene->agent);
        for (unsigned i = 0; i < 2; i++)
                fm_filter_unload(i ? "low" : "high", true);
        fm_volume_remove(volume);
        g_free(volume_name);
        g_free(dos_name);
}

/* A request with names; NULL is an empty one. */
static const struct remote_result *ask(struct scene *scene, struct remote_request request, const char *first,
                                       const char *second, const char *third, const char *fourth)
{
        const char *names[] = { first, second, third, fourth };

        for (unsigned i = 0; i < 4; i++) {
                const char *name = names[i] ? names[i] : "";

                memcpy(request.data + request.length, name, strlen(name) + 1);
                request.length += (uint32_t)strlen(name) + 1;
        }
        return agent_finish(scene->agent, agent_start_request(scene->agent, request));
}

#define ASK(scene, operation, first, second, third, fourth, ...) \
        ask(scene, (struct remote_request){ .op = operation, ##__VA_ARGS__ }, first, second, third, fourth)

static guint32 attach(struct scene *scene, const char *filter, const char *instance, const char *altitude)
{
        return ASK(scene, REMOTE_FILTER_ATTACH, filter, volume_name, instance, altitude, .size = 200)->hr;
}

/* Text in an entry: where, and how many bytes, two USHORTs say. */
static char *text_at(const struct remote_result *result, unsigned length_at, unsigned offset_at, bool in_place)
{
        USHORT length, offset = (USHORT)offset_at;

        memcpy(&length, result->data + length_at, 2);
        if (!in_place)
                memcpy(&offset, result->data + offset_at, 2);
        g_assert_cmpuint(offset + length, <=, result->bytes);
        return g_utf16_to_utf8((const gunichar2 *)(const void *)(result->data + offset), length / 2, NULL, NULL, NULL);
}

#define assert_text(result, length_at, offset_at, in_place, wanted)                             \
        do {                                                                                    \
                g_autofree char *text = text_at(result, length_at, offset_at, in_place);        \
                g_assert_cmpstr(text, ==, wanted);                                              \
        } while (0)

static guint32 number_at(const struct remote_result *result, unsigned at)
{
        guint32 number;

        memcpy(&number, result->data + at, 4);
        return number;
}

static void test_load(struct scene *scene, gconstpointer unused)
{
        const char *directory = g_getenv("TEST_FILTERS");
        g_autofree char *path = directory ? g_build_filename(directory, "pass-all.conf", NULL) : NULL;

        assert_hex(ASK(scene, REMOTE_FILTER_LOAD, "no-such-filter", NULL, NULL, NULL)->hr, ==, 0x80070002);
        assert_hex(ASK(scene, REMOTE_FILTER_LOAD, "/nowhere/no-such-filter.conf", NULL, NULL, NULL)->hr, ==, 0x80070002);
        assert_hex(ASK(scene, REMOTE_FILTER_LOAD, NULL, NULL, NULL, NULL)->hr, ==, 0x80070057);
        assert_hex(ASK(scene, REMOTE_FILTER_LOAD, "high", NULL, NULL, NULL)->hr, ==, 0x80070420);
        if (!path) {
                g_test_skip("TEST_FILTERS is not set");
                return;
        }
        assert_hex(ASK(scene, REMOTE_FILTER_LOAD, path, NULL, NULL, NULL)->hr, ==, 0);
        assert_hex(ASK(scene, REMOTE_FILTER_LOAD, path, NULL, NULL, NULL)->hr, ==, 0x80070420);
        assert_hex(ASK(scene, REMOTE_FILTER_UNLOAD, "pass-all", NULL, NULL, NULL)->hr, ==, 0);
        assert_hex(ASK(scene, REMOTE_FILTER_UNLOAD, "pass-all", NULL, NULL, NULL)->hr, ==, 0x801F0013);
        assert_hex(ASK(scene, REMOTE_FILTER_LOAD, path, NULL, NULL, NULL)->hr, ==, 0);
        assert_hex(ASK(scene, REMOTE_FILTER_UNLOAD, "pass-all", NULL, NULL, NULL)->hr, ==, 0);
}

static void test_unload(struct scene *scene, gconstpointer unused)
{
        assert_hex(ASK(scene, REMOTE_FILTER_UNLOAD, "no-such-filter", NULL, NULL, NULL)->hr, ==, 0x801F0013);
        assert_hex(ASK(scene, REMOTE_FILTER_UNLOAD, NULL, NULL, NULL, NULL)->hr, ==, 0x80070057);
        assert_hex(ASK(scene, REMOTE_FILTER_UNLOAD, "HIGH", NULL, NULL, NULL)->hr, ==, 0);
        assert_hex(ASK(scene, REMOTE_FILTER_OPEN, "high", NULL, NULL, NULL)->hr, ==, 0x801F0013);
}

static void test_unload_refused(struct scene *scene, gconstpointer unused)
{
        refuse_unload = true;
        assert_hex(ASK(scene, REMOTE_FILTER_UNLOAD, "high", NULL, NULL, NULL)->hr, ==, 0x801F0010);
        assert_hex(ASK(scene, REMOTE_FILTER_OPEN, "high", NULL, NULL, NULL)->hr, ==, 0);
        refuse_unload = false;
        assert_hex(ASK(scene, REMOTE_FILTER_UNLOAD, "high", NULL, NULL, NULL)->hr, ==, 0);
}

static void test_attach(struct scene *scene, gconstpointer unused)
{
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "high", volume_name, NULL, NULL)->hr, ==, 0);
        assert_hex(attach(scene, "high", NULL, NULL), ==, 0);
        assert_hex(attach(scene, "high", "second", "400001"), ==, 0);
        /* By any name of the volume. */
        assert_hex(ASK(scene, REMOTE_FILTER_ATTACH, "high", dos_name, "third", "400002")->hr, ==, 0);
        assert_hex(ASK(scene, REMOTE_FILTER_ATTACH, "high", "/contract/volume", "fourth", "400003")->hr, ==, 0);
}

static void test_attach_refusals(struct scene *scene, gconstpointer unused)
{
        assert_hex(attach(scene, "high", "other name", "400000"), ==, 0x801F0011);
        assert_hex(attach(scene, "high", "other name", "100.50"), ==, 0x801F0011);
        assert_hex(attach(scene, "high", "high Instance", "400005"), ==, 0x801F0012);
        assert_hex(attach(scene, "no-such-filter", "a", "400005"), ==, 0x801F0013);
        assert_hex(ASK(scene, REMOTE_FILTER_ATTACH, "high", "\\Device\\Nothing", "a", "400005")->hr, ==, 0x801F0014);
        assert_hex(ASK(scene, REMOTE_FILTER_ATTACH, NULL, volume_name, "a", "400005")->hr, ==, 0x80070057);
        assert_hex(ASK(scene, REMOTE_FILTER_ATTACH, "high", NULL, "a", "400005")->hr, ==, 0x80070057);
        refuse_attach = true;
        assert_hex(attach(scene, "high", "a", "400005"), ==, 0x801F000F);
        refuse_attach = false;
        assert_hex(attach(scene, "high", "a", "400005"), ==, 0);
}

static void test_created_name(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;

        result = ASK(scene, REMOTE_FILTER_ATTACH, "high", volume_name, "made up", "400001", .size = 200);
        assert_hex(result->hr, ==, 0);
        g_assert_cmpmem(result->data, result->length, L"made up", 14);
        /* Bytes, the NUL among them. */
        result = ASK(scene, REMOTE_FILTER_ATTACH, "high", volume_name, "abcdef", "400002", .size = 8);
        assert_hex(result->hr, ==, 0);
        g_assert_cmpmem(result->data, result->length, L"abc", 6);
        result = ASK(scene, REMOTE_FILTER_ATTACH, "high", volume_name, "ghi", "400003", .size = 200,
                     .flags = REMOTE_NO_NAME);
        assert_hex(result->hr, ==, 0);
}

static void test_detach(struct scene *scene, gconstpointer unused)
{
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "low", volume_name, NULL, NULL)->hr, ==, 0x801F0010);
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "high", volume_name, "no such", NULL)->hr, ==, 0x801F0015);
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "no-such-filter", volume_name, NULL, NULL)->hr, ==, 0x801F0013);
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "high", "\\Device\\Nothing", NULL, NULL)->hr, ==, 0x801F0014);
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "high", volume_name, "high Instance", NULL)->hr, ==, 0);
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "high", volume_name, NULL, NULL)->hr, ==, 0x801F0015);
}

static void test_filter(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result = ASK(scene, REMOTE_FILTER_OPEN, "high", NULL, NULL, NULL);
        uint64_t handle = result->handle;

        assert_hex(result->hr, ==, 0);
        result = RUN(scene->agent, REMOTE_FILTER_INFORMATION, .handle = handle, .size = 100, .class_of = 0);
        assert_hex(result->hr, ==, 0);
        assert_text(result, 12, 14, true, "high");
        assert_hex(RUN(scene->agent, REMOTE_FILTER_INFORMATION, .handle = handle, .size = 100, .class_of = 9)->hr, ==,
                   0x80070057);
        result = RUN(scene->agent, REMOTE_FILTER_INFORMATION, .handle = handle, .size = 10, .class_of = 0);
        assert_hex(result->hr, ==, 0x8007007A);
        g_assert_cmpuint(result->bytes, ==, 14 + 8);
        assert_hex(RUN(scene->agent, REMOTE_FILTER_CLOSE, .handle = handle)->hr, ==, 0);
        assert_hex(RUN(scene->agent, REMOTE_FILTER_CLOSE, .handle = handle)->hr, ==, 0x80070006);
        assert_hex(RUN(scene->agent, REMOTE_FILTER_INFORMATION, .handle = handle, .size = 100)->hr, ==, 0x80070006);
        assert_hex(ASK(scene, REMOTE_FILTER_OPEN, "no-such-filter", NULL, NULL, NULL)->hr, ==, 0x801F0013);
        assert_hex(ASK(scene, REMOTE_FILTER_OPEN, NULL, NULL, NULL, NULL)->hr, ==, 0x80070057);
}

static void test_instance(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;
        uint64_t handle;

        result = ASK(scene, REMOTE_INSTANCE_OPEN, "high", volume_name, "high Instance", NULL);
        handle = result->handle;
        assert_hex(result->hr, ==, 0);
        result = RUN(scene->agent, REMOTE_INSTANCE_INFORMATION, .handle = handle, .size = 200, .class_of = 2);
        assert_hex(result->hr, ==, 0);
        assert_text(result, 4, 6, false, "high Instance");
        assert_text(result, 8, 10, false, "400000");
        assert_text(result, 12, 14, false, volume_name);
        assert_text(result, 16, 18, false, "high");
        result = RUN(scene->agent, REMOTE_INSTANCE_INFORMATION, .handle = handle, .size = 30, .class_of = 2);
        assert_hex(result->hr, ==, 0x8007007A);
        assert_hex(RUN(scene->agent, REMOTE_INSTANCE_INFORMATION, .handle = handle, .size = 200, .class_of = 9)->hr, ==,
                   0x80070057);
        assert_hex(RUN(scene->agent, REMOTE_INSTANCE_CLOSE, .handle = handle)->hr, ==, 0);
        assert_hex(RUN(scene->agent, REMOTE_INSTANCE_CLOSE, .handle = handle)->hr, ==, 0x80070006);
        assert_hex(ASK(scene, REMOTE_INSTANCE_OPEN, "high", volume_name, "no such", NULL)->hr, ==, 0x801F0015);
        assert_hex(ASK(scene, REMOTE_INSTANCE_OPEN, "nobody", volume_name, NULL, NULL)->hr, ==, 0x801F0013);
        assert_hex(ASK(scene, REMOTE_INSTANCE_OPEN, "high", "\\Device\\Nothing", NULL, NULL)->hr, ==, 0x801F0014);
}

static const struct remote_result *find_first(struct scene *scene, enum remote_find kind, const char *name,
                                              uint32_t class, uint32_t size)
{
        return ASK(scene, REMOTE_FIND_FIRST, name, NULL, NULL, NULL, .options = kind, .class_of = class, .size = size);
}

static const struct remote_result *find_next(struct scene *scene, enum remote_find kind, uint64_t handle,
                                             uint32_t class, uint32_t size)
{
        return RUN(scene->agent, REMOTE_FIND_NEXT, .options = kind, .handle = handle, .class_of = class, .size = size);
}

static void find_end(struct scene *scene, enum remote_find kind, uint64_t handle, uint32_t class)
{
        for (unsigned i = 0; i < 2; i++)
                assert_hex(find_next(scene, kind, handle, class, 300)->hr, ==, 0x80070103);
        assert_hex(RUN(scene->agent, REMOTE_FIND_CLOSE, .options = kind, .handle = handle)->hr, ==, 0);
        assert_hex(find_next(scene, kind, handle, class, 300)->hr, ==, 0x80070006);
}

static void test_find_filters(struct scene *scene, gconstpointer unused)
{
        static const char *const names[] = { "high", "contract-port", "low" };
        const struct remote_result *result = find_first(scene, REMOTE_FIND_FILTERS, NULL, 0, 300);
        uint64_t handle = result->handle;

        for (unsigned i = 0; i < 3; i++) {
                assert_hex(result->hr, ==, 0);
                g_assert_cmpuint(number_at(result, 0), ==, 0); /* exactly one entry */
                assert_text(result, 12, 14, true, names[i]);
                g_assert_cmpuint(result->bytes, ==, 14 + 2 * strlen(names[i]));
                if (i < 2)
                        result = find_next(scene, REMOTE_FIND_FILTERS, handle, 0, 300);
        }
        find_end(scene, REMOTE_FIND_FILTERS, handle, 0);
}

static void test_find_volumes(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result = find_first(scene, REMOTE_FIND_VOLUMES, NULL, 0, 300);
        uint64_t handle = result->handle;

        assert_hex(result->hr, ==, 0);
        assert_text(result, 0, 2, true, volume_name);
        find_end(scene, REMOTE_FIND_VOLUMES, handle, 0);
}

static void test_find_instances(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;
        uint64_t handle;

        assert_hex(attach(scene, "high", "second", "400001"), ==, 0);
        result = find_first(scene, REMOTE_FIND_INSTANCES, "high", 1, 300);
        handle = result->handle;
        for (unsigned i = 0; i < 2; i++) {
                g_autofree char *name = NULL;

                assert_hex(result->hr, ==, 0);
                g_assert_cmpuint(number_at(result, 0), ==, 0);
                name = text_at(result, 4, 6, false);
                assert_text(result, 8, 10, false, strcmp(name, "second") == 0 ? "400001" : "400000");
                if (i == 0)
                        result = find_next(scene, REMOTE_FIND_INSTANCES, handle, 1, 300);
        }
        find_end(scene, REMOTE_FIND_INSTANCES, handle, 1);
        assert_hex(find_first(scene, REMOTE_FIND_INSTANCES, "nobody", 1, 300)->hr, ==, 0x801F0013);
        /* A filter without any. */
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "high", volume_name, "second", NULL)->hr, ==, 0);
        assert_hex(ASK(scene, REMOTE_FILTER_DETACH, "high", volume_name, NULL, NULL)->hr, ==, 0);
        result = find_first(scene, REMOTE_FIND_INSTANCES, "high", 1, 300);
        assert_hex(result->hr, ==, 0x80070103);
        g_assert_true(result->handle == UINT64_MAX);
}

static void test_find_volume_instances(struct scene *scene, gconstpointer unused)
{
        static const char *const names[] = { "high", "contract-port", "low" };
        const struct remote_result *result = find_first(scene, REMOTE_FIND_VOLUME_INSTANCES, volume_name, 2, 300);
        uint64_t handle = result->handle;

        for (unsigned i = 0; i < 3; i++) {
                assert_hex(result->hr, ==, 0);
                assert_text(result, 16, 18, false, names[i]);
                assert_text(result, 12, 14, false, volume_name);
                if (i < 2)
                        result = find_next(scene, REMOTE_FIND_VOLUME_INSTANCES, handle, 2, 300);
        }
        find_end(scene, REMOTE_FIND_VOLUME_INSTANCES, handle, 2);
        assert_hex(find_first(scene, REMOTE_FIND_VOLUME_INSTANCES, "\\Device\\Nothing", 2, 300)->hr, ==, 0x801F0014);
}

static const char *name_for(enum remote_find kind)
{
        return kind == REMOTE_FIND_INSTANCES ? "high" : kind == REMOTE_FIND_VOLUME_INSTANCES ? volume_name : NULL;
}

static void test_find_too_small(struct scene *scene, gconstpointer unused)
{
        for (enum remote_find kind = REMOTE_FIND_FILTERS; kind <= REMOTE_FIND_VOLUME_INSTANCES; kind++) {
                const struct remote_result *result = find_first(scene, kind, name_for(kind), 0, 4);
                uint32_t needed = result->bytes;
                uint64_t handle;

                assert_hex(result->hr, ==, 0x8007007A);
                g_assert_true(result->handle == UINT64_MAX);
                result = find_first(scene, kind, name_for(kind), 0, needed - 1);
                assert_hex(result->hr, ==, 0x8007007A);
                g_assert_cmpuint(result->bytes, ==, needed);
                result = find_first(scene, kind, name_for(kind), 0, needed);
                assert_hex(result->hr, ==, 0);
                g_assert_cmpuint(result->bytes, ==, needed);
                handle = result->handle;
                if (kind == REMOTE_FIND_FILTERS) {
                        /* What did not fit is given again. */
                        result = find_next(scene, kind, handle, 0, 14);
                        assert_hex(result->hr, ==, 0x8007007A);
                        needed = result->bytes;
                        result = find_next(scene, kind, handle, 0, needed);
                        assert_hex(result->hr, ==, 0);
                        assert_text(result, 12, 14, true, "contract-port");
                }
                RUN(scene->agent, REMOTE_FIND_CLOSE, .options = kind, .handle = handle);
        }
}

/* Classes of a family, as its enumeration numbers them. */
static const uint32_t class_counts[] = {
        [REMOTE_FIND_FILTERS] = 3,
        [REMOTE_FIND_VOLUMES] = 2,
        [REMOTE_FIND_INSTANCES] = 4,
        [REMOTE_FIND_VOLUME_INSTANCES] = 4,
};

static void test_find_classes(struct scene *scene, gconstpointer unused)
{
        for (enum remote_find kind = REMOTE_FIND_FILTERS; kind <= REMOTE_FIND_VOLUME_INSTANCES; kind++) {
                for (uint32_t class = 0; class < class_counts[kind]; class++) {
                        const struct remote_result *result = find_first(scene, kind, name_for(kind), class, 300);
                        const uint32_t needed = result->bytes, sizes[] = { 0, 1, needed - 1 };

                        g_test_message("family %u, class %u", kind, class);
                        assert_hex(result->hr, ==, 0);
                        if (kind != REMOTE_FIND_VOLUMES || class != 0) /* which has no such field */
                                g_assert_cmpuint(number_at(result, 0), ==, 0);
                        RUN(scene->agent, REMOTE_FIND_CLOSE, .options = kind, .handle = result->handle);
                        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                                result = find_first(scene, kind, name_for(kind), class, sizes[i]);
                                assert_hex(result->hr, ==, 0x8007007A);
                                g_assert_cmpuint(result->bytes, ==, needed);
                                g_assert_true(result->handle == UINT64_MAX);
                        }
                        result = find_first(scene, kind, name_for(kind), class, needed);
                        assert_hex(result->hr, ==, 0);
                        g_assert_cmpuint(result->bytes, ==, needed);
                        RUN(scene->agent, REMOTE_FIND_CLOSE, .options = kind, .handle = result->handle);
                }
                assert_hex(find_first(scene, kind, name_for(kind), class_counts[kind], 300)->hr, ==, 0x80070057);
        }
}

static void test_information_classes(struct scene *scene, gconstpointer unused)
{
        const uint64_t handles[] = {
                ASK(scene, REMOTE_FILTER_OPEN, "high", NULL, NULL, NULL)->handle,
                ASK(scene, REMOTE_INSTANCE_OPEN, "high", volume_name, NULL, NULL)->handle,
        };
        static const struct {
                enum remote_op op;
                enum remote_find family;
        } kinds[] = {
                { REMOTE_FILTER_INFORMATION, REMOTE_FIND_FILTERS },
                { REMOTE_INSTANCE_INFORMATION, REMOTE_FIND_INSTANCES },
        };

        for (unsigned k = 0; k < 2; k++) {
                struct remote_request request = { .op = kinds[k].op, .handle = handles[k] };

                for (request.class_of = 0; request.class_of < class_counts[kinds[k].family]; request.class_of++) {
                        /* "high" is first in its list: what the list says, the handle says. */
                        struct remote_result first = *find_first(scene, kinds[k].family, name_for(kinds[k].family),
                                                                 request.class_of, 300);
                        const uint32_t sizes[] = { 0, 1, first.bytes - 1, first.bytes };

                        for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
                                const struct remote_result *result;

                                request.size = sizes[i];
                                result = agent_finish(scene->agent, agent_start_request(scene->agent, request));
                                assert_hex(result->hr, ==, sizes[i] == first.bytes ? 0 : 0x8007007A);
                                g_assert_cmpuint(result->bytes, ==, first.bytes);
                                if (sizes[i] == first.bytes)
                                        g_assert_cmpmem(result->data, result->length, first.data, first.length);
                        }
                        RUN(scene->agent, REMOTE_FIND_CLOSE, .options = kinds[k].family, .handle = first.handle);
                }
                assert_hex(agent_finish(scene->agent, agent_start_request(scene->agent, request))->hr, ==, 0x80070057);
        }
        RUN(scene->agent, REMOTE_FILTER_CLOSE, .handle = handles[0]);
        RUN(scene->agent, REMOTE_INSTANCE_CLOSE, .handle = handles[1]);
}

static void test_find_bad_class(struct scene *scene, gconstpointer unused)
{
        for (enum remote_find kind = REMOTE_FIND_FILTERS; kind <= REMOTE_FIND_VOLUME_INSTANCES; kind++) {
                const struct remote_result *result = find_first(scene, kind, name_for(kind), 9, 300);
                uint64_t handle;

                assert_hex(result->hr, ==, 0x80070057);
                g_assert_true(result->handle == UINT64_MAX);
                handle = find_first(scene, kind, name_for(kind), 0, 300)->handle;
                assert_hex(find_next(scene, kind, handle, 9, 300)->hr, ==, 0x80070057);
                RUN(scene->agent, REMOTE_FIND_CLOSE, .options = kind, .handle = handle);
        }
}

static void test_find_wrong_handle(struct scene *scene, gconstpointer unused)
{
        uint64_t handle = find_first(scene, REMOTE_FIND_FILTERS, NULL, 0, 300)->handle;

        assert_hex(find_next(scene, REMOTE_FIND_VOLUMES, handle, 0, 300)->hr, ==, 0x80070006);
        assert_hex(RUN(scene->agent, REMOTE_FIND_CLOSE, .options = REMOTE_FIND_INSTANCES, .handle = handle)->hr, ==,
                   0x80070006);
        assert_hex(RUN(scene->agent, REMOTE_FIND_CLOSE, .options = REMOTE_FIND_FILTERS, .handle = handle)->hr, ==, 0);
}

static void test_dos_name(struct scene *scene, gconstpointer unused)
{
        uint32_t length = (uint32_t)strlen(dos_name);
        const struct remote_result *result;
        g_autofree char *text = NULL;

        g_assert_cmpuint(length, >, 0);
        result = ASK(scene, REMOTE_DOS_NAME, volume_name, NULL, NULL, NULL, .size = length + 1);
        assert_hex(result->hr, ==, 0);
        text = g_utf16_to_utf8((const gunichar2 *)(const void *)result->data, result->length / 2, NULL, NULL, NULL);
        g_assert_cmpstr(text, ==, dos_name);
        assert_hex(ASK(scene, REMOTE_DOS_NAME, volume_name, NULL, NULL, NULL, .size = length)->hr, ==, 0x8007007A);
        assert_hex(ASK(scene, REMOTE_DOS_NAME, "\\Device\\Nothing", NULL, NULL, NULL, .size = 60)->hr, ==, 0x801F0014);
        assert_hex(ASK(scene, REMOTE_DOS_NAME, NULL, NULL, NULL, NULL, .size = 60)->hr, ==, 0x80070057);
}

static void test_layouts(struct scene *scene, gconstpointer unused)
{
        const struct remote_result *result;

        result = find_first(scene, REMOTE_FIND_FILTERS, NULL, 0, 300); /* FILTER_FULL_INFORMATION */
        g_assert_cmpuint(number_at(result, 8), ==, 1);
        result = find_first(scene, REMOTE_FIND_FILTERS, NULL, 1, 300); /* FILTER_AGGREGATE_BASIC_INFORMATION */
        g_assert_cmpuint(number_at(result, 0), ==, 0);
        g_assert_cmphex(number_at(result, 4), ==, 1); /* FLTFL_AGGREGATE_INFO_IS_MINIFILTER */
        g_assert_cmpuint(number_at(result, 12), ==, 1);
        assert_text(result, 16, 18, false, "high");
        assert_text(result, 20, 22, false, "400000");
        g_assert_cmpuint(result->bytes, ==, 24 + 8 + 12);
        result = find_first(scene, REMOTE_FIND_FILTERS, NULL, 2, 300); /* FILTER_AGGREGATE_STANDARD_INFORMATION */
        g_assert_cmphex(number_at(result, 4), ==, 1);
        g_assert_cmpuint(number_at(result, 16), ==, 1);
        assert_text(result, 20, 22, false, "high");
        assert_text(result, 24, 26, false, "400000");
        g_assert_cmpuint(result->bytes, ==, 28 + 8 + 12);
        result = find_first(scene, REMOTE_FIND_VOLUMES, NULL, 1, 300); /* FILTER_VOLUME_STANDARD_INFORMATION */
        g_assert_cmpuint(number_at(result, 0), ==, 0);
        assert_text(result, 16, 18, true, volume_name);
        g_assert_cmpuint(result->bytes, ==, 18 + 2 * strlen(volume_name));
        result = find_first(scene, REMOTE_FIND_INSTANCES, "high", 0, 300); /* INSTANCE_BASIC_INFORMATION */
        assert_text(result, 4, 6, false, "high Instance");
        g_assert_cmpuint(result->bytes, ==, 8 + 26);
        result = find_first(scene, REMOTE_FIND_INSTANCES, "high", 3, 300); /* INSTANCE_AGGREGATE_STANDARD_INFORMATION */
        g_assert_cmpuint(number_at(result, 0), ==, 0);
        g_assert_cmphex(number_at(result, 4), ==, 1);
        assert_text(result, 20, 22, false, "high Instance");
        assert_text(result, 24, 26, false, "400000");
        assert_text(result, 28, 30, false, volume_name);
        assert_text(result, 32, 34, false, "high");
        g_assert_cmpuint(result->bytes, ==, 40 + 26 + 12 + 2 * strlen(volume_name) + 8);
}

static void test_privilege(struct scene *scene, gconstpointer unused)
{
        struct scene other;

        if (geteuid() != 0) {
                g_test_skip("needs root, to be somebody else");
                return;
        }
        other.agent = agent_new();
        g_assert_cmpuint(RUN(other.agent, REMOTE_BECOME, .options = 65534, .size = 65534)->hr, ==, 1);
        assert_hex(ASK(&other, REMOTE_FILTER_LOAD, "high", NULL, NULL, NULL)->hr, ==, 0x80070522);
        assert_hex(ASK(&other, REMOTE_FILTER_UNLOAD, "high", NULL, NULL, NULL)->hr, ==, 0x80070522);
        assert_hex(attach(&other, "high", "second", "400001"), ==, 0x80070522);
        assert_hex(ASK(&other, REMOTE_FILTER_DETACH, "high", volume_name, NULL, NULL)->hr, ==, 0x80070522);
        /* Looking is free. */
        assert_hex(find_first(&other, REMOTE_FIND_FILTERS, NULL, 0, 300)->hr, ==, 0);
        assert_hex(ASK(scene, REMOTE_FILTER_OPEN, "high", NULL, NULL, NULL)->hr, ==, 0);
        agent_free(other.agent);
}

static void add(const char *path, void (*test)(struct scene *, gconstpointer))
{
        g_test_add(path, struct scene, NULL, set_up, test, tear_down);
}

static void add_tests(void)
{
        add("/manage/load", test_load);
        add("/manage/unload", test_unload);
        add("/manage/unload-refused", test_unload_refused);
        add("/manage/attach", test_attach);
        add("/manage/attach-refusals", test_attach_refusals);
        add("/manage/created-name", test_created_name);
        add("/manage/detach", test_detach);
        add("/manage/filter", test_filter);
        add("/manage/instance", test_instance);
        add("/manage/find/filters", test_find_filters);
        add("/manage/find/volumes", test_find_volumes);
        add("/manage/find/instances", test_find_instances);
        add("/manage/find/volume-instances", test_find_volume_instances);
        add("/manage/find/too-small", test_find_too_small);
        add("/manage/find/classes", test_find_classes);
        add("/manage/information/classes", test_information_classes);
        add("/manage/find/bad-class", test_find_bad_class);
        add("/manage/find/wrong-handle", test_find_wrong_handle);
        add("/manage/dos-name", test_dos_name);
        add("/manage/layouts", test_layouts);
        add("/manage/privilege", test_privilege);
}

int main(int argc, char **argv)
{
        return fixture_main(argc, argv, add_tests);
}
