/* SPDX-License-Identifier: MIT */
/*
 * Volumes: one per mounted source directory. They come and go with the front end.
 */
#include "fltmgr/fsd.h"
#include "fltmgr/manager.h"
#include "nt/log.h"
#include "nt/object.h"

static unsigned volumes_made; /* manager lock */

static POBJECT_TYPE device_type(void)
{
        static struct _OBJECT_TYPE type = { .name = "Device" };

        return &type;
}

static PDEVICE_OBJECT volume_device_new(DEVICE_TYPE type, ULONG sector_size, bool read_only)
{
        PDEVICE_OBJECT device = fm_object_new(device_type(), sizeof(*device));

        device->Type = 3; /* IO_TYPE_DEVICE */
        device->Size = sizeof(*device);
        device->DeviceType = type;
        device->Characteristics = read_only ? FILE_READ_ONLY_DEVICE : 0;
        device->SectorSize = (USHORT)sector_size;
        device->StackSize = 1;
        return device;
}

/* The names a volume goes by. The drive letter is C: for the first, D: for the second ... then none. */
static void name_volume(PFLT_VOLUME volume, unsigned number)
{
        g_autofree char *name = g_strdup_printf("\\Device\\HarddiskVolume%u", number);
        g_autofree char *guid = g_strdup_printf("\\??\\Volume{f1751a00-0000-4000-8000-%012x}", number);
        char letter[] = { (char)('C' + number - 1), ':', 0 };

        fm_unicode_string_set(&volume->Name, name);
        fm_unicode_string_set(&volume->GuidName, guid);
        fm_unicode_string_set(&volume->DosName, number <= 'Z' - 'C' + 1 ? letter : "");
}

PFLT_VOLUME fm_volume_new(const struct fm_fsd_ops *fsd, void *fsd_context, const struct fm_volume_options *options,
                          void (*wanted_changed)(PFLT_VOLUME volume))
{
        PFLT_VOLUME volume = g_new0(struct _FLT_VOLUME, 1);
        g_autoptr(GPtrArray) filters = g_ptr_array_new_with_free_func(fm_flt_object_unref);

        fm_flt_object_init(&volume->object, FM_FLT_VOLUME);
        volume->fsd = fsd;
        volume->fsd_context = fsd_context;
        volume->mount_point = g_strdup(options->mount_point);
        volume->sector_size = options->sector_size ? options->sector_size : 512;
        volume->read_only = options->read_only;
        volume->wanted_changed = wanted_changed;
        volume->device = volume_device_new(FILE_DEVICE_DISK_FILE_SYSTEM, volume->sector_size, options->read_only);
        volume->disk = volume_device_new(FILE_DEVICE_DISK, volume->sector_size, options->read_only);
        volume->instances = g_ptr_array_new();
        pthread_mutex_init(&volume->stack_lock, NULL);
        fm_context_list_init(&volume->contexts);

        pthread_mutex_lock(&fm_manager.lock);
        name_volume(volume, ++volumes_made);
        fm_volume_rebuild_stack_locked(volume);
        g_ptr_array_add(fm_manager.volumes, volume);
        for (unsigned i = 0; i < fm_manager.filters->len; i++) {
                PFLT_FILTER filter = fm_manager.filters->pdata[i];

                if (filter->state != FM_FILTER_STARTED)
                        continue;
                fm_flt_object_ref(filter);
                g_ptr_array_add(filters, filter);
        }
        pthread_mutex_unlock(&fm_manager.lock);

        for (unsigned i = 0; i < filters->len; i++)
                fm_instance_attach_automatic(filters->pdata[i], volume,
                                             FLTFL_INSTANCE_SETUP_AUTOMATIC_ATTACHMENT |
                                                     FLTFL_INSTANCE_SETUP_NEWLY_MOUNTED_VOLUME);
        return volume;
}

/* A memory reference to any one instance of the volume that is still a member, or NULL. */
static PFLT_INSTANCE some_instance(PFLT_VOLUME volume)
{
        PFLT_INSTANCE instance = NULL;

        pthread_mutex_lock(&fm_manager.lock);
        if (volume->instances->len) {
                instance = volume->instances->pdata[volume->instances->len - 1];
                fm_flt_object_ref(instance);
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return instance;
}

void fm_volume_remove(PFLT_VOLUME volume)
{
        PFLT_INSTANCE instance;

        /* Out of the list first: nobody new can find it, hence nobody new attaches. */
        pthread_mutex_lock(&fm_manager.lock);
        g_ptr_array_remove(fm_manager.volumes, volume);
        pthread_mutex_unlock(&fm_manager.lock);
        fm_rundown_close(&volume->object.rundown);

        while ((instance = some_instance(volume))) {
                fm_instance_teardown(instance, FLTFL_INSTANCE_TEARDOWN_VOLUME_DISMOUNT);
                fm_flt_object_unref(instance);
        }
        fm_context_list_deinit(&volume->contexts);
        fm_context_list_init(&volume->contexts);
        fm_flt_object_wait(volume, NULL, "the dismount of a volume");
        fm_flt_object_unref(volume);
}
