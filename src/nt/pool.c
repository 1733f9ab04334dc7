/* SPDX-License-Identifier: MIT */
/*
 * Pool with an account for each filter and tag.
 *
 * A header lies in front of each block and remembers its account. Its magic depends on the address: a pointer
 * into the middle of a block, from malloc, or freed already, is told from a block without a table of all
 * blocks. Blocks of a page and more begin on a page, as filters that do I/O with them expect.
 */
#include "nt/pool.h"

#include <fltKernel.h>
#include <glib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nt/ke.h"
#include "nt/log.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define ALIVE      0x6c6f6f50u /* 'Pool' */
#define FREED      0x64616564u
#define CACHE_SIZE 16 /* accounts a thread remembers */
#define LARGEST    (UINT64_C(1) << 40)

#define NO_SANITIZE __attribute__((noinline, no_sanitize_address, no_sanitize_thread))

struct account {
        const char *filter; /* interned; NULL: the simulator */
        uint32_t tag;
        _Atomic uint64_t blocks;
        _Atomic uint64_t bytes;
        struct account *next; /* never changes once it is in the list; accounts are never freed */
};

/* The C library writes into the first words of what is freed: the magic is the last. */
struct header {
        struct account *account;
        void *base; /* what malloc gave */
        uint64_t size;
        uint32_t tag;
        uint32_t magic;
};

_Static_assert(sizeof(struct header) == 32, "blocks stay 16-byte aligned");

static struct account *_Atomic accounts;
static pthread_mutex_t accounts_lock = PTHREAD_MUTEX_INITIALIZER; /* for additions */
static __thread struct account *cache[CACHE_SIZE];

static uint32_t magic_of(const struct header *header, uint32_t kind)
{
        uint64_t address = (uint64_t)(uintptr_t)header;

        return kind ^ (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static bool is_account(const struct account *account, const char *filter, uint32_t tag)
{
        return account && account->tag == tag && g_strcmp0(account->filter, filter) == 0;
}

static struct account *find_account(const char *filter, uint32_t tag)
{
        struct account *account;

        for (account = atomic_load(&accounts); account; account = account->next) {
                if (is_account(account, filter, tag))
                        return account;
        }
        return NULL;
}

static struct account *get_account(const char *filter, uint32_t tag)
{
        struct account **slot = &cache[(tag ^ (tag >> 8) ^ (tag >> 16)) % CACHE_SIZE];
        struct account *account = *slot;

        if (is_account(account, filter, tag))
                return account;
        pthread_mutex_lock(&accounts_lock);
        account = find_account(filter, tag);
        if (!account) {
                account = g_new0(struct account, 1);
                account->filter = g_intern_string(filter);
                account->tag = tag;
                account->next = atomic_load(&accounts);
                atomic_store(&accounts, account);
        }
        pthread_mutex_unlock(&accounts_lock);
        *slot = account;
        return account;
}

static void *allocate(size_t size, uint32_t tag, const char *filter, bool zero)
{
        size_t front = size >= PAGE_SIZE ? PAGE_SIZE : sizeof(struct header);
        struct account *account;
        struct header *header;
        void *base;
        char *block;

        if (size > LARGEST)
                return NULL;
        if (front == PAGE_SIZE) {
                if (posix_memalign(&base, PAGE_SIZE, front + size) != 0)
                        return NULL;
        } else {
                base = malloc(front + size);
                if (!base)
                        return NULL;
        }
        block = (char *)base + front;
        header = (struct header *)(void *)(block - sizeof(*header));
        account = get_account(filter, tag);
        *header = (struct header){
                .account = account, .base = base, .size = size, .tag = tag, .magic = magic_of(header, ALIVE)};
        atomic_fetch_add_explicit(&account->blocks, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&account->bytes, size, memory_order_relaxed);
        /* What a filter forgets to set should not happen to be zero. */
        memset(block, zero ? 0 : 0xcd, size);
        return block;
}

/* Not for a sanitizer's eyes: the answer may be that there is no such header. */
NO_SANITIZE static uint32_t read_magic(const struct header *header)
{
        return header->magic;
}

static const char *tag_text(uint32_t tag, char text[5])
{
        memcpy(text, &tag, 4);
        text[4] = 0;
        for (int i = 0; i < 4; i++) {
                if (text[i] < 0x20 || text[i] > 0x7e)
                        text[i] = '.';
        }
        return text;
}

static void release(void *memory, uint32_t tag, bool check_tag)
{
        struct header *header = (struct header *)memory - 1;
        char expected[5], given[5];
        uint32_t magic;

        if (!memory || ((uintptr_t)memory & 15)) {
                fm_violation("pool-free", "%p is not pool memory", memory);
                return;
        }
        magic = read_magic(header);
        if (magic == magic_of(header, FREED)) {
                fm_violation("pool-free", "%p was freed already", memory);
                return;
        }
        if (magic != magic_of(header, ALIVE)) {
                fm_violation("pool-free", "%p is not pool memory", memory);
                return;
        }
        if (check_tag && tag && tag != header->tag)
                fm_log(FM_LOG_WARNING, fm_thread_self()->filter,
                       "pool memory %p with tag '%s' is freed with tag '%s'", memory,
                       tag_text(header->tag, expected), tag_text(tag, given));
        atomic_fetch_sub_explicit(&header->account->blocks, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&header->account->bytes, header->size, memory_order_relaxed);
        header->magic = magic_of(header, FREED);
        /* The store is for who reads freed memory; without this the compiler sees none. */
        __asm__ volatile("" : : "r"(header) : "memory");
        free(header->base);
}

void *fm_pool_alloc(size_t size, uint32_t tag)
{
        return allocate(size, tag, NULL, true);
}

void fm_pool_free(void *memory)
{
        if (memory)
                release(memory, 0, false);
}

struct fm_pool_usage fm_pool_outstanding(const char *filter, uint32_t tag)
{
        struct fm_pool_usage usage = {0};

        for (struct account *account = atomic_load(&accounts); account; account = account->next) {
                if (g_strcmp0(account->filter, filter) == 0 && (!tag || tag == account->tag)) {
                        usage.blocks += atomic_load(&account->blocks);
                        usage.bytes += atomic_load(&account->bytes);
                }
        }
        return usage;
}

uint64_t fm_pool_report_leaks(const char *filter)
{
        uint64_t total = 0;

        for (struct account *account = atomic_load(&accounts); account; account = account->next) {
                uint64_t blocks = atomic_load(&account->blocks);
                char text[5];

                if (!blocks || g_strcmp0(account->filter, filter) != 0)
                        continue;
                fm_log(FM_LOG_WARNING, filter,
                       "pool leak: %" G_GUINT64_FORMAT " blocks, %" G_GUINT64_FORMAT " bytes with tag '%s'",
                       (guint64)blocks, (guint64)atomic_load(&account->bytes), tag_text(account->tag, text));
                total += blocks;
        }
        return total;
}

static PVOID allocate_typed(POOL_TYPE type, SIZE_T size, ULONG tag, bool raise)
{
        PVOID memory;

        fm_check_irql("pool allocation", (type & 1) ? APC_LEVEL : DISPATCH_LEVEL);
        memory = allocate(size, tag, fm_thread_self()->filter, (type & POOL_ZERO_ALLOCATION) != 0);
        if (!memory && raise)
                ExRaiseStatus(STATUS_INSUFFICIENT_RESOURCES);
        return memory;
}

#define NO_TAG 0x656e6f4e /* 'None' */

PVOID ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes)
{
        return ExAllocatePoolWithTag(PoolType, NumberOfBytes, NO_TAG);
}

/* NULL when memory is exhausted. IRQL <= DISPATCH_LEVEL, APC_LEVEL for paged pool. Not zeroed. */
PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
        return allocate_typed(PoolType, NumberOfBytes, Tag,
                              (PoolType & POOL_RAISE_IF_ALLOCATION_FAILURE) != 0);
}

