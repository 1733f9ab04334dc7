/* SPDX-License-Identifier: MIT */
/* See irp-harness.h. */
#include "irp-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fltmgr/fsd.h"
#include "fltmgr/loader.h"
#include "fuse/fsd.h"
#include "fuse/request.h"
#include "fuse/session.h"
#include "nt/registry.h"
#include "nt/unicode.h"

#define WAIT_SECONDS 20

char *irp_source, *irp_mount;

static char *base;
static pid_t guard_pid;
static int guard_fd;
static struct fm_session *session;
static PFLT_FILTER filter;
static PFLT_INSTANCE instance;
static uint64_t majors; /* that the filter registers for */

static struct {
        pthread_mutex_t lock; /* not GLib's, which race detectors can't see */
        pthread_cond_t changed;
        GPtrArray *records; /* struct irp_record */
        uint64_t watched;
        const struct irp_rule *rule;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void record_free(gpointer opaque)
{
        struct irp_record *record = opaque;

        g_free(record->token);
        g_free(record->name);
        g_free(record);
}

static const char *const names[] = {
        [IRP_MJ_CREATE] = "CREATE",
        [IRP_MJ_CLOSE] = "CLOSE",
        [IRP_MJ_READ] = "READ",
        [IRP_MJ_WRITE] = "WRITE",
        [IRP_MJ_QUERY_INFORMATION] = "QUERY_INFORMATION",
        [IRP_MJ_SET_INFORMATION] = "SET_INFORMATION",
        [IRP_MJ_QUERY_EA] = "QUERY_EA",
        [IRP_MJ_SET_EA] = "SET_EA",
        [IRP_MJ_FLUSH_BUFFERS] = "FLUSH_BUFFERS",
        [IRP_MJ_QUERY_VOLUME_INFORMATION] = "QUERY_VOLUME",
        [IRP_MJ_DIRECTORY_CONTROL] = "DIRECTORY_CONTROL",
        [IRP_MJ_FILE_SYSTEM_CONTROL] = "FSCTL",
        [IRP_MJ_LOCK_CONTROL] = "LOCK_CONTROL",
        [IRP_MJ_CLEANUP] = "CLEANUP",
        [IRP_MJ_QUERY_SECURITY] = "QUERY_SECURITY",
        [IRP_MJ_SET_SECURITY] = "SET_SECURITY",
};

static char *token_of(PFLT_CALLBACK_DATA data)
{
        static const char *const dispositions[] = {"SUPERSEDE", "OPEN",      "CREATE",
                                                   "OPEN_IF",   "OVERWRITE", "OVERWRITE_IF"};
        const FLT_IO_PARAMETER_BLOCK *iopb = data->Iopb;
        const ULONG options = iopb->Parameters.Create.Options;

        switch (iopb->MajorFunction) {
        case IRP_MJ_CREATE:
                return g_strdup_printf("CREATE(%s%s%s%s%s%s)", dispositions[(options >> 24) % 6],
                                       options & FILE_DIRECTORY_FILE ? ",DIR" : "",
                                       options & FILE_NON_DIRECTORY_FILE ? ",NONDIR" : "",
                                       options & FILE_OPEN_REPARSE_POINT ? ",REPARSE" : "",
                                       options & FILE_DELETE_ON_CLOSE ? ",DELETE" : "",
                                       iopb->OperationFlags & SL_OPEN_TARGET_DIRECTORY ? ",TARGET" : "");
        case IRP_MJ_QUERY_INFORMATION:
                return g_strdup_printf("QUERY_INFORMATION(%d)",
                                       iopb->Parameters.QueryFileInformation.FileInformationClass);
        case IRP_MJ_SET_INFORMATION:
                return g_strdup_printf("SET_INFORMATION(%d)",
                                       iopb->Parameters.SetFileInformation.FileInformationClass);
        case IRP_MJ_QUERY_VOLUME_INFORMATION:
                return g_strdup_printf("QUERY_VOLUME(%d)",
                                       iopb->Parameters.QueryVolumeInformation.FsInformationClass);
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                return g_strdup_printf("FSCTL(%x)", iopb->Parameters.FileSystemControl.Common.FsControlCode);
        case IRP_MJ_LOCK_CONTROL:
                return g_strdup_printf("LOCK_CONTROL(%d)", iopb->MinorFunction);
        case IRP_MJ_SET_SECURITY:
                return g_strdup_printf("SET_SECURITY(%x)", iopb->Parameters.SetSecurity.SecurityInformation);
        case IRP_MJ_QUERY_OPEN:
                return g_strdup_printf("QUERY_OPEN(%d)", iopb->Parameters.QueryOpen.FileInformationClass);
        case IRP_MJ_READ:
        case IRP_MJ_WRITE:
                if (iopb->IrpFlags & IRP_PAGING_IO)
                        return g_strdup_printf("%s(PAGING)", names[iopb->MajorFunction]);
                break;
        default:
                break;
        }
        if (iopb->MajorFunction < G_N_ELEMENTS(names) && names[iopb->MajorFunction])
                return g_strdup(names[iopb->MajorFunction]);
        return g_strdup_printf("MAJOR(%02x)", iopb->MajorFunction);
}

static struct irp_record *record_new(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        struct irp_record *record = g_new0(struct irp_record, 1);
        const FLT_IO_PARAMETER_BLOCK *iopb = data->Iopb;
        PFILE_OBJECT file = objects->FileObject;

        record->major = iopb->MajorFunction;
        record->minor = iopb->MinorFunction;
        record->token = token_of(data);
        record->irp_flags = iopb->IrpFlags;
        record->operation_flags = iopb->OperationFlags;
        record->pid = FltGetRequestorProcessId(data);
        record->mode = data->RequestorMode;
        record->status = STATUS_PENDING;
        if (file) {
                char *name = fm_utf8_from_utf16(file->FileName.Buffer, file->FileName.Length / sizeof(WCHAR));

                record->name = g_strdup(name);
                free(name);
                record->file_flags = file->Flags;
        } else {
                record->name = g_strdup("");
        }
        if (iopb->MajorFunction == IRP_MJ_CREATE) {
                record->access = iopb->Parameters.Create.SecurityContext->DesiredAccess;
                record->share = iopb->Parameters.Create.ShareAccess;
        }
        if (iopb->MajorFunction == IRP_MJ_READ) {
                record->offset = iopb->Parameters.Read.ByteOffset.QuadPart;
                record->length = iopb->Parameters.Read.Length;
        }
        if (iopb->MajorFunction == IRP_MJ_WRITE) {
                record->offset = iopb->Parameters.Write.ByteOffset.QuadPart;
                record->length = iopb->Parameters.Write.Length;
        }
        return record;
}

static int class_of(PFLT_CALLBACK_DATA data)
{
        switch (data->Iopb->MajorFunction) {
        case IRP_MJ_QUERY_INFORMATION:
                return (int)data->Iopb->Parameters.QueryFileInformation.FileInformationClass;
        case IRP_MJ_SET_INFORMATION:
                return (int)data->Iopb->Parameters.SetFileInformation.FileInformationClass;
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                return (int)data->Iopb->Parameters.FileSystemControl.Common.FsControlCode;
        default:
                return -1;
        }
}

static bool applies(const struct irp_rule *rule, PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects)
{
        g_autofree char *name = NULL;

        if (!rule ||
            (rule->major != data->Iopb->MajorFunction &&
             (!rule->other_major || rule->other_major != data->Iopb->MajorFunction)) ||
            (rule->class != -1 && rule->class != class_of(data)) ||
            (rule->not_pid && rule->not_pid == FltGetRequestorProcessId(data)))
                return false;
        if (!rule->name_suffix)
                return true;
        if (!objects->FileObject)
                return false;
        name = fm_utf8_from_utf16(objects->FileObject->FileName.Buffer,
                                  objects->FileObject->FileName.Length / sizeof(WCHAR));
        return g_str_has_suffix(name, rule->name_suffix);
}

/* What a rule's function has written, to the thread that made the system call. */
static void publish(void)
{
        pthread_mutex_lock(&state.lock);
        pthread_mutex_unlock(&state.lock);
}

static FLT_PREOP_CALLBACK_STATUS FLTAPI pre(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                            PVOID *context)
{
        struct irp_rule copy = {0};
        const struct irp_rule *rule = NULL;

        pthread_mutex_lock(&state.lock);
        if (state.rule) {
                copy = *state.rule;
                rule = &copy;
        }
        if (state.watched & fm_major_bit(data->Iopb->MajorFunction)) {
                struct irp_record *record = record_new(data, objects);

                g_ptr_array_add(state.records, record);
                pthread_cond_broadcast(&state.changed);
        }
        pthread_mutex_unlock(&state.lock);
        if (applies(rule, data, objects) && (rule->pre || !rule->in_post)) {
                if (rule->pre) {
                        rule->pre(data, objects);
                        publish();
                        return rule->pends && !rule->in_post ? FLT_PREOP_PENDING : FLT_PREOP_SUCCESS_WITH_CALLBACK;
                }
                if (rule->status == FM_STATUS_DISALLOW_FSFILTER_IO)
                        return FLT_PREOP_DISALLOW_FSFILTER_IO;
                data->IoStatus.Status = rule->status;
                data->IoStatus.Information = 0;
                return FLT_PREOP_COMPLETE;
        }
        return FLT_PREOP_SUCCESS_WITH_CALLBACK;
}

static FLT_POSTOP_CALLBACK_STATUS FLTAPI post(PFLT_CALLBACK_DATA data, PCFLT_RELATED_OBJECTS objects,
                                              PVOID context, FLT_POST_OPERATION_FLAGS flags)
{
        struct irp_rule copy = {0};
        const struct irp_rule *rule = NULL;
        guint i;

        if (flags & FLTFL_POST_OPERATION_DRAINING)
                return FLT_POSTOP_FINISHED_PROCESSING;
        pthread_mutex_lock(&state.lock);
        if (state.rule) {
                copy = *state.rule;
                rule = &copy;
        }
        if (state.watched & fm_major_bit(data->Iopb->MajorFunction)) {
                g_autofree char *token = token_of(data);

                for (i = state.records->len; i > 0; i--) {
                        struct irp_record *record = g_ptr_array_index(state.records, i - 1);

                        if (record->status == STATUS_PENDING && strcmp(record->token, token) == 0) {
                                record->status = data->IoStatus.Status;
                                record->information = data->IoStatus.Information;
                                pthread_cond_broadcast(&state.changed);
                                break;
                        }
                }
        }
        pthread_mutex_unlock(&state.lock);
        if (applies(rule, data, objects) && rule->in_post && NT_SUCCESS(data->IoStatus.Status)) {
                if (rule->post) {
                        rule->post(data, objects);
                        publish();
                        return rule->pends ? FLT_POSTOP_MORE_PROCESSING_REQUIRED : FLT_POSTOP_FINISHED_PROCESSING;
                }
                if (data->Iopb->MajorFunction == IRP_MJ_CREATE)
                        FltCancelFileOpen(objects->Instance, objects->FileObject);
                data->IoStatus.Status = rule->status;
                data->IoStatus.Information = 0;
        }
        return FLT_POSTOP_FINISHED_PROCESSING;
}

static NTSTATUS FLTAPI unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
        FltUnregisterFilter(filter);
        return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI setup(PCFLT_RELATED_OBJECTS objects, FLT_INSTANCE_SETUP_FLAGS flags,
                             DEVICE_TYPE device, FLT_FILESYSTEM_TYPE type)
{
        instance = objects->Instance;
        return STATUS_SUCCESS;
}

static NTSTATUS entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
        static const FLT_OPERATION_REGISTRATION all[] = {
                {IRP_MJ_CREATE, 0, pre, post},
                {IRP_MJ_CLOSE, 0, pre, post},
                {IRP_MJ_READ, 0, pre, post},
                {IRP_MJ_WRITE, 0, pre, post},
                {IRP_MJ_QUERY_INFORMATION, 0, pre, post},
                {IRP_MJ_SET_INFORMATION, 0, pre, post},
                {IRP_MJ_QUERY_EA, 0, pre, post},
                {IRP_MJ_SET_EA, 0, pre, post},
                {IRP_MJ_FLUSH_BUFFERS, 0, pre, post},
                {IRP_MJ_QUERY_VOLUME_INFORMATION, 0, pre, post},
                {IRP_MJ_SET_VOLUME_INFORMATION, 0, pre, post},
                {IRP_MJ_DIRECTORY_CONTROL, 0, pre, post},
                {IRP_MJ_FILE_SYSTEM_CONTROL, 0, pre, post},
                {IRP_MJ_DEVICE_CONTROL, 0, pre, post},
                {IRP_MJ_LOCK_CONTROL, 0, pre, post},
                {IRP_MJ_CLEANUP, 0, pre, post},
                {IRP_MJ_QUERY_SECURITY, 0, pre, post},
                {IRP_MJ_SET_SECURITY, 0, pre, post},
                {IRP_MJ_QUERY_OPEN, 0, pre, post},
        };
        FLT_OPERATION_REGISTRATION operations[G_N_ELEMENTS(all) + 1];
        FLT_REGISTRATION registration = {
                .Size = sizeof(registration),
                .Version = FLT_REGISTRATION_VERSION,
                .OperationRegistration = operations,
                .FilterUnloadCallback = unload,
                .InstanceSetupCallback = setup,
        };
        unsigned i, count = 0;
        NTSTATUS status;

