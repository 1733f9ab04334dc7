/* SPDX-License-Identifier: MIT */
/* How a filter becomes known, and starts: FLT_REGISTRATION, the registry, DriverEntry. */
#include "engine-one.h"

#include <glib/gstdio.h>

/* ---- registration ---- */

#define UP_TO(field) offsetof(FLT_REGISTRATION, field)

static void test_sizes_and_versions(void)
{
        static const struct {
                int size;
                USHORT version;
                NTSTATUS status;
        } cases[] = {
                { UP_TO(TransactionNotificationCallback), FLT_REGISTRATION_VERSION_0200, STATUS_SUCCESS },
                { UP_TO(TransactionNotificationCallback), FLT_REGISTRATION_VERSION_0201, STATUS_SUCCESS },
                { UP_TO(SectionNotificationCallback), FLT_REGISTRATION_VERSION_0202, STATUS_SUCCESS },
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION_0203, STATUS_SUCCESS },
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION_0202, STATUS_SUCCESS },
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION_0200, STATUS_SUCCESS },
                { UP_TO(NormalizeContextCleanupCallback), FLT_REGISTRATION_VERSION_0200, STATUS_INVALID_PARAMETER },
                { UP_TO(NormalizeNameComponentExCallback), FLT_REGISTRATION_VERSION_0202, STATUS_INVALID_PARAMETER },
                { UP_TO(SectionNotificationCallback), FLT_REGISTRATION_VERSION_0203, STATUS_INVALID_PARAMETER },
                { 0, FLT_REGISTRATION_VERSION, STATUS_INVALID_PARAMETER },
                { 16, FLT_REGISTRATION_VERSION, STATUS_INVALID_PARAMETER },
                { sizeof(FLT_REGISTRATION) + 8, FLT_REGISTRATION_VERSION, STATUS_INVALID_PARAMETER },
                { sizeof(FLT_REGISTRATION), 0, STATUS_INVALID_PARAMETER },
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION_0200 - 1, STATUS_INVALID_PARAMETER },
                { sizeof(FLT_REGISTRATION), FLT_REGISTRATION_VERSION + 1, STATUS_INVALID_PARAMETER },
        };

        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_test_message("row %u", i);
                one_set_up();
                one.registration.Size = (USHORT)cases[i].size;
                one.registration.Version = cases[i].version;
                engine_assert_status(one_load(), cases[i].status);
                one_tear_down();
        }
}

/* What a version does not have is not looked at. */
static void test_newer_fields(void)
{
        one_set_up();
        one.registration.Version = FLT_REGISTRATION_VERSION_0200;
        one.registration.Size = UP_TO(TransactionNotificationCallback);
        one.registration.NormalizeNameComponentExCallback = (PVOID)&one;
        one.registration.SectionNotificationCallback = (PVOID)&one;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        g_assert_null(one.filter->registration.NormalizeNameComponentExCallback);
        g_assert_null(one.filter->registration.SectionNotificationCallback);
        one_tear_down();
}

static void test_refused_majors(void)
{
        static const UCHAR majors[] = { IRP_MJ_POWER, IRP_MJ_DEVICE_CHANGE, 0x1c, 0x7f, 0x81, 0xea, 0xf4 };
        PFLT_FILTER filter;

        for (unsigned i = 0; i < G_N_ELEMENTS(majors); i++) {
                const FLT_OPERATION_REGISTRATION wrong[] = {{majors[i], 0, one_pre, one_post}, {IRP_MJ_OPERATION_END}};

                one_set_up();
                one.registration.OperationRegistration = wrong;
                engine_assert_status(one_load(), STATUS_INVALID_PARAMETER);
                one_expect("");
                one_tear_down();
        }
        one_set_up();
        engine_assert_status(FltRegisterFilter(NULL, &one.registration, &filter), STATUS_INVALID_PARAMETER);
        one_tear_down();
}

