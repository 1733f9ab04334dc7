/* SPDX-License-Identifier: MIT */
/*
 * The callback arrays of a volume: who is called for which major, highest altitude first.
 *
 * An array is made when an instance comes or goes and never changes afterwards. An operation takes a reference to
 * the one it starts with and keeps it, so attach and detach need to stop nobody.
 */
#include "fltmgr/manager.h"

unsigned fm_major_index(UCHAR major)
{
        return (unsigned)__builtin_ctzll(fm_major_bit(major));
}

static void count_callbacks(const PFLT_INSTANCE instance, unsigned *counts)
{
        for (unsigned major = 0; major < 256; major++)
                if (instance->filter->callbacks[major])
                        counts[fm_major_index((UCHAR)major)]++;
}

void fm_volume_rebuild_stack_locked(PFLT_VOLUME volume)
{
        unsigned counts[64] = { 0 }, filled[64] = { 0 };
        unsigned total = 0;

        for (unsigned i = 0; i < volume->instances->len; i++) {
                PFLT_INSTANCE instance = volume->instances->pdata[i];

                if (instance->state == FM_INSTANCE_ACTIVE)
                        count_callbacks(instance, counts);
        }
        for (unsigned i = 0; i < 64; i++)
                total += counts[i];

        struct fm_stack *stack = g_malloc0(sizeof(*stack) + total * sizeof(stack->callbacks[0]));
        unsigned first = 0;

        atomic_init(&stack->refs, 1);
        stack->instances = g_ptr_array_new_with_free_func(fm_flt_object_unref);
        for (unsigned i = 0; i < 64; i++) {
                stack->majors[i].first = first;
                stack->majors[i].count = counts[i];
                first += counts[i];
                if (counts[i])
                        stack->wanted |= UINT64_C(1) << i;
        }
        for (unsigned i = 0; i < volume->instances->len; i++) {
                PFLT_INSTANCE instance = volume->instances->pdata[i];

                if (instance->state != FM_INSTANCE_ACTIVE)
                        continue;
                fm_flt_object_ref(instance);
                g_ptr_array_add(stack->instances, instance);
                if (instance->filter->registration.GenerateFileNameCallback)
                        stack->wanted |= FM_WANTS_NAMES;
                /* It wants to be told of what is truncated, whether it has callbacks for that or not. */
                if (atomic_load(&instance->data_scan) && instance->filter->registration.SectionNotificationCallback)
                        stack->wanted |= fm_major_bit(IRP_MJ_SET_INFORMATION);
                for (unsigned major = 0; major < 256; major++) {
                        const FLT_OPERATION_REGISTRATION *registration = instance->filter->callbacks[major];
                        unsigned index = fm_major_index((UCHAR)major);

                        if (!registration)
                                continue;
                        stack->callbacks[stack->majors[index].first + filled[index]++] = (struct fm_callback){
                                .instance = instance,
                                .pre = registration->PreOperation,
                                .post = registration->PostOperation,
                                .flags = registration->Flags,
                        };
                }
        }

        pthread_mutex_lock(&volume->stack_lock);
        struct fm_stack *old = volume->stack;
        volume->stack = stack;
        atomic_store_explicit(&volume->wanted, atomic_load(&volume->attach_is_due) ? UINT64_MAX : stack->wanted,
                              memory_order_release);
        pthread_mutex_unlock(&volume->stack_lock);
        fm_stack_unref(old);
}

struct fm_stack *fm_stack_ref(struct fm_stack *stack)
{
        atomic_fetch_add_explicit(&stack->refs, 1, memory_order_relaxed);
        return stack;
}

struct fm_stack *fm_volume_stack_ref(PFLT_VOLUME volume)
{
        pthread_mutex_lock(&volume->stack_lock);
        struct fm_stack *stack = fm_stack_ref(volume->stack);
        pthread_mutex_unlock(&volume->stack_lock);
        return stack;
}

void fm_stack_unref(struct fm_stack *stack)
{
        if (!stack || atomic_fetch_sub_explicit(&stack->refs, 1, memory_order_acq_rel) != 1)
                return;
        g_ptr_array_unref(stack->instances);
        g_free(stack);
}
