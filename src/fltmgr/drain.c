/* SPDX-License-Identifier: MIT */
/*
 * The end of an instance, for operations in flight: post-operations that are owed are called early, marked as draining.
 *
 * Whoever takes a node off the instance's list calls its post-operation. While it is called here, the operation waits
 * for that at the node (dispatch.c): all that the callback looks at stays. What has changed a buffer is cancelled instead.
 */
#include "fltmgr/dispatch.h"
#include "fltmgr/extras.h"
#include "fltmgr/misuse.h"

/*
 * Calls a post-operation that will never see its result. The data is a copy, made of what nobody changes
 * any more: the operation itself is still on its way.
 */
void fm_node_drain(const struct fm_node *node)
{
        const struct fm_operation *operation = node->operation;
        struct fm_operation copy = {
                .data = {
                        .Flags = operation->kind | FLTFL_CALLBACK_DATA_DRAINING_IO |
                                 FLTFL_CALLBACK_DATA_POST_OPERATION,
                        .Thread = operation->requestor.thread,
                        .Iopb = &copy.iopb,
                        .RequestorMode = operation->mode,
                },
                .iopb = node->saved,
                .mode = operation->mode,
                .requestor = operation->requestor,
                .volume = operation->volume,
                .life = FM_OPERATION_DRAINING,
                .pended_post = true,
        };
        struct fm_node stand_in = { .callback = node->callback, .operation = &copy, .saved = node->saved,
                                    .objects = node->objects };

        copy.requestor.cancel = NULL;
        if (fm_node_call_post(node, &copy.data, FLTFL_POST_OPERATION_DRAINING, NULL) != FLT_POSTOP_FINISHED_PROCESSING)
                fm_misuse(&stand_in, "draining-post-operation",
                          "returned something else than FLT_POSTOP_FINISHED_PROCESSING while draining");
        if (fm_operation_extras_peek(&copy))
                fm_operation_extras_free(&copy);
}

/* Instance lock held. NULL: none is left that can be drained. */
static struct fm_node *next_to_drain(PFLT_INSTANCE instance)
{
        for (GList *link = instance->nodes.head; link; link = link->next)
                if (!((struct fm_node *)link->data)->swapped)
                        return link->data;
        return NULL;
}

/* Instance lock held. A cancel routine to call, of any operation that can't be drained; NULL: all are cancelled. */
static struct fm_cancel_entry *next_to_cancel(PFLT_INSTANCE instance)
{
        for (GList *link = instance->nodes.head; link; link = link->next) {
                struct fm_operation *operation = ((struct fm_node *)link->data)->operation;
                struct fm_cancel_entry *entry;

                if (atomic_load(&operation->cancelled))
                        continue;
                entry = fm_operation_cancel(operation);
                if (entry)
                        return entry;
        }
        return NULL;
}

void fm_instance_drain(PFLT_INSTANCE instance)
{
        struct fm_cancel_entry *entry;
        struct fm_node *node;

        pthread_mutex_lock(&instance->lock);
        instance->draining = true;
        while ((node = next_to_drain(instance))) {
                node->owed = false;
                node->draining = true;
                g_queue_unlink(&instance->nodes, &node->link);
                pthread_mutex_unlock(&instance->lock);

                fm_node_drain(node);

                pthread_mutex_lock(&instance->lock);
                node->draining = false;
                pthread_cond_broadcast(&instance->idle);
        }
        while ((entry = next_to_cancel(instance))) {
                pthread_mutex_unlock(&instance->lock);
                fm_cancel_entry_fire(entry);
                pthread_mutex_lock(&instance->lock);
        }
        pthread_mutex_unlock(&instance->lock);
}

bool fm_instance_wait_for_posts(PFLT_INSTANCE instance, unsigned milliseconds)
{
        struct timespec deadline;
        int error = 0;
        bool idle;

        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += milliseconds / 1000;
        deadline.tv_nsec += milliseconds % 1000 * 1000000L;
        if (deadline.tv_nsec >= 1000000000L) {
                deadline.tv_nsec -= 1000000000L;
                deadline.tv_sec++;
        }
        pthread_mutex_lock(&instance->lock);
        while ((instance->nodes.length || instance->posts) && error == 0)
                error = pthread_cond_clockwait(&instance->idle, &instance->lock, CLOCK_MONOTONIC, &deadline);
        idle = !instance->nodes.length && !instance->posts;
        pthread_mutex_unlock(&instance->lock);
        return idle;
}
