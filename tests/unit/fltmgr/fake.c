/* SPDX-License-Identifier: MIT */
/* See fake.h. */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fltmgr/altitude.h"
#include "nt/object.h"
#include "nt/unicode.h"

struct fake_open {
        struct fake *fake;
        char *path;
};

static struct fake *fake_of(PFLT_VOLUME volume)
{
        return volume->fsd_context;
}

static struct fake_open *open_of(PFILE_OBJECT file)
{
        return fm_file_object(file)->fsd_file;
}

static char *path_of_name(PFILE_OBJECT file)
{
        g_autofree char *related = NULL;
        char *name = fm_name_from_unicode_string(&file->FileName), *path;

        if (file->RelatedFileObject)
                related = g_strdup(open_of(file->RelatedFileObject)->path);
        if (related)
                path = g_strcmp0(related, "/") == 0 ? g_strconcat("/", name, NULL)
                                                    : g_strconcat(related, "/", name, NULL);
        else
                path = g_strdup(name && *name ? name : "/");
        free(name);
        return path;
}

static void do_create(struct fake *fake, struct fm_operation *operation)
{
        PFILE_OBJECT file = operation->iopb.TargetFileObject;
        ULONG disposition = operation->iopb.Parameters.Create.Options >> 24;
        g_autofree char *path = path_of_name(file);
        struct fm_file_object *fo = fm_file_object(file);
        ULONG_PTR information = FILE_OPENED;
        struct fake_open *open;

        if (operation->iopb.OperationFlags & SL_OPEN_TARGET_DIRECTORY) {
                char *slash = strrchr(path, '/');

                slash[slash == path] = '\0';
        }
        g_string_append_printf(fake->log, " %s", path);
        if (!g_hash_table_contains(fake->files, path)) {
                if (disposition == FILE_OPEN || disposition == FILE_OVERWRITE) {
                        fm_operation_set_error(operation, ENOENT);
                        return;
                }
                fake_add(fake, path, operation->iopb.Parameters.Create.Options & FILE_DIRECTORY_FILE ? NULL : "");
                information = FILE_CREATED;
        }
        open = g_new0(struct fake_open, 1);
        open->fake = fake;
        open->path = g_strdup(path);
        fo->fsd_file = open;
        fo->directory = g_hash_table_lookup(fake->files, path) == NULL;
        fo->stream = fm_stream_new(operation->volume, NULL);
        file->FsContext = fo->stream;
        fm_operation_set_result(operation, STATUS_SUCCESS, information);
}

static void do_read(struct fm_operation *operation, GString *content)
{
        LONGLONG offset = operation->iopb.Parameters.Read.ByteOffset.QuadPart;
        gsize length = operation->iopb.Parameters.Read.Length;

        if (offset >= (LONGLONG)content->len) {
                fm_operation_set_result(operation, STATUS_END_OF_FILE, 0);
                return;
        }
        length = MIN(length, content->len - (gsize)offset);
        memcpy(operation->iopb.Parameters.Read.ReadBuffer, content->str + offset, length);
        fm_operation_set_result(operation, STATUS_SUCCESS, length);
}

static void do_write(struct fm_operation *operation, GString *content)
{
        LONGLONG offset = operation->iopb.Parameters.Write.ByteOffset.QuadPart;
        gsize length = operation->iopb.Parameters.Write.Length;

        if (offset < 0)
                offset = (LONGLONG)content->len;
        if (content->len < (gsize)offset + length)
                g_string_set_size(content, (gsize)offset + length);
        memcpy(content->str + offset, operation->iopb.Parameters.Write.WriteBuffer, length);
        fm_operation_set_result(operation, STATUS_SUCCESS, length);
}

static void do_query(struct fm_operation *operation, GString *content)
{
        FILE_STANDARD_INFORMATION *standard = operation->iopb.Parameters.QueryFileInformation.InfoBuffer;

        if (operation->iopb.Parameters.QueryFileInformation.FileInformationClass != FileStandardInformation) {
                fm_operation_set_result(operation, STATUS_INVALID_INFO_CLASS, 0);
                return;
        }
        memset(standard, 0, sizeof(*standard));
        standard->EndOfFile.QuadPart = content ? (LONGLONG)content->len : 0;
        standard->Directory = content == NULL;
        fm_operation_set_result(operation, STATUS_SUCCESS, sizeof(*standard));
}