/* Raises STATUS_INSUFFICIENT_RESOURCES unless POOL_QUOTA_FAIL_INSTEAD_OF_RAISE is given. Quota is not
 * accounted. */
PVOID ExAllocatePoolWithQuotaTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
        return allocate_typed(PoolType, NumberOfBytes, Tag, !(PoolType & POOL_QUOTA_FAIL_INSTEAD_OF_RAISE));
}

PVOID ExAllocatePoolWithTagPriority(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag,
                                    EX_POOL_PRIORITY Priority)
{
        return ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}

/* Zeroed unless POOL_FLAG_UNINITIALIZED. NULL for a tag of 0 or flags that name no pool, as on Windows. */
PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
        unsigned type = (Flags & POOL_FLAG_PAGED) ? PagedPool : NonPagedPoolNx;
        POOL_FLAGS kinds = Flags & (POOL_FLAG_PAGED | POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE);

        if (kinds == 0 || (kinds & (kinds - 1)) || !Tag) {
                if (Flags & POOL_FLAG_RAISE_ON_FAILURE)
                        ExRaiseStatus(STATUS_INVALID_PARAMETER);
                return NULL;
        }
        if (!(Flags & POOL_FLAG_UNINITIALIZED))
                type |= POOL_ZERO_ALLOCATION;
        return allocate_typed((POOL_TYPE)type, NumberOfBytes, Tag, (Flags & POOL_FLAG_RAISE_ON_FAILURE) != 0);
}

/* Extended parameters give hints only, which are ignored. */
PVOID ExAllocatePool3(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag,
                      PCPOOL_EXTENDED_PARAMETER ExtendedParameters, ULONG ExtendedParametersCount)
{
        return ExAllocatePool2(Flags, NumberOfBytes, Tag);
}

VOID ExFreePool(PVOID P)
{
        fm_check_irql("ExFreePool", DISPATCH_LEVEL);
        release(P, 0, false);
}

/* A wrong tag is only reported: published filters have some. */
VOID ExFreePoolWithTag(PVOID P, ULONG Tag)
{
        fm_check_irql("ExFreePoolWithTag", DISPATCH_LEVEL);
        release(P, Tag, true);
}

VOID ExFreePool2(PVOID P, ULONG Tag, PCPOOL_EXTENDED_PARAMETER ExtendedParameters,
                 ULONG ExtendedParametersCount)
{
        ExFreePoolWithTag(P, Tag);
}
