/* SPDX-License-Identifier: MIT */
/*
 * Volumes: one per mounted source directory. They come and go with the front end, at any time.
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

/* Manager lock. The first letter from C: on that no other volume has; 0: none is left. */
static char free_letter_locked(void)
{
        for (char letter = 'C'; letter <= 'Z'; letter++) {
                bool taken = false;

                for (unsigned i = 0; i < fm_manager.volumes->len && !taken; i++) {
                        const UNICODE_STRING *name = &((PFLT_VOLUME)fm_manager.volumes->pdata[i])->DosName;

                        taken = name->Length && name->Buffer[0] == letter;
                }
                if (!taken)
                        return letter;
        }
        return 0;
}

/* The names a volume goes by. Numbers are never used again, letters are. */
static void name_volume_locked(PFLT_VOLUME volume, unsigned number)
{
        g_autofree char *name = g_strdup_printf("\\Device\\HarddiskVolume%u", number);
        g_autofree char *guid = g_strdup_printf("\\??\\Volume{f1751a00-0000-4000-8000-%012x}", number);
        char letter[] = { free_letter_locked(), ':', 0 };

        fm_unicode_string_set(&volume->Name, name);
        fm_unicode_string_set(&volume->GuidName, guid);
        fm_unicode_string_set(&volume->DosName, *letter ? letter : "");
}

PFLT_VOLUME fm_volume_new(const struct fm_fsd_ops *fsd, void *fsd_context, const struct fm_volume_options *options,
                          void (*wanted_changed)(PFLT_VOLUME volume))
{
        PFLT_VOLUME volume = g_new0(struct _FLT_VOLUME, 1);

        fm_flt_object_init(&volume->object, FM_FLT_VOLUME);
        volume->fsd = fsd;
        volume->fsd_context = fsd_context;
        volume->mount_point = g_strdup(options->mount_point);
        volume->sector_size = options->sector_size ? options->sector_size : 512;
        volume->read_only = options->read_only;
        volume->wanted_changed = wanted_changed;
        volume->device = volume_device_new(FILE_DEVICE_DISK_FILE_SYSTEM, volume->sector_size, options->read_only);
        volume->disk = volume_device_new(FILE_DEVICE_DISK, volume->sector_size, options->read_only);
        volume->vpb = (VPB){
                .Type = IO_TYPE_VPB,
                .Size = sizeof(VPB),
                .Flags = VPB_MOUNTED,
                .DeviceObject = volume->device,
                .RealDevice = volume->disk,
                .ReferenceCount = 1,
                .VolumeLabel = L"fltsim",
                .VolumeLabelLength = sizeof(L"fltsim") - sizeof(WCHAR),
        };
        volume->instances = g_ptr_array_new();
        volume->attach_later = g_ptr_array_new_with_free_func(fm_flt_object_unref);
        pthread_mutex_init(&volume->stack_lock, NULL);
        fm_context_list_init(&volume->contexts);

        pthread_mutex_lock(&fm_manager.lock);
        name_volume_locked(volume, ++volumes_made);
        for (unsigned i = 0; i < fm_manager.filters->len; i++) {
                PFLT_FILTER filter = fm_manager.filters->pdata[i];

                if (filter->state != FM_FILTER_STARTED)
                        continue;
                fm_flt_object_ref(filter);
                g_ptr_array_add(volume->attach_later, filter);
        }
        atomic_init(&volume->attach_is_due, volume->attach_later->len > 0);
        fm_volume_rebuild_stack_locked(volume);
        g_ptr_array_add(fm_manager.volumes, volume);
        pthread_mutex_unlock(&fm_manager.lock);
        return volume;
}

NTSTATUS fm_volume_mount(PFLT_VOLUME volume)
{
        NTSTATUS status = fm_volume_notify(volume, IRP_MJ_VOLUME_MOUNT);

        volume->mounted = NT_SUCCESS(status);
        return status;
}

/* What waited for the first operation, or for its end; now the caller's alone. NULL: it is done, or his own. */
static GPtrArray *take_attach_later(PFLT_VOLUME volume)
{
        GPtrArray *filters = NULL;

        pthread_mutex_lock(&fm_manager.lock);
        if (!volume->attaches || !pthread_equal(volume->attacher, pthread_self())) {
                while (volume->attaches)
                        pthread_cond_wait(&fm_manager.changed, &fm_manager.lock);
                filters = g_steal_pointer(&volume->attach_later);
                volume->attaches = filters != NULL;
                volume->attacher = pthread_self();
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return filters;
}

static void end_attach_later(PFLT_VOLUME volume, GPtrArray *filters)
{
        pthread_mutex_lock(&fm_manager.lock);
        volume->attaches = false;
        atomic_store(&volume->attach_is_due, false);
        fm_volume_rebuild_stack_locked(volume);
        pthread_cond_broadcast(&fm_manager.changed);
        pthread_mutex_unlock(&fm_manager.lock);
        g_ptr_array_unref(filters);
}

/*
 * As on Windows: filters that were there before the volume attach at its first operation, on the thread that
 * makes it, and not when it is mounted. No other operation starts before they have: nothing passes by them. Only what
 * the setup callbacks do themselves does.
 */
void fm_volume_attach_due(PFLT_VOLUME volume)
{
        GPtrArray *filters = take_attach_later(volume);

        if (!filters)
                return;
        for (unsigned i = 0; i < filters->len; i++) {
                /* It may have been unloaded since. */
                if (!fm_flt_object_enter(filters->pdata[i]))
                        continue;
                fm_instance_attach_automatic(filters->pdata[i], volume,
                                             FLTFL_INSTANCE_SETUP_AUTOMATIC_ATTACHMENT |
                                                     FLTFL_INSTANCE_SETUP_NEWLY_MOUNTED_VOLUME);
                fm_flt_object_leave(filters->pdata[i]);
        }
        end_attach_later(volume, filters);
        if (volume->wanted_changed)
                volume->wanted_changed(volume);
}

void fm_volume_remove(PFLT_VOLUME volume)
{
        GPtrArray *later;
        PFLT_INSTANCE instance;

        /* Out of the list first: nobody new can find it, hence nobody new attaches. */
        pthread_mutex_lock(&fm_manager.lock);
        g_ptr_array_remove(fm_manager.volumes, volume);
        pthread_mutex_unlock(&fm_manager.lock);
        fm_rundown_close(&volume->object.rundown);
        later = take_attach_later(volume);
        if (later)
                end_attach_later(volume, later);

        while ((instance = fm_instance_ref_any(volume->instances))) {
                fm_instance_teardown(instance, FLTFL_INSTANCE_TEARDOWN_VOLUME_DISMOUNT);
                fm_flt_object_unref(instance);
        }
        if (volume->mounted)
                fm_volume_notify(volume, IRP_MJ_VOLUME_DISMOUNT);
        fm_context_list_close(&volume->contexts);
        fm_flt_object_wait(volume, NULL, "the dismount of a volume");
        fm_flt_object_unref(volume);
}
