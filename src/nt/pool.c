/* SPDX-License-Identifier: MIT */
/*
 * Pool with an account for each filter and tag.
 *
 * A header lies in front of each block and remembers its account. Its magic depends on the address: a pointer
 * into the middle of a block, from malloc, or freed already, is told from a block without a table of all
 * blocks. Blocks of a page and more begin on a page, as filters that do I/O with them expect.
 *
 * In front of a block and behind it there is a guard, which is looked at when the block is freed.
 * AddressSanitizer, where we are built with it, sees a write into one when it happens: header and guards are
 * poisoned for it, so all that touches them here is kept out of its sight.
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
#include "nt/seh.h"
#include "nt/thread.h"
#include "nt/verifier.h"

#define ALIVE      0x6c6f6f50u /* 'Pool' */
#define FREED      0x64616564u
#define CACHE_SIZE 16 /* accounts a thread remembers */
#define LARGEST    (UINT64_C(1) << 40)

#define GUARD      0xfb
#define GUARD_SIZE 16

#define NO_SANITIZE __attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

struct account {
        const char *filter; /* interned; NULL: the simulator */
        uint32_t tag;
        _Atomic uint64_t blocks;
        _Atomic uint64_t bytes;
        const void *_Atomic code; /* where the filter has allocated last */
        struct account *next; /* never changes once it is in the list; accounts are never freed */
};

/* The C library writes into the first words of what is freed: the magic is the last. */
struct header {
        struct account *account;
        void *base; /* what malloc gave */
        uint64_t size : 63;
        uint64_t paged : 1;
        uint32_t tag;
        uint32_t magic;
        unsigned char guard[GUARD_SIZE];
};

_Static_assert(sizeof(struct header) == 48, "blocks stay 16-byte aligned");

static struct account *_Atomic accounts;
static pthread_mutex_t accounts_lock = PTHREAD_MUTEX_INITIALIZER; /* for additions */
static __thread struct account *cache[CACHE_SIZE];
static _Atomic uint32_t failing; /* fm_pool_fail_next() */

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

static void *allocate(size_t size, uint32_t tag, const char *filter, POOL_TYPE type, const void *code)
{
        size_t front = size >= PAGE_SIZE ? PAGE_SIZE : sizeof(struct header);
        struct account *account;
        struct header *header;
        void *base;
        char *block;

        if (size > LARGEST || (tag && atomic_load_explicit(&failing, memory_order_relaxed) == tag &&
                               atomic_compare_exchange_strong(&failing, &(uint32_t){tag}, 0)))
                return NULL;
        if (front == PAGE_SIZE) {
                if (posix_memalign(&base, PAGE_SIZE, front + size + GUARD_SIZE) != 0)
                        return NULL;
        } else {
                base = malloc(front + size + GUARD_SIZE);
                if (!base)
                        return NULL;
        }
        block = (char *)base + front;
        header = (struct header *)(void *)(block - sizeof(*header));
        account = get_account(filter, tag);
        *header = (struct header){.account = account, .base = base, .size = size, .paged = type & PagedPool,
                                  .tag = tag, .magic = magic_of(header, ALIVE)};
        memset(header->guard, GUARD, GUARD_SIZE);
        memset(block + size, GUARD, GUARD_SIZE);
        ASAN_POISON_MEMORY_REGION(base, front);
        ASAN_POISON_MEMORY_REGION(block + size, GUARD_SIZE);
        atomic_store_explicit(&account->code, code, memory_order_relaxed);
        atomic_fetch_add_explicit(&account->blocks, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&account->bytes, size, memory_order_relaxed);
        /* What a filter forgets to set should not happen to be zero. */
        memset(block, type & POOL_ZERO_ALLOCATION ? 0 : 0xcd, size);
        return block;
}

/*
 * Not for a sanitizer's eyes: the answer may be that there is no such header. volatile, or the compiler moves
 * the access into the caller.
 */
NO_SANITIZE static uint32_t read_magic(const volatile struct header *header)
{
        return header->magic;
}