static void do_fs_control(struct fm_operation *operation)
{
        FLT_PARAMETERS *p = &operation->iopb.Parameters;
        char *out = p->FileSystemControl.Buffered.SystemBuffer;

        /* Echoes the input backwards: shows that both directions work. */
        if ((p->FileSystemControl.Common.FsControlCode & 3) != METHOD_BUFFERED) {
                fm_operation_set_result(operation, STATUS_INVALID_DEVICE_REQUEST, 0);
                return;
        }
        for (ULONG i = 0, j = p->FileSystemControl.Common.InputBufferLength; j > i + 1; i++, j--) {
                char c = out[i];

                out[i] = out[j - 1];
                out[j - 1] = c;
        }
        fm_operation_set_result(operation, STATUS_SUCCESS, p->FileSystemControl.Common.InputBufferLength);
}

static void fake_dispatch(struct fm_operation *operation)
{
        struct fake *fake = fake_of(operation->volume);
        PFILE_OBJECT file = operation->iopb.TargetFileObject;
        GString *content = NULL;

        fake->last = operation->iopb;
        if (fake->log->len)
                g_string_append_c(fake->log, ';');
        g_string_append(fake->log, FltGetIrpName(operation->iopb.MajorFunction) + strlen("IRP_MJ_"));
        if (file && open_of(file))
                content = g_hash_table_lookup(fake->files, open_of(file)->path);
        switch (operation->iopb.MajorFunction) {
        case IRP_MJ_CREATE:
                do_create(fake, operation);
                break;
        case IRP_MJ_READ:
                do_read(operation, content);
                break;
        case IRP_MJ_WRITE:
                do_write(operation, content);
                break;
        case IRP_MJ_QUERY_INFORMATION:
                do_query(operation, content);
                break;
        case IRP_MJ_FILE_SYSTEM_CONTROL:
                do_fs_control(operation);
                break;
        default:
                fm_operation_set_result(operation, STATUS_SUCCESS, 0);
        }
}

static char *fake_path(PFILE_OBJECT file)
{
        struct fake_open *open = open_of(file);

        return g_hash_table_contains(open->fake->files, open->path) ? strdup(open->path) : NULL;
}

static void fake_close_file(PFILE_OBJECT file)
{
        struct fake_open *open = open_of(file);

        fm_stream_free(file->FsContext);
        g_free(open->path);
        g_free(open);
}

static int fake_open_data(PFILE_OBJECT file, bool writable)
{
        GString *content = g_hash_table_lookup(open_of(file)->fake->files, open_of(file)->path);
        int fd = memfd_create("fake", MFD_CLOEXEC);

        g_assert_cmpint(write(fd, content->str, content->len), ==, (gssize)content->len);
        return fd;
}

static void content_free(gpointer content)
{
        if (content)
                g_string_free(content, TRUE);
}

struct fake *fake_new(void)
{
        static const struct fm_fsd_ops fsd = {
                .dispatch = fake_dispatch,
                .path = fake_path,
                .close_file = fake_close_file,
                .open_data = fake_open_data,
        };
        static const struct fm_volume_options options = {.mount_point = "/mnt/fake", .sector_size = 512};
        struct fake *fake = g_new0(struct fake, 1);

        fake->log = g_string_new(NULL);
        fake->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, content_free);
        fake_add(fake, "/", NULL);
        fake->volume = fm_volume_new(&fsd, fake, &options, NULL);
        fake->filter = fake_filter("fake", "320000", NULL);
        fake->instance = fake_instance(fake->filter, fake->volume, "fake instance", "320000");
        return fake;
}

void fake_free(struct fake *fake)
{
        fake_instance_free(fake->instance);
        fake_filter_free(fake->filter);
        fm_volume_remove(fake->volume);
        g_string_free(fake->log, TRUE);
        g_hash_table_unref(fake->files);
        g_free(fake);
}

void fake_add(struct fake *fake, const char *path, const char *content)
{
        g_hash_table_insert(fake->files, g_strdup(path), content ? g_string_new(content) : NULL);
}

