/* SPDX-License-Identifier: MIT */
/* Pool: who has what, and what is not pool. */
#include <fltKernel.h>
#include <glib.h>
#include <string.h>

#include "nt/pool.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define TAG_A 0x41414141
#define TAG_B 0x42424242

static void test_accounts(void)
{
        PVOID a, b, other;
        const void *code;

        fm_thread_self()->filter = "one";
        a = ExAllocatePoolWithTag(NonPagedPool, 100, TAG_A);
        b = ExAllocatePool2(POOL_FLAG_PAGED, 50, TAG_B);
        fm_thread_self()->filter = "two";
        other = ExAllocatePoolZero(PagedPool, 7, TAG_A);
        g_assert_cmpuint(fm_pool_outstanding("one", 0).blocks, ==, 2);
        g_assert_cmpuint(fm_pool_outstanding("one", 0).bytes, ==, 150);
        g_assert_cmpuint(fm_pool_outstanding("one", TAG_A).bytes, ==, 100);
        g_assert_cmpuint(fm_pool_outstanding("two", 0).blocks, ==, 1);
        ExFreePoolWithTag(a, TAG_A); /* freed by another: credited to who allocated */
        g_assert_cmpuint(fm_pool_outstanding("one", 0).blocks, ==, 1);
        g_assert_cmpuint(fm_pool_report_leaks("one", &code), ==, 1);
        g_assert_cmpuint((ULONG_PTR)code - (ULONG_PTR)test_accounts, <, 4096); /* a call in there */
        ExFreePool(b);
        ExFreePool(other);
        g_assert_cmpuint(fm_pool_report_leaks("one", &code), ==, 0);
        g_assert_cmpuint(fm_pool_outstanding("two", 0).bytes, ==, 0);
        fm_thread_self()->filter = NULL;
}

static void test_memory(void)
{
        static const SIZE_T sizes[] = {0, 1, 15, 16, 4095, 4096, 4097, 100000};

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                UCHAR *memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizes[i], TAG_A);

                g_assert_nonnull(memory);
                g_assert_cmpuint((ULONG_PTR)memory % (sizes[i] >= PAGE_SIZE ? PAGE_SIZE : 16), ==, 0);
                for (SIZE_T j = 0; j < sizes[i]; j++)
                        g_assert_cmpint(memory[j], ==, 0);
                memset(memory, 0xff, sizes[i]);
                ExFreePoolWithTag(memory, TAG_A);
        }
        g_assert_null(ExAllocatePool2(0, 10, TAG_A));
        g_assert_null(ExAllocatePool2(POOL_FLAG_PAGED, 10, 0));
        g_assert_null(ExAllocatePoolWithTag(PagedPool, (SIZE_T)1 << 50, TAG_A));
}

static void test_raise(void)
{
        volatile NTSTATUS code = 0;

        __try {
                ExAllocatePoolWithQuotaTag(PagedPool, (SIZE_T)1 << 50, TAG_A);
        } __except (EXCEPTION_EXECUTE_HANDLER) {
                code = GetExceptionCode();
        }
        g_assert_cmphex(code, ==, STATUS_INSUFFICIENT_RESOURCES);
}

