/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_SHUTDOWN: the last that filters hear while their volumes are there.
 *
 * It goes to the instances of each volume, as any operation does. Nobody waits for ever for those who pend it: the
 * teardown that comes next reports and completes what they forget.
 */
#include "fltmgr/fsd.h"
#include "fltmgr/manager.h"
#include "nt/verifier.h"

static struct fm_rundown under_way;

static void shutdown_done(struct fm_operation *operation, void *context)
{
        fm_operation_free(operation);
        fm_rundown_release(&under_way);
}

static GPtrArray *all_volumes(void)
{
        GPtrArray *volumes = g_ptr_array_new_with_free_func(fm_flt_object_leave);

        pthread_mutex_lock(&fm_manager.lock);
        for (unsigned i = 0; i < fm_manager.volumes->len; i++)
                if (fm_flt_object_enter(fm_manager.volumes->pdata[i]))
                        g_ptr_array_add(volumes, fm_manager.volumes->pdata[i]);
        pthread_mutex_unlock(&fm_manager.lock);
        return volumes;
}

void fm_volume_shutdown_all(void)
{
        static const struct fm_requestor system = { .kernel = true };
        g_autoptr(GPtrArray) volumes = all_volumes();

        fm_rundown_init(&under_way);
        for (unsigned i = 0; i < volumes->len; i++) {
                PFLT_VOLUME volume = volumes->pdata[i];

                /* To be told of the end is no use of a volume: filters that wait for its first one are spared both. */
                if (atomic_load(&volume->attach_is_due) || !fm_volume_wants(volume, fm_major_bit(IRP_MJ_SHUTDOWN)) ||
                    !fm_rundown_acquire(&under_way))
                        continue;
                fm_operation_submit(fm_operation_new(volume, IRP_MJ_SHUTDOWN, NULL, &system), shutdown_done, NULL);
        }
        fm_rundown_wait_for(&under_way, fm_verifier_patience());
}