/* Everything else can be registered, in any order, and each comes to the callback that is registered for it. */
static void test_all_majors(void)
{
        static const UCHAR majors[] = {
                IRP_MJ_VOLUME_DISMOUNT,
                IRP_MJ_VOLUME_MOUNT,
                IRP_MJ_MDL_WRITE_COMPLETE,
                IRP_MJ_PREPARE_MDL_WRITE,
                IRP_MJ_MDL_READ_COMPLETE,
                IRP_MJ_MDL_READ,
                IRP_MJ_NETWORK_QUERY_OPEN,
                IRP_MJ_FAST_IO_CHECK_IF_POSSIBLE,
                IRP_MJ_QUERY_OPEN,
                IRP_MJ_RELEASE_FOR_CC_FLUSH,
                IRP_MJ_ACQUIRE_FOR_CC_FLUSH,
                IRP_MJ_RELEASE_FOR_MOD_WRITE,
                IRP_MJ_ACQUIRE_FOR_MOD_WRITE,
                IRP_MJ_RELEASE_FOR_SECTION_SYNCHRONIZATION,
                IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
                IRP_MJ_PNP,
                IRP_MJ_SET_QUOTA,
                IRP_MJ_QUERY_QUOTA,
                IRP_MJ_SET_SECURITY,
                IRP_MJ_QUERY_SECURITY,
                IRP_MJ_CREATE_MAILSLOT,
                IRP_MJ_CLEANUP,
                IRP_MJ_LOCK_CONTROL,
                IRP_MJ_INTERNAL_DEVICE_CONTROL,
                IRP_MJ_DEVICE_CONTROL,
                IRP_MJ_FILE_SYSTEM_CONTROL,
                IRP_MJ_DIRECTORY_CONTROL,
                IRP_MJ_SET_VOLUME_INFORMATION,
                IRP_MJ_QUERY_VOLUME_INFORMATION,
                IRP_MJ_FLUSH_BUFFERS,
                IRP_MJ_SET_EA,
                IRP_MJ_QUERY_EA,
                IRP_MJ_SET_INFORMATION,
                IRP_MJ_QUERY_INFORMATION,
                IRP_MJ_WRITE,
                IRP_MJ_READ,
                IRP_MJ_CREATE_NAMED_PIPE,
        };
        FLT_OPERATION_REGISTRATION all[G_N_ELEMENTS(majors) + 1] = { 0 };

        for (unsigned i = 0; i < G_N_ELEMENTS(majors); i++)
                all[i] = (FLT_OPERATION_REGISTRATION){ majors[i], 0, one_pre, one_post };
        all[G_N_ELEMENTS(majors)].MajorFunction = IRP_MJ_OPERATION_END;
        one_set_up();
        one.registration.OperationRegistration = all;
        one_load_quietly();
        for (unsigned i = 0; i < G_N_ELEMENTS(majors); i++) {
                PFILE_OBJECT file = engine_open_file();
                struct fm_operation *operation = fm_operation_new(engine_volume, majors[i], file, &engine_nobody);

                engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS);
                one_expect("pre post");
                fm_operation_free(operation);
                fm_object_unref(file);
                /* Its CLEANUP, if that was not the one; CREATE and CLOSE are not registered. */
                one_expect(majors[i] == IRP_MJ_CLEANUP ? "" : "pre post");
        }
        one_tear_down();
}

/* Flags that concern what does not exist here are taken. */
static void test_flags(void)
{
        one_set_up();
        one.registration.Flags = FLTFL_REGISTRATION_SUPPORT_NPFS_MSFS | FLTFL_REGISTRATION_SUPPORT_DAX_VOLUME;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        engine_assert_status(fm_filter_unload("one", true), STATUS_SUCCESS);
        one_tear_down();
}

static NTSTATUS FLTAPI normalize(PFLT_INSTANCE instance, PCUNICODE_STRING parent, USHORT prefix,
                                 PCUNICODE_STRING component, PFILE_NAMES_INFORMATION expanded, ULONG length,
                                 FLT_NORMALIZE_NAME_FLAGS flags, PVOID *context)
{
        return STATUS_NOT_SUPPORTED;
}

static void test_normalize_without_generate(void)
{
        one_set_up();
        one.registration.NormalizeNameComponentCallback = normalize;
        engine_assert_status(one_load(), STATUS_INVALID_PARAMETER);
        one.registration.NormalizeNameComponentCallback = NULL;
        one.registration.NormalizeNameComponentExCallback = (PVOID)normalize;
        engine_assert_status(one_load(), STATUS_INVALID_PARAMETER);
        one_tear_down();
}

