/* SPDX-License-Identifier: MIT */
/*
 * Loading and unloading filters: the registry from an INF or a key file, the image by dlopen() with private
 * symbols, DriverEntry, and FilterUnload.
 *
 * A driver is in the list from before DriverEntry until after its image is closed, so that two loads of
 * one service can't cross. The list lock is never held while filter code runs.
 */
#include "fltmgr/loader.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fltmgr/manager.h"
#include "nt/inf.h"
#include "nt/io.h"
#include "nt/ke.h"
#include "nt/keyfile.h"
#include "nt/ledger.h"
#include "nt/log.h"
#include "nt/object.h"
#include "nt/pool.h"
#include "nt/registry.h"
#include "nt/status.h"
#include "nt/unicode.h"
#include "nt/verifier.h"

#ifndef FM_FILTER_DIR
#define FM_FILTER_DIR "/usr/local/lib/fltsim/filters"
#endif

struct driver {
        PDRIVER_OBJECT object;
        char *name;
        void *image;
        UNICODE_STRING registry_path;
        bool keep_image;
        bool busy;      /* guarded by drivers_lock: being loaded or unloaded */
        bool mandatory; /* guarded by drivers_lock: of the unload in progress */
};

static pthread_mutex_t drivers_lock = PTHREAD_MUTEX_INITIALIZER;
static GQueue drivers = G_QUEUE_INIT;       /* guarded by drivers_lock */
static GPtrArray *directories;              /* guarded by drivers_lock */
static GPtrArray *stuck;                    /* guarded by drivers_lock; names of those whose image had to stay */

/* A driver object is a loaded driver's: it is in the list. */
static struct driver *driver_of_locked(PDRIVER_OBJECT object)
{
        GList *link = drivers.head;

        while (((struct driver *)link->data)->object != object)
                link = link->next;
        return link->data;
}

char *fm_driver_service_name(PDRIVER_OBJECT object)
{
        char *name;

        pthread_mutex_lock(&drivers_lock);
        name = g_strdup(driver_of_locked(object)->name);
        pthread_mutex_unlock(&drivers_lock);
        return name;
}

bool fm_driver_unload_is_mandatory(PDRIVER_OBJECT object)
{
        bool mandatory;

        pthread_mutex_lock(&drivers_lock);
        mandatory = driver_of_locked(object)->mandatory;
        pthread_mutex_unlock(&drivers_lock);
        return mandatory;
}

void fm_driver_keep_image(PDRIVER_OBJECT object)
{
        pthread_mutex_lock(&drivers_lock);
        driver_of_locked(object)->keep_image = true;
        pthread_mutex_unlock(&drivers_lock);
}

void fm_filter_directory_add(const char *path)
{
        pthread_mutex_lock(&drivers_lock);
        if (!directories)
                directories = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(directories, g_strdup(path));
        pthread_mutex_unlock(&drivers_lock);
}

/* The directories in the order in which they are searched: those added, FLTSIM_FILTER_PATH, the installed one. */
static char **search_path(void)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        const char *environment = g_getenv("FLTSIM_FILTER_PATH");

        pthread_mutex_lock(&drivers_lock);
        for (unsigned i = 0; directories && i < directories->len; i++)
                g_strv_builder_add(builder, directories->pdata[i]);
        pthread_mutex_unlock(&drivers_lock);
        if (environment) {
                g_auto(GStrv) parts = g_strsplit(environment, ":", -1);

                for (unsigned i = 0; parts[i]; i++)
                        if (*parts[i])
                                g_strv_builder_add(builder, parts[i]);
        }
        g_strv_builder_add(builder, FM_FILTER_DIR);
        return g_strv_builder_end(builder);
}

/* The file of that name in the directory, in whatever case, or NULL. */
static char *find_without_case(const char *directory, const char *name)
{
        g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
        const char *entry;

        while (dir && (entry = g_dir_read_name(dir)))
                if (g_ascii_strcasecmp(entry, name) == 0)
                        return g_build_filename(directory, entry, NULL);
        return NULL;
}

/* directory/stem + the first suffix that names a file, or NULL. An exact name goes before one in another case. */
static char *first_existing(const char *directory, const char *stem, const char *const *suffixes)
{
        for (unsigned i = 0; suffixes[i]; i++) {
                g_autofree char *name = g_strconcat(stem, suffixes[i], NULL);
                char *path = g_build_filename(directory, name, NULL);

                if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
                        return path;
                g_free(path);
        }
        for (unsigned i = 0; suffixes[i]; i++) {
                g_autofree char *name = g_strconcat(stem, suffixes[i], NULL);
                char *path = find_without_case(directory, name);

                if (path && g_file_test(path, G_FILE_TEST_IS_REGULAR))
                        return path;
                g_free(path);
        }
        return NULL;
}