static void test_misuse(void)
{
        uint64_t before = fm_violation_count();
        UCHAR *memory = ExAllocatePoolWithTag(PagedPool, 256, TAG_A);
        UCHAR *twice = ExAllocatePoolWithTag(PagedPool, 64, TAG_A);
        void *foreign = g_malloc(256);
        struct fm_pool_usage usage;

        ExFreePoolWithTag(memory + 64, TAG_A);
        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
        ExFreePool(memory + 1);
        g_assert_cmpuint(fm_violation_count(), ==, before + 2);
        ExFreePool((char *)foreign + 64);
        g_assert_cmpuint(fm_violation_count(), ==, before + 3);
        ExFreePool(twice);
        usage = fm_pool_outstanding(NULL, TAG_A);
        ExFreePool(twice);
        g_assert_cmpuint(fm_violation_count(), ==, before + 4);
        g_assert_cmpuint(fm_pool_outstanding(NULL, TAG_A).blocks, ==, usage.blocks);
        ExFreePoolWithTag(memory, TAG_B); /* freed all the same */
        g_assert_cmpuint(fm_violation_count(), ==, before + 5);
        g_assert_cmpuint(fm_pool_outstanding(NULL, TAG_A).blocks, ==, usage.blocks - 1);
        KfRaiseIrql(DISPATCH_LEVEL);
        ExFreePool(ExAllocatePoolWithTag(NonPagedPool, 8, TAG_A));
        g_assert_cmpuint(fm_violation_count(), ==, before + 5);
        ExFreePool(ExAllocatePoolWithTag(PagedPool, 8, TAG_A)); /* neither the one nor the other */
        g_assert_cmpuint(fm_violation_count(), ==, before + 7);
        KeLowerIrql(PASSIVE_LEVEL);
        g_free(foreign);
}

/* What a filter should not do, and what AddressSanitizer would stop here. */
__attribute__((noinline, no_sanitize("address"))) static void poke(volatile UCHAR *at)
{
        *at ^= 0xff;
}

static void test_overrun(void)
{
        static const SIZE_T sizes[] = {1, 15, 16, 40, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1};

        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                const ptrdiff_t wrong[] = {(ptrdiff_t)sizes[i], (ptrdiff_t)sizes[i] + 15, -1, -16};

                for (size_t j = 0; j < G_N_ELEMENTS(wrong); j++) {
                        uint64_t before = fm_violation_count();
                        UCHAR *memory = ExAllocatePoolWithTag(PagedPool, sizes[i], TAG_A);

                        memory[0] = memory[sizes[i] - 1] = 0;
                        poke(memory + wrong[j]);
                        g_assert_cmpuint(fm_violation_count(), ==, before);
                        ExFreePoolWithTag(memory, TAG_A);
                        g_assert_cmpuint(fm_violation_count(), ==, before + 1);
                }
        }
}

static void test_lookaside(void)
{
        NPAGED_LOOKASIDE_LIST list;
        PVOID entry;

        fm_thread_self()->filter = "look";
        ExInitializeNPagedLookasideList(&list, NULL, NULL, 0, 40, TAG_A, 0);
        entry = ExAllocateFromNPagedLookasideList(&list);
        g_assert_cmpuint(fm_pool_outstanding("look", TAG_A).bytes, ==, 40);
        ExFreeToNPagedLookasideList(&list, entry);
        ExDeleteNPagedLookasideList(&list);
        g_assert_cmpuint(fm_pool_outstanding("look", 0).blocks, ==, 0);
        fm_thread_self()->filter = NULL;
}

static void *allocate_and_free(void *data)
{
        fm_thread_self()->filter = data;
        for (int i = 0; i < 20000; i++)
                ExFreePool(ExAllocatePoolWithTag(PagedPool, 16, (ULONG)(1 + i % 40)));
        return NULL;
}

static void test_threads(void)
{
        GThread *threads[4];

        for (int i = 0; i < 4; i++)
                threads[i] = g_thread_new("pool", allocate_and_free, (void *)(i % 2 ? "left" : "right"));
        for (int i = 0; i < 4; i++)
                g_thread_join(threads[i]);
        g_assert_cmpuint(fm_pool_outstanding("left", 0).blocks, ==, 0);
        g_assert_cmpuint(fm_pool_outstanding("right", 0).bytes, ==, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/nt/pool/accounts", test_accounts);
        g_test_add_func("/nt/pool/memory", test_memory);
        g_test_add_func("/nt/pool/raise", test_raise);
        g_test_add_func("/nt/pool/misuse", test_misuse);
        g_test_add_func("/nt/pool/overrun", test_overrun);
        g_test_add_func("/nt/pool/lookaside", test_lookaside);
        g_test_add_func("/nt/pool/threads", test_threads);
        return g_test_run();
}