static void test_registry(void)
{
        one_set_up();
        fm_registry_delete_tree(FM_SERVICES_KEY "\\one");
        engine_assert_status(one_load(), STATUS_OBJECT_NAME_NOT_FOUND);
        fm_registry_set_string(ONE_INSTANCES, "DefaultInstance", "one");
        engine_assert_status(one_load(), STATUS_OBJECT_NAME_NOT_FOUND);
        one_set_instance(ONE_INSTANCES, "one", "not a number", 0);
        engine_assert_status(one_load(), STATUS_OBJECT_NAME_NOT_FOUND);
        fm_registry_delete_tree(FM_SERVICES_KEY "\\one");

        /* Where Windows 11 24H2 wants them. */
        fm_registry_set_string(FM_SERVICES_KEY "\\one\\Parameters\\Instances", "DefaultInstance", "one");
        one_set_instance(FM_SERVICES_KEY "\\one\\Parameters\\Instances", "one", "200000", 0);
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) started");
        one_tear_down();
}

/* As many digits as anybody likes, and none of them is lost. */
static void test_long_altitudes(void)
{
        g_autofree char *low = g_strdup_printf("%0300d.%0300d1", 7, 0), *high = g_strdup_printf("1%0300d", 0);

        one_set_up();
        one_set_instance(ONE_INSTANCES, "one", low, 0);
        one_set_instance(ONE_INSTANCES, "plain", "7", 0);
        one_set_instance(ONE_INSTANCES, "high", high, 0);
        engine_assert_status(one_load(), STATUS_SUCCESS);
        g_assert_cmpuint(engine_volume->instances->len, ==, 3);
        for (int i = 0; i < 3; i++)
                g_assert_cmpstr(((PFLT_INSTANCE)engine_volume->instances->pdata[i])->altitude, ==,
                                i == 0 ? high : i == 1 ? low : "7");
        one_tear_down();
}

static NTSTATUS second_status;

static NTSTATUS entry_twice(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        NTSTATUS status = one_entry(driver, path);
        PFLT_FILTER second = NULL;

        second_status = FltRegisterFilter(driver, &one.registration, &second);
        return status;
}

static void test_register_twice(void)
{
        g_autofree char *error = NULL;

        one_set_up();
        engine_assert_status(fm_driver_start("one", entry_twice, &error), STATUS_SUCCESS);
        engine_assert_status(second_status, STATUS_FLT_INSTANCE_NAME_COLLISION);
        engine_assert_status(FltLoadFilter(&(UNICODE_STRING)RTL_CONSTANT_STRING(L"one")), STATUS_IMAGE_ALREADY_LOADED);
        engine_assert_status(FltLoadFilter(&(UNICODE_STRING)RTL_CONSTANT_STRING(L"no such filter")),
                             STATUS_OBJECT_NAME_NOT_FOUND);
        engine_assert_status(FltUnloadFilter(&(UNICODE_STRING)RTL_CONSTANT_STRING(L"no such filter")),
                             STATUS_FLT_FILTER_NOT_FOUND);
        engine_assert_status(fm_driver_start("one", one_entry, &error), STATUS_IMAGE_ALREADY_LOADED);
        one_tear_down();
}

/* Everything that may be NULL is. Such a filter attaches everywhere, can't be detached by hand, and is never unloaded.
 */
static void test_nothing_registered(void)
{
        PFLT_CONTEXT context;

        one_set_up();
        one.registration = (FLT_REGISTRATION){ .Size = sizeof(FLT_REGISTRATION), .Version = FLT_REGISTRATION_VERSION };
        engine_assert_status(one_load(), STATUS_SUCCESS);
        g_assert_cmpuint(engine_volume->instances->len, ==, 1);
        engine_assert_status(one_read(), STATUS_SUCCESS);
        engine_assert_status(FltDetachVolume(one.filter, engine_volume, NULL), STATUS_FLT_DO_NOT_DETACH);
        engine_assert_status(fm_filter_unload("one", false), STATUS_FLT_DO_NOT_DETACH);
        engine_assert_status(fm_filter_unload("one", true), STATUS_FLT_DO_NOT_DETACH);
        g_assert_cmpuint(engine_volume->instances->len, ==, 1);
        g_assert_false(fm_volume_wants(engine_volume, ~UINT64_C(0)));
        engine_assert_status(FltAllocateContext(one.filter, FLT_INSTANCE_CONTEXT, 16, NonPagedPool, &context),
                             STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND);
        /* Only the end of the filter manager ends one. */
        fm_filter_unload_all();
        g_assert_cmpuint(engine_volume->instances->len, ==, 0);
        one_tear_down();
}