static const char *const description_suffixes[] = { ".inf", ".conf", NULL };
static const char *const image_suffixes[] = { ".so", ".sys", NULL };

static char *without_suffix(const char *name)
{
        const char *dot = strrchr(name, '.');

        return dot && !strchr(dot, '/') ? g_strndup(name, (gsize)(dot - name)) : g_strdup(name);
}

static char *not_a_file(const char *path)
{
        return g_strdup_printf(g_file_test(path, G_FILE_TEST_EXISTS) ? "%s is not a file" : "%s: no such file", path);
}

/* Path of the .inf or .conf that describes what spec names. */
static char *find_description(const char *spec, char **error)
{
        if (g_str_has_suffix(spec, ".inf") || g_str_has_suffix(spec, ".conf")) {
                if (g_file_test(spec, G_FILE_TEST_IS_REGULAR))
                        return g_strdup(spec);
                *error = not_a_file(spec);
                return NULL;
        }
        if (g_str_has_suffix(spec, ".so") || g_str_has_suffix(spec, ".sys") || strchr(spec, '/')) {
                g_autofree char *directory = g_path_get_dirname(spec);
                g_autofree char *base = g_path_get_basename(spec);
                g_autofree char *stem = without_suffix(base);
                char *path;

                if (!g_file_test(spec, G_FILE_TEST_EXISTS)) {
                        *error = g_strdup_printf("%s: no such file", spec);
                        return NULL;
                }
                path = first_existing(directory, stem, description_suffixes);
                if (!path)
                        *error = g_strdup_printf("%s: neither %s.inf nor %s.conf lies beside it; a filter needs one "
                                                 "of them for its altitude",
                                                 spec, stem, stem);
                return path;
        }

        g_auto(GStrv) path = search_path();
        for (unsigned i = 0; path[i]; i++) {
                char *found = first_existing(path[i], spec, description_suffixes);

                if (found)
                        return found;
        }
        g_autofree char *where = g_strjoinv(", ", path);
        *error = g_strdup_printf("no filter named \"%s\" (looked for %s.inf and %s.conf in %s); name its .inf, .conf "
                                 "or .so file, or set FLTSIM_FILTER_PATH",
                                 spec, spec, spec, where);
        return NULL;
}

static char *find_image(const char *spec, const char *description, const struct fm_service *service, char **error)
{
        g_autofree char *directory = g_path_get_dirname(description);
        g_autofree char *stem = service->image ? without_suffix(service->image) : g_strdup(service->name);
        char *found;

        if (g_str_has_suffix(spec, ".so") || g_str_has_suffix(spec, ".sys"))
                return g_strdup(spec);
        found = first_existing(directory, stem, image_suffixes);
        if (found)
                return found;
        g_auto(GStrv) path = search_path();
        for (unsigned i = 0; path[i]; i++) {
                found = first_existing(path[i], stem, image_suffixes);
                if (found)
                        return found;
        }
        *error = g_strdup_printf("%s names the image %s, but there is no %s.so beside it or in the filter directories; "
                                 "build it with fltcc",
                                 description, service->image ? service->image : service->name, stem);
        return NULL;
}

static struct driver *find_locked(const char *name)
{
        for (GList *l = drivers.head; l; l = l->next)
                if (g_ascii_strcasecmp(((struct driver *)l->data)->name, name) == 0)
                        return l->data;
        return NULL;
}

/* Enters the list; NULL: a driver of that name is there already. */
static struct driver *driver_new(const char *name)
{
        struct driver *driver = NULL;

        pthread_mutex_lock(&drivers_lock);
        if (!find_locked(name)) {
                g_autofree char *key = g_strdup_printf("%s\\%s", FM_SERVICES_KEY, name);

                driver = g_new0(struct driver, 1);
                driver->object = fm_driver_new(name);
                driver->name = g_strdup(name);
                driver->busy = true;
                fm_unicode_string_set(&driver->registry_path, key);
                g_queue_push_tail(&drivers, driver);
        }
        pthread_mutex_unlock(&drivers_lock);
        return driver;
}

