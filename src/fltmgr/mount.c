/* SPDX-License-Identifier: MIT */
/*
 * IRP_MJ_VOLUME_MOUNT and IRP_MJ_VOLUME_DISMOUNT: the operations that come when no instance of the filter is on
 * the volume, before the first is attached and after the last was torn down.
 *
 * Hence they do not take the way of all others, from instance to instance: each filter that registered for them is
 * called with FltObjects->Instance NULL, by descending altitude, and can't go away meanwhile.
 */
#include "fltmgr/dispatch.h"
#include "fltmgr/fsd.h"
#include "fltmgr/misuse.h"

struct visit {
        struct fm_node node;
        struct fm_callback callback;
};

static GArray *visits_new(PFLT_VOLUME volume, UCHAR major)
{
        GArray *visits = g_array_new(false, true, sizeof(struct visit));

        pthread_mutex_lock(&fm_manager.lock);
        for (unsigned i = 0; i < fm_manager.filters->len; i++) {
                PFLT_FILTER filter = fm_manager.filters->pdata[i];
                const FLT_OPERATION_REGISTRATION *registration = filter->callbacks[major];
                struct visit visit = {
                        .node.objects = { .Size = sizeof(FLT_RELATED_OBJECTS), .Filter = filter, .Volume = volume },
                };

                if (!registration || filter->state != FM_FILTER_STARTED || !fm_flt_object_enter(filter))
                        continue;
                visit.callback.pre = registration->PreOperation;
                visit.callback.post = registration->PostOperation;
                g_array_append_val(visits, visit);
        }
        pthread_mutex_unlock(&fm_manager.lock);
        return visits;
}

static void visits_free(GArray *visits)
{
        for (unsigned i = 0; i < visits->len; i++)
                fm_flt_object_leave(g_array_index(visits, struct visit, i).node.objects.Filter);
        g_array_unref(visits);
}

static FLT_PREOP_CALLBACK_STATUS call_pre(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        FLT_PREOP_CALLBACK_STATUS status = FLT_PREOP_SUCCESS_WITH_CALLBACK;
        struct fm_callback_scope scope;
        PVOID context = NULL;

        if (node->callback->pre) {
                fm_callback_enter(&scope, node->objects.Filter, "a pre-operation", NULL, NULL);
                fm_callback_is_for(&operation->iopb, (const void *)node->callback->pre);
                operation->data.IoStatus.Status = FM_STATUS_UNSET;
                status = node->callback->pre(&operation->data, &node->objects, &context);
                fm_callback_leave(&scope);
        } else if (!node->callback->post) {
                status = FLT_PREOP_SUCCESS_NO_CALLBACK;
        }
        operation->pended_post = false;
        if (status == FLT_PREOP_DISALLOW_FASTIO) {
                fm_misuse(node, "disallow-fastio", "returned FLT_PREOP_DISALLOW_FASTIO for %s",
                          FltGetIrpName(operation->iopb.MajorFunction));
                status = FLT_PREOP_SUCCESS_NO_CALLBACK;
        }
        status = fm_pre_status_checked(node, status, &context);
        /* There are no parameters that could be changed to any effect. */
        operation->iopb = node->saved;
        node->completion_context = context;
        node->asked = status == FLT_PREOP_SUCCESS_WITH_CALLBACK || status == FLT_PREOP_SYNCHRONIZE;
        return status;
}

static void call_post(struct fm_node *node)
{
        struct fm_operation *operation = node->operation;
        FLT_POSTOP_CALLBACK_STATUS status;
        struct fm_callback_scope scope;

        if (!node->asked)
                return;
        fm_callback_enter(&scope, node->objects.Filter, "a post-operation", NULL, NULL);
        fm_callback_is_for(&operation->iopb, (const void *)node->callback->post);
        status = node->callback->post(&operation->data, &node->objects, node->completion_context, 0);
        fm_callback_leave(&scope);
        operation->pended_post = true;
        fm_post_status_checked(node, status);
}

NTSTATUS fm_volume_notify(PFLT_VOLUME volume, UCHAR major)
{
        static const struct fm_requestor system = { .kernel = true };
        GArray *visits = visits_new(volume, major);
        struct fm_operation *operation;
        NTSTATUS status;
        unsigned last;

        if (visits->len == 0) {
                visits_free(visits);
                return STATUS_SUCCESS;
        }
        operation = fm_operation_new(volume, major, NULL, &system);
        operation->data.Flags = FLTFL_CALLBACK_DATA_FAST_IO_OPERATION;
        operation->iopb.IrpFlags = 0;
        if (major == IRP_MJ_VOLUME_MOUNT)
                operation->iopb.Parameters.MountVolume.DeviceType = FILE_DEVICE_DISK_FILE_SYSTEM;
        for (last = 0; last < visits->len; last++) {
                struct visit *visit = &g_array_index(visits, struct visit, last);

                visit->node.operation = operation;
                visit->node.callback = &visit->callback;
                visit->node.saved = operation->iopb;
                if (call_pre(&visit->node) == FLT_PREOP_COMPLETE)
                        break;
        }
        if (last == visits->len)
                volume->fsd->dispatch(operation);
        while (last-- > 0)
                call_post(&g_array_index(visits, struct visit, last).node);
        status = operation->data.IoStatus.Status;
        fm_operation_free(operation);
        visits_free(visits);
        return status;
}