static void test_shutdown_has_no_post(void)
{
        static const FLT_OPERATION_REGISTRATION shutdown[] = {{IRP_MJ_SHUTDOWN, 0, one_pre, one_post},
                                                              {IRP_MJ_OPERATION_END}};
        struct fm_operation *operation;

        one_set_up();
        one.registration.OperationRegistration = shutdown;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_expect("registered setup(1) started");
        one.on_pre = NULL;
        operation = fm_operation_new(engine_volume, IRP_MJ_SHUTDOWN, NULL, &engine_nobody);
        uint64_t before = fm_violation_count();
        engine_assert_status(fm_operation_run(operation), STATUS_SUCCESS);
        fm_operation_free(operation);
        one_expect("pre");
        g_assert_cmpuint(fm_violation_count(), ==, before + 1); /* it asked for a post-operation */
        one_tear_down();
}

/* ---- start ---- */

static void test_nothing_before_start(void)
{
        one_set_up();
        one.does_not_start = true;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        engine_assert_status(one_read(), STATUS_SUCCESS);
        one_expect("registered");
        engine_assert_status(fm_instance_attach(one.filter, engine_volume, "one", "1", 0, NULL),
                             STATUS_FLT_FILTER_NOT_READY);
        engine_assert_status(FltStartFiltering(one.filter), STATUS_SUCCESS);
        one_expect("setup(1)");
        engine_assert_status(FltStartFiltering(one.filter), STATUS_INVALID_PARAMETER);
        engine_assert_status(one_read(), STATUS_SUCCESS);
        one_expect("pre post");
        one_tear_down();
}

static void write_filter(const char *directory, const char *name, const char *image)
{
        g_autofree char *description = g_strdup_printf("%s/%s.conf", directory, name);
        g_autofree char *text = g_strdup_printf("[Service]\nName=%s\nAltitude=1000\nInstanceName=i\n", name);
        g_autofree char *path = g_strdup_printf("%s/%s.so", directory, name);

        g_assert_true(g_file_set_contents(description, text, -1, NULL));
        if (image)
                g_assert_true(g_file_set_contents(path, image, -1, NULL));
}

static void remove_filter(const char *directory, const char *name)
{
        g_autofree char *description = g_strdup_printf("%s/%s.conf", directory, name);
        g_autofree char *path = g_strdup_printf("%s/%s.so", directory, name);

        g_remove(description);
        g_remove(path);
}

static void test_load_statuses(void)
{
        g_autofree char *directory = g_dir_make_tmp("fltsim-register-XXXXXX", NULL);

        fm_filter_directory_add(directory);
        write_filter(directory, "no-filter", "this is no shared object");
        write_filter(directory, "no-image", NULL);
        engine_assert_status(FltLoadFilter(&(UNICODE_STRING)RTL_CONSTANT_STRING(L"no-filter")),
                             STATUS_INVALID_IMAGE_FORMAT);
        engine_assert_status(FltLoadFilter(&(UNICODE_STRING)RTL_CONSTANT_STRING(L"no-image")),
                             STATUS_OBJECT_NAME_NOT_FOUND);
        remove_filter(directory, "no-filter");
        remove_filter(directory, "no-image");
        g_rmdir(directory);
}

static void test_driver_entry_fails(void)
{
        uint64_t before;

        one_set_up();
        one.entry_status = STATUS_UNSUCCESSFUL;
        before = fm_violation_count();
        engine_assert_status(one_load(), STATUS_UNSUCCESSFUL);
        /* FilterUnload is not called; what the driver has left is reported and taken back. */
        one_expect("registered setup(1) started start(2) complete(2)");
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        g_assert_cmpuint(engine_volume->instances->len, ==, 0);
        one.entry_status = STATUS_SUCCESS;
        engine_assert_status(one_load(), STATUS_SUCCESS);
        one_tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/register/sizes-and-versions", test_sizes_and_versions);
        g_test_add_func("/register/newer-fields", test_newer_fields);
        g_test_add_func("/register/refused-majors", test_refused_majors);
        g_test_add_func("/register/all-majors", test_all_majors);
        g_test_add_func("/register/flags", test_flags);
        g_test_add_func("/register/normalize-without-generate", test_normalize_without_generate);
        g_test_add_func("/register/registry", test_registry);
        g_test_add_func("/register/long-altitudes", test_long_altitudes);
        g_test_add_func("/register/register-twice", test_register_twice);
        g_test_add_func("/register/nothing-registered", test_nothing_registered);
        g_test_add_func("/register/shutdown-has-no-post", test_shutdown_has_no_post);
        g_test_add_func("/register/nothing-before-start", test_nothing_before_start);
        g_test_add_func("/register/load-statuses", test_load_statuses);
        g_test_add_func("/register/driver-entry-fails", test_driver_entry_fails);
        return g_test_run();
}