static void driver_free(struct driver *driver)
{
        struct fm_culprit culprit = { .filter = driver->name };
        uint64_t blocks;

        fm_ledger_wait_for_threads(driver->name);
        fm_dpc_flush();
        if (!fm_ledger_close(driver->name))
                driver->keep_image = true;
        fm_driver_delete_devices(driver->object);
        blocks = fm_pool_report_leaks(driver->name, &culprit.code);
        if (blocks)
                fm_violation_of(&culprit, "pool-leak", "%" G_GUINT64_FORMAT " pool allocations were never freed", blocks);
        pthread_mutex_lock(&drivers_lock);
        g_queue_remove(&drivers, driver);
        if (driver->keep_image) {
                if (!stuck)
                        stuck = g_ptr_array_new();
                g_ptr_array_add(stuck, (void *)g_intern_string(driver->name));
        }
        pthread_mutex_unlock(&drivers_lock);
        if (driver->image && !driver->keep_image)
                dlclose(driver->image);
        fm_unicode_string_clear(&driver->registry_path);
        fm_object_unref(driver->object);
        g_free(driver->name);
        g_free(driver);
}

static NTSTATUS call_driver_entry(struct driver *driver, PDRIVER_INITIALIZE entry)
{
        struct fm_thread *self = fm_thread_self();
        struct fm_thread saved = *self;
        NTSTATUS status;

        self->filter = driver->name;
        self->callback = "DriverEntry";
        self->operation = NULL;
        self->code = (const void *)entry;
        self->file = NULL;
        self->thread = NULL;
        self->cancel = NULL;
        status = entry(driver->object, &driver->registry_path);
        *self = saved;
        return status;
}

static char *status_text(NTSTATUS status)
{
        const char *name = fm_status_name(status);

        return name ? g_strdup_printf("0x%08x (%s)", (unsigned)status, name) :
                      g_strdup_printf("0x%08x", (unsigned)status);
}

/* Runs DriverEntry. What a failed one leaves registered is reported and taken back. */
static NTSTATUS start_driver(struct driver *driver, PDRIVER_INITIALIZE entry, char **error)
{
        NTSTATUS status = call_driver_entry(driver, entry);
        g_autofree char *text = NULL;
        PFLT_FILTER filter;

        if (NT_SUCCESS(status)) {
                pthread_mutex_lock(&drivers_lock);
                driver->busy = false;
                pthread_mutex_unlock(&drivers_lock);
                return status;
        }
        text = status_text(status);
        *error = g_strdup_printf("DriverEntry of %s failed with status %s; its messages are in the log (--log-level info)", driver->name, text);
        filter = fm_filter_ref_by_name(driver->name);
        if (filter) {
                fm_violation_of(&(struct fm_culprit){ driver->name, "DriverEntry", NULL, (const void *)entry },
                                "driver-entry-left-registered", "failed without FltUnregisterFilter");
                FltUnregisterFilter(filter);
                fm_flt_object_unref(filter);
        }
        return status;
}

/* What dlopen() does not say of a file, or says in a way that leads astray. */
static const char *why_not_loadable(const char *path)
{
        unsigned char theirs[EI_NIDENT + 4] = "", ours[EI_NIDENT + 4] = "";
        FILE *file = fopen(path, "re"), *self = fopen("/proc/self/exe", "re");
        const char *why = NULL;

        if (!file)
                why = g_strerror(errno);
        else if (fread(theirs, 1, sizeof(theirs), file) >= 2 && memcmp(theirs, "MZ", 2) == 0)
                why = "it is a Windows binary, and only its source can be used";
        else if (memcmp(theirs, ELFMAG, SELFMAG) == 0 && self && fread(ours, 1, sizeof(ours), self) == sizeof(ours) &&
                 (theirs[EI_CLASS] != ours[EI_CLASS] || memcmp(theirs + EI_NIDENT + 2, ours + EI_NIDENT + 2, 2) != 0))
                why = "it is built for another kind of processor";
        if (file)
                fclose(file);
        if (self)
                fclose(self);
        return why;
}

/* Maps the image; NULL and *error if it is none of a filter. */
static void *open_image(const char *path, PDRIVER_INITIALIZE *entry, char **error)
{
        g_autofree char *absolute = g_canonicalize_filename(path, NULL);
        void *image;

        if (!g_file_test(absolute, G_FILE_TEST_IS_REGULAR)) {
                *error = not_a_file(path);
                return NULL;
        }
        image = dlopen(absolute, RTLD_NOW | RTLD_LOCAL);
        if (!image) {
                const char *said = dlerror(), *why = why_not_loadable(absolute);

                *error = g_strdup_printf("%s is not a filter that can be loaded: %s; build it with fltcc", path,
                                         why ? why : said);
                return NULL;
        }
        *entry = (PDRIVER_INITIALIZE)dlsym(image, "DriverEntry");
        if (!*entry) {
                *error = g_strdup_printf("%s is not a filter: it has no DriverEntry; build it with fltcc", path);
                dlclose(image);
                return NULL;
        }
        return image;
}