/* How many bytes of a guard were written to; the first of them at *first. */
NO_SANITIZE static unsigned count_broken(const volatile unsigned char *guard, unsigned *first)
{
        unsigned broken = 0;

        for (unsigned i = 0; i < GUARD_SIZE; i++) {
                if (guard[i] == GUARD)
                        continue;
                if (broken++ == 0)
                        *first = i;
        }
        return broken;
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

/* The block is alive: its header can be read, and it is what it says it is. */
static void check_block(const struct header *header, uint32_t tag)
{
        const unsigned char *block = (const unsigned char *)(header + 1);
        char expected[5], given[5];
        unsigned broken, first;

        if (header->paged)
                fm_check_irql("freeing paged pool", APC_LEVEL);
        if (tag && tag != header->tag)
                fm_violation("pool-tag", "pool memory %p with tag '%s' is freed with tag '%s'", (const void *)block,
                             tag_text(header->tag, expected), tag_text(tag, given));
        broken = count_broken(header->guard, &first);
        if (broken)
                fm_violation("pool-overrun", "%u bytes before pool memory %p ('%s', %" G_GUINT64_FORMAT
                             " bytes) were written to, from %u bytes before it on", broken, (const void *)block,
                             tag_text(header->tag, expected), (guint64)header->size, GUARD_SIZE - first);
        broken = count_broken(block + header->size, &first);
        if (broken)
                fm_violation("pool-overrun", "%u bytes behind pool memory %p ('%s', %" G_GUINT64_FORMAT
                             " bytes) were written to, from offset %" G_GUINT64_FORMAT " on", broken, (const void *)block,
                             tag_text(header->tag, expected), (guint64)header->size, (guint64)(header->size + first));
}

/* tag 0: any. */
static void release(void *memory, uint32_t tag)
{
        struct header *header = (struct header *)memory - 1;
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
        ASAN_UNPOISON_MEMORY_REGION(header, sizeof(*header));
        ASAN_UNPOISON_MEMORY_REGION((char *)memory + header->size, GUARD_SIZE);
        check_block(header, tag);
        atomic_fetch_sub_explicit(&header->account->blocks, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&header->account->bytes, header->size, memory_order_relaxed);
        header->magic = magic_of(header, FREED);
        /* The store is for who reads freed memory; without this the compiler sees none. */
        __asm__ volatile("" : : "r"(header) : "memory");
        ASAN_UNPOISON_MEMORY_REGION(header->base, (size_t)((char *)header - (char *)header->base));
        free(header->base);
}

void fm_pool_fail_next(uint32_t tag)
{
        atomic_store(&failing, tag);
}

void *fm_pool_alloc(size_t size, uint32_t tag)
{
        return allocate(size, tag, NULL, (POOL_TYPE)(NonPagedPool | POOL_ZERO_ALLOCATION), NULL);
}

void fm_pool_free(void *memory)
{
        if (memory)
                release(memory, 0);
}

size_t fm_pool_room(const void *memory)
{
        const struct header *place = (const struct header *)((uintptr_t)memory - sizeof(*place));
        struct header header;

        if (((uintptr_t)memory & 15) || !fm_copy_safely(&header, place, sizeof(header)) ||
            header.magic != magic_of(place, ALIVE))
                return SIZE_MAX;
        return header.size;
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

uint64_t fm_pool_report_leaks(const char *filter, const void **code)
{
        uint64_t total = 0;

        *code = NULL;
        for (struct account *account = atomic_load(&accounts); account; account = account->next) {
                uint64_t blocks = atomic_load(&account->blocks);
                char text[5];

                if (!blocks || g_strcmp0(account->filter, filter) != 0)
                        continue;
                fm_log(FM_LOG_WARNING, filter,
                       "pool leak: %" G_GUINT64_FORMAT " blocks, %" G_GUINT64_FORMAT " bytes with tag '%s'",
                       (guint64)blocks, (guint64)atomic_load(&account->bytes), tag_text(account->tag, text));
                *code = atomic_load(&account->code);
                total += blocks;
        }
        return total;
}

static PVOID allocate_typed(POOL_TYPE type, SIZE_T size, ULONG tag, bool raise, const void *code)
{
        PVOID memory;

        fm_check_irql("pool allocation", (type & 1) ? APC_LEVEL : DISPATCH_LEVEL);
        memory = allocate(size, tag, fm_thread_self()->filter, type, code);
        if (!memory && raise)
                ExRaiseStatus(STATUS_INSUFFICIENT_RESOURCES);
        return memory;
}

#define NO_TAG 0x656e6f4e /* 'None' */

PVOID ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes)
{
        return allocate_typed(PoolType, NumberOfBytes, NO_TAG, (PoolType & POOL_RAISE_IF_ALLOCATION_FAILURE) != 0,
                              __builtin_return_address(0));
}

/* NULL when memory is exhausted. IRQL <= DISPATCH_LEVEL, APC_LEVEL for paged pool. Not zeroed. */
PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
        return allocate_typed(PoolType, NumberOfBytes, Tag,
                              (PoolType & POOL_RAISE_IF_ALLOCATION_FAILURE) != 0, __builtin_return_address(0));
}

/* Raises STATUS_INSUFFICIENT_RESOURCES unless POOL_QUOTA_FAIL_INSTEAD_OF_RAISE is given. Quota is not
 * accounted. */
PVOID ExAllocatePoolWithQuotaTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
        return allocate_typed(PoolType, NumberOfBytes, Tag, !(PoolType & POOL_QUOTA_FAIL_INSTEAD_OF_RAISE),
                              __builtin_return_address(0));
}

PVOID ExAllocatePoolWithTagPriority(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag,
                                    EX_POOL_PRIORITY Priority)
{
        return allocate_typed(PoolType, NumberOfBytes, Tag, (PoolType & POOL_RAISE_IF_ALLOCATION_FAILURE) != 0,
                              __builtin_return_address(0));
}

static PVOID allocate_by_flags(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag, const void *code)
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
        return allocate_typed((POOL_TYPE)type, NumberOfBytes, Tag, (Flags & POOL_FLAG_RAISE_ON_FAILURE) != 0, code);
}

/* Zeroed unless POOL_FLAG_UNINITIALIZED. NULL for a tag of 0 or flags that name no pool, as on Windows. */
PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
        return allocate_by_flags(Flags, NumberOfBytes, Tag, __builtin_return_address(0));
}

/* Extended parameters give hints only, which are ignored. */
PVOID ExAllocatePool3(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag,
                      PCPOOL_EXTENDED_PARAMETER ExtendedParameters, ULONG ExtendedParametersCount)
{
        return allocate_by_flags(Flags, NumberOfBytes, Tag, __builtin_return_address(0));
}

VOID ExFreePool(PVOID P)
{
        fm_check_irql("ExFreePool", DISPATCH_LEVEL);
        release(P, 0);
}

/* A wrong tag is reported. Tag 0: any. */
VOID ExFreePoolWithTag(PVOID P, ULONG Tag)
{
        fm_check_irql("ExFreePoolWithTag", DISPATCH_LEVEL);
        release(P, Tag);
}

VOID ExFreePool2(PVOID P, ULONG Tag, PCPOOL_EXTENDED_PARAMETER ExtendedParameters,
                 ULONG ExtendedParametersCount)
{
        ExFreePoolWithTag(P, Tag);
}