        for (i = 0; i < G_N_ELEMENTS(all); i++)
                if (majors & fm_major_bit(all[i].MajorFunction))
                        operations[count++] = all[i];
        operations[count] = (FLT_OPERATION_REGISTRATION){IRP_MJ_OPERATION_END};

        status = FltRegisterFilter(driver, &registration, &filter);
        return NT_SUCCESS(status) ? FltStartFiltering(filter) : status;
}

bool irp_can_mount(void)
{
        if (access("/dev/fuse", R_OK | W_OK) == 0)
                return true;
        printf("1..0 # SKIP no access to /dev/fuse: %s\n", strerror(errno));
        return false;
}

char *irp_in_source(const char *name)
{
        return g_build_filename(irp_source, name, NULL);
}

char *irp_in_mount(const char *name)
{
        return g_build_filename(irp_mount, name, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

/*
 * The end of a test that fails. A process that serves a mount can't die while it has files open there: the
 * kernel closes them first, and asks the dying one. So the mount is cut before.
 */
static void die(int signal_number)
{
        if (write(guard_fd, "!", 1) == 1)
                waitpid(guard_pid, NULL, 0);
        signal(signal_number, SIG_DFL);
        raise(signal_number);
}

static void woken(int signal_number)
{
}

/* Outlives the test, however it ends, and leaves nothing mounted and nothing behind. */
static void guard_start(void)
{
        const struct sigaction wake = {.sa_handler = woken};
        const pid_t parent = getpid();
        int ends[2];
        char word = '!';

        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        guard_pid = fork();
        g_assert_cmpint(guard_pid, >=, 0);
        if (guard_pid > 0) {
                close(ends[0]);
                guard_fd = ends[1];
                signal(SIGABRT, die);
                signal(SIGTRAP, die); /* g_error() */
                signal(SIGTERM, die);
                return;
        }
        close(ends[1]);
        signal(SIGABRT, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        signal(SIGTERM, SIG_IGN);
        sigaction(SIGUSR1, &wake, NULL);
        prctl(PR_SET_PDEATHSIG, SIGUSR1);
        if (getppid() != parent || read(ends[0], &word, 1) != 1 || word == '!') {
                if (umount2(irp_mount, MNT_FORCE | MNT_DETACH) < 0 && fork() == 0)
                        _exit(execlp("fusermount3", "fusermount3", "-q", "-u", "-z", irp_mount, NULL));
                wait(NULL);
                nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        }
        _exit(0);
}

static void guard_stop(void)
{
        g_assert_cmpint((int)write(guard_fd, "", 1), ==, 1);
        close(guard_fd);
        waitpid(guard_pid, NULL, 0);
        signal(SIGABRT, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
}

void irp_attach(uint64_t which)
{
        g_autofree char *error = NULL;

        majors = which;
        fm_registry_set_string(FM_SERVICES_KEY "\\recorder\\Instances", "DefaultInstance", "recorder");
        fm_registry_set_string(FM_SERVICES_KEY "\\recorder\\Instances\\recorder", "Altitude", "385000");
        if (!NT_SUCCESS(fm_driver_start("recorder", entry, &error)))
                g_error("%s", error);
        g_assert_nonnull(instance);
}

void irp_detach(void)
{
        fm_filter_unload_all();
        filter = NULL;
        instance = NULL;
}

void irp_set_up(void)
{
        const struct fm_session_options options = {.sector_size = 512, .allow_other = geteuid() == 0};

        irp_set_up_with(~UINT64_C(0), &options);
}

void irp_set_up_with(uint64_t which, const struct fm_session_options *options)
{
        g_autofree char *error = NULL;

        fm_credentials_init();
        base = g_dir_make_tmp("fltsim-irp-XXXXXX", NULL);
        g_assert_nonnull(base);
        irp_source = g_build_filename(base, "source", NULL);
        irp_mount = g_build_filename(base, "mount", NULL);
        g_assert_cmpint(mkdir(irp_source, 0755), ==, 0);
        g_assert_cmpint(mkdir(irp_mount, 0755), ==, 0);
        g_assert_cmpint(chmod(base, 0755), ==, 0);
        guard_start();

        state.records = g_ptr_array_new_with_free_func(record_free);
        irp_watch(IRP_WATCH_DEFAULT);
        irp_set_rule(NULL);

        g_assert_cmpint(fm_request_monitor_start(), ==, 0);
        if (fm_session_open(irp_source, irp_mount, options, &session, &error) < 0 ||
            fm_session_add_volume(session, &fm_fuse_fsd, &error) < 0)
                g_error("%s", error);
        if (which)
                irp_attach(which);
        if (fm_session_mount(session, &error) < 0 || fm_session_start(session, NULL, NULL) < 0)
                g_error("%s", error ? error : "the mount does not start");
}

void irp_tear_down(void)
{
        irp_set_rule(NULL);
        fm_session_stop(session);
        irp_detach();
        fm_session_free(session);
        session = NULL;
        fm_request_monitor_stop();
        fm_registry_delete_tree(FM_SERVICES_KEY "\\recorder");
        g_ptr_array_unref(state.records);
        nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        guard_stop();
        g_clear_pointer(&base, g_free);
        g_clear_pointer(&irp_source, g_free);
        g_clear_pointer(&irp_mount, g_free);
}

void irp_clear(void)
{
        pthread_mutex_lock(&state.lock);
        g_ptr_array_set_size(state.records, 0);
        pthread_mutex_unlock(&state.lock);
}

void irp_watch(uint64_t watched)
{
        pthread_mutex_lock(&state.lock);
        state.watched = watched;
        pthread_mutex_unlock(&state.lock);
}

void irp_set_rule(const struct irp_rule *rule)
{
        /* What a rule's function has written is seen by who sets the next. */
        pthread_mutex_lock(&state.lock);
        state.rule = rule;
        pthread_mutex_unlock(&state.lock);
}

static char *joined_locked(void)
{
        GString *text = g_string_new(NULL);
        guint i;

        for (i = 0; i < state.records->len; i++)
                g_string_append_printf(text, "%s%s", i ? " " : "",
                                       ((struct irp_record *)g_ptr_array_index(state.records, i))->token);
        return g_string_free(text, FALSE);
}

void irp_expect_at(const char *file, int line, const char *expected)
{
        struct timespec until;
        g_auto(GStrv) tokens = g_strsplit(expected, " ", -1);
        g_autofree char *got = NULL;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += WAIT_SECONDS;
        pthread_mutex_lock(&state.lock);
        while (state.records->len < g_strv_length(tokens) &&
               pthread_cond_timedwait(&state.changed, &state.lock, &until) == 0)
                ;
        got = joined_locked();
        pthread_mutex_unlock(&state.lock);
        if (strcmp(got, expected) != 0)
                g_error("%s:%d:\n  expected %s\n  got      %s", file, line, expected, got);
}

const struct irp_record *irp_record(unsigned n)
{
        const struct irp_record *record;

        pthread_mutex_lock(&state.lock);
        g_assert_cmpuint(n, <, state.records->len);
        record = g_ptr_array_index(state.records, n);
        pthread_mutex_unlock(&state.lock);
        return record;
}

const struct irp_record *irp_find(const char *token)
{
        const struct irp_record *record = NULL;
        guint i;

        pthread_mutex_lock(&state.lock);
        for (i = 0; i < state.records->len && !record; i++)
                if (strcmp(((struct irp_record *)g_ptr_array_index(state.records, i))->token, token) == 0)
                        record = g_ptr_array_index(state.records, i);
        pthread_mutex_unlock(&state.lock);
        if (!record)
                g_error("no %s", token);
        return record;
}

unsigned irp_count(const char *token, const char *name_suffix)
{
        unsigned count = 0;
        guint i;

        pthread_mutex_lock(&state.lock);
        for (i = 0; i < state.records->len; i++) {
                const struct irp_record *record = g_ptr_array_index(state.records, i);

                count += strcmp(record->token, token) == 0 &&
                         (!name_suffix || g_str_has_suffix(record->name, name_suffix));
        }
        pthread_mutex_unlock(&state.lock);
        return count;
}

PFLT_INSTANCE irp_instance(void)
{
        return instance;
}

PFLT_FILTER irp_filter(void)
{
        return filter;
}