PFLT_FILTER fake_filter(const char *name, const char *altitude, const FLT_OPERATION_REGISTRATION *callbacks)
{
        PFLT_FILTER filter = g_new0(struct _FLT_FILTER, 1);

        fm_flt_object_init(&filter->object, FM_FLT_FILTER);
        filter->name = g_strdup(name);
        fm_unicode_string_set(&filter->Name, name);
        filter->altitude = g_strdup(altitude);
        filter->instances = g_ptr_array_new();
        filter->state = FM_FILTER_STARTED;
        pthread_mutex_init(&filter->contexts_lock, NULL);
        for (; callbacks && callbacks->MajorFunction != IRP_MJ_OPERATION_END; callbacks++)
                filter->callbacks[callbacks->MajorFunction] = callbacks;
        pthread_mutex_lock(&fm_manager.lock);
        g_ptr_array_add(fm_manager.filters, filter);
        pthread_mutex_unlock(&fm_manager.lock);
        return filter;
}

void fake_filter_free(PFLT_FILTER filter)
{
        pthread_mutex_lock(&fm_manager.lock);
        g_ptr_array_remove(fm_manager.filters, filter);
        pthread_mutex_unlock(&fm_manager.lock);
        fm_rundown_wait(&filter->object.rundown);
        fm_flt_object_unref(filter);
}

PFLT_INSTANCE fake_instance(PFLT_FILTER filter, PFLT_VOLUME volume, const char *name, const char *altitude)
{
        PFLT_INSTANCE instance = g_new0(struct _FLT_INSTANCE, 1);
        guint place;

        fm_flt_object_init(&instance->object, FM_FLT_INSTANCE);
        fm_flt_object_ref(filter);
        instance->filter = filter;
        fm_flt_object_ref(volume);
        instance->volume = volume;
        fm_unicode_string_set(&instance->Name, name);
        fm_unicode_string_set(&instance->Altitude, altitude);
        instance->altitude = g_strdup(altitude);
        instance->state = FM_INSTANCE_ACTIVE;
        fm_context_list_init(&instance->contexts);
        pthread_mutex_init(&instance->lock, NULL);
        pthread_cond_init(&instance->idle, NULL);
        pthread_mutex_lock(&fm_manager.lock);
        g_ptr_array_add(filter->instances, instance);
        for (place = 0; place < volume->instances->len; place++) {
                PFLT_INSTANCE neighbour = g_ptr_array_index(volume->instances, place);

                if (fm_altitude_compare(altitude, neighbour->altitude) > 0)
                        break;
        }
        g_ptr_array_insert(volume->instances, (gint)place, instance);
        fm_volume_rebuild_stack_locked(volume);
        pthread_mutex_unlock(&fm_manager.lock);
        return instance;
}

void fake_instance_free(PFLT_INSTANCE instance)
{
        pthread_mutex_lock(&fm_manager.lock);
        instance->state = FM_INSTANCE_TEARDOWN;
        g_ptr_array_remove(instance->filter->instances, instance);
        g_ptr_array_remove(instance->volume->instances, instance);
        fm_volume_rebuild_stack_locked(instance->volume);
        pthread_mutex_unlock(&fm_manager.lock);
        fm_rundown_wait(&instance->object.rundown);
        fm_context_owner_close(instance->filter, &instance->owned);
        fm_flt_object_unref(instance);
}

PFILE_OBJECT fake_file(struct fake *fake, const char *path, bool open)
{
        PFILE_OBJECT file = fm_file_object_new(fake->volume);

        g_assert_true(fm_name_to_unicode_string(path, strlen(path), &file->FileName));
        file->Flags = FO_SYNCHRONOUS_IO;
        if (open) {
                struct fm_requestor requestor = {.kernel = true};
                struct fm_operation *operation = fm_operation_new(fake->volume, IRP_MJ_CREATE, file, &requestor);

                operation->iopb.Parameters.Create.Options = (ULONG)FILE_OPEN << 24;
                assert_status(fm_operation_run(operation), STATUS_SUCCESS);
                fm_operation_free(operation);
                g_string_truncate(fake->log, 0);
        }
        return file;
}

bool fake_equal(PCUNICODE_STRING string, const char *text)
{
        if (string->Length != strlen(text) * sizeof(WCHAR))
                return false;
        for (size_t i = 0; text[i]; i++)
                if (string->Buffer[i] != (unsigned char)text[i])
                        return false;
        return true;
}

UNICODE_STRING fake_string(const char *text)
{
        size_t length = strlen(text);
        WCHAR *chars = g_new(WCHAR, length + 1);

        for (size_t i = 0; i <= length; i++)
                chars[i] = (unsigned char)text[i];
        return (UNICODE_STRING){(USHORT)(length * 2), (USHORT)(length * 2 + 2), chars};
}