static bool is_stuck(const char *name)
{
        bool found = false;

        pthread_mutex_lock(&drivers_lock);
        for (unsigned i = 0; stuck && i < stuck->len && !found; i++)
                found = g_ascii_strcasecmp(stuck->pdata[i], name) == 0;
        pthread_mutex_unlock(&drivers_lock);
        return found;
}

static bool is_loaded(const char *name)
{
        bool found;

        pthread_mutex_lock(&drivers_lock);
        found = find_locked(name) != NULL;
        pthread_mutex_unlock(&drivers_lock);
        return found;
}

/* Takes the image over, also when it fails. */
static NTSTATUS run_driver(const char *name, void *image, PDRIVER_INITIALIZE entry, char **error)
{
        struct driver *driver;
        NTSTATUS status;

        if (is_stuck(name)) {
                *error = g_strdup_printf("the filter %s has left references behind when it was unloaded; it can be loaded "
                                         "again in a new filter manager", name);
                if (image)
                        dlclose(image);
                return STATUS_DRIVER_FAILED_PRIOR_UNLOAD;
        }
        driver = driver_new(name);
        if (!driver) {
                *error = g_strdup_printf("the filter %s is loaded already", name);
                if (image)
                        dlclose(image);
                return STATUS_IMAGE_ALREADY_LOADED;
        }
        driver->image = image;
        status = start_driver(driver, entry, error);
        if (!NT_SUCCESS(status))
                driver_free(driver);
        return status;
}

static NTSTATUS load(const char *spec, const char *image_override, char **error)
{
        g_autofree char *description = find_description(spec, error);
        g_autoptr(GError) parse_error = NULL;
        g_autofree char *path = NULL;
        struct fm_service service = { 0 };
        PDRIVER_INITIALIZE entry;
        NTSTATUS status;
        void *image;
        bool parsed;

        if (!description) {
                /* A service that runs, whatever file it came from. */
                if (!is_loaded(spec))
                        return STATUS_OBJECT_NAME_NOT_FOUND;
                g_free(*error);
                *error = g_strdup_printf("the filter %s is loaded already", spec);
                return STATUS_IMAGE_ALREADY_LOADED;
        }
        parsed = g_str_has_suffix(description, ".inf") ? fm_inf_load(description, &service, &parse_error) :
                                                         fm_keyfile_load(description, &service, &parse_error);
        if (!parsed) {
                *error = g_strdup(parse_error->message);
                return STATUS_INVALID_PARAMETER;
        }
        path = image_override ? g_strdup(image_override) : find_image(spec, description, &service, error);
        image = path ? open_image(path, &entry, error) : NULL;
        if (!path)
                status = STATUS_OBJECT_NAME_NOT_FOUND;
        else if (!image)
                status = STATUS_INVALID_IMAGE_FORMAT;
        else
                status = run_driver(service.name, image, entry, error);
        if (NT_SUCCESS(status))
                fm_log(FM_LOG_INFO, "fltmgr", "%s is loaded (%s)", service.name, path);
        fm_service_clear(&service);
        return status;
}

NTSTATUS fm_driver_start(const char *name, PDRIVER_INITIALIZE entry, char **error)
{
        return run_driver(name, NULL, entry, error);
}

NTSTATUS fm_filter_load(const char *spec, const char *image, char **error)
{
        g_autofree char *text = NULL;
        NTSTATUS status = load(spec, image, &text);

        if (!NT_SUCCESS(status)) {
                /* Who takes the text will say it where it is read. */
                if (error)
                        *error = g_steal_pointer(&text);
                else
                        fm_log(FM_LOG_WARNING, "fltmgr", "%s", text);
        }
        return status;
}

/* Claims the driver for an unload. */
static NTSTATUS claim(const char *name, bool mandatory, struct driver **ret)
{
        struct driver *driver;
        NTSTATUS status = STATUS_SUCCESS;

        pthread_mutex_lock(&drivers_lock);
        driver = find_locked(name);
        if (!driver) {
                status = STATUS_FLT_FILTER_NOT_FOUND;
        } else if (driver->busy) {
                status = STATUS_FLT_DELETING_OBJECT;
        } else {
                driver->busy = true;
                driver->mandatory = mandatory;
        }
        pthread_mutex_unlock(&drivers_lock);
        *ret = driver;
        return status;
}

static void unclaim(struct driver *driver)
{
        pthread_mutex_lock(&drivers_lock);
        driver->busy = false;
        driver->mandatory = false;
        pthread_mutex_unlock(&drivers_lock);
}

static NTSTATUS call_unload(PFLT_FILTER filter, bool mandatory)
{
        struct fm_callback_scope scope;
        NTSTATUS status;

        if (!filter->registration.FilterUnloadCallback)
                return STATUS_FLT_DO_NOT_DETACH;
        if (mandatory && (filter->registration.Flags & FLTFL_REGISTRATION_DO_NOT_SUPPORT_SERVICE_STOP))
                return STATUS_INVALID_DEVICE_REQUEST;
        fm_callback_enter(&scope, filter, "FilterUnload", NULL, NULL);
        fm_thread_self()->code = (const void *)filter->registration.FilterUnloadCallback;
        status = filter->registration.FilterUnloadCallback(mandatory ? FLTFL_FILTER_UNLOAD_MANDATORY : 0);
        fm_callback_leave(&scope);
        return mandatory ? STATUS_SUCCESS : status;
}

NTSTATUS fm_filter_unload(const char *name, bool mandatory)
{
        struct driver *driver;
        PFLT_FILTER filter;
        NTSTATUS status = claim(name, mandatory, &driver);

        if (!NT_SUCCESS(status))
                return status;
        filter = fm_filter_ref_by_name(name);
        if (filter) {
                status = call_unload(filter, mandatory);
                if (NT_SUCCESS(status) && filter->state != FM_FILTER_UNLOADING) {
                        fm_violation_of(&(struct fm_culprit){ name, "FilterUnload", NULL,
                                                              (const void *)filter->registration.FilterUnloadCallback },
                                        "unload-without-unregister", "returned without FltUnregisterFilter");
                        FltUnregisterFilter(filter);
                }
                fm_flt_object_unref(filter);
        }
        if (!NT_SUCCESS(status)) {
                unclaim(driver);
                return status;
        }
        driver_free(driver);
        fm_log(FM_LOG_INFO, "fltmgr", "%s is unloaded", name);
        return STATUS_SUCCESS;
}

void fm_filter_unload_all(void)
{
        for (;;) {
                g_autofree char *name = NULL;
                PFLT_FILTER filter = NULL;

                pthread_mutex_lock(&fm_manager.lock);
                for (unsigned i = 0; i < fm_manager.filters->len && !filter; i++) {
                        filter = fm_manager.filters->pdata[i];
                        if (filter->state == FM_FILTER_UNLOADING)
                                filter = NULL;
                }
                if (filter) {
                        name = g_strdup(filter->name);
                        fm_flt_object_ref(filter);
                }
                pthread_mutex_unlock(&fm_manager.lock);
                if (!filter)
                        return;
                if (!NT_SUCCESS(fm_filter_unload(name, true))) {
                        /* A filter that can't be unloaded gives way all the same: the process ends. */
                        FltUnregisterFilter(filter);
                        fm_filter_unload(name, true);
                }
                fm_flt_object_unref(filter);
        }
}

/*
 * Loads the filter with that service name, as FilterLoad() does for an agent. IRQL PASSIVE_LEVEL.
 * STATUS_IMAGE_ALREADY_LOADED, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_INVALID_IMAGE_FORMAT, or what DriverEntry returned.
 */
NTSTATUS FltLoadFilter(PCUNICODE_STRING FilterName)
{
        g_autofree char *name = fm_utf8_from_utf16(FilterName->Buffer, FilterName->Length / sizeof(WCHAR));

        fm_check_irql(__func__, PASSIVE_LEVEL);
        return fm_filter_load(name, NULL, NULL);
}

/* Unloads it, if its FilterUnload agrees. STATUS_FLT_FILTER_NOT_FOUND, STATUS_FLT_DO_NOT_DETACH (no FilterUnload), or its status. */
NTSTATUS FltUnloadFilter(PCUNICODE_STRING FilterName)
{
        g_autofree char *name = fm_utf8_from_utf16(FilterName->Buffer, FilterName->Length / sizeof(WCHAR));

        fm_check_irql(__func__, PASSIVE_LEVEL);
        return fm_filter_unload(name, false);
}
