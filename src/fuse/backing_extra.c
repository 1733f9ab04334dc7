/* SPDX-License-Identifier: MIT */
/*
 * Finding a known inode by the number that the mount shows. Numbers are made so that they can't be turned
 * back in all cases, and nobody but filters that open by file id asks: the table is searched.
 */
#include "fuse/inode-internal.h"

#include "fuse/session.h"

/* Not one that is on its way out. */
static bool ref_if_alive(struct fm_inode *inode)
{
        uint64_t refs = atomic_load(&inode->refs);

        while (refs)
                if (atomic_compare_exchange_weak(&inode->refs, &refs, refs + 1))
                        return true;
        return false;
}

struct fm_inode *fm_inode_ref_by_number(struct fm_session *session, uint64_t public_ino)
{
        struct fm_inode_table *table = session->inodes;
        struct fm_inode *found = NULL, *inode;
        unsigned i;
        uint32_t j;

        for (i = 0; i < FM_INODE_SHARDS && !found; i++) {
                struct fm_inode_shard *shard = &table->by_key[i];

                pthread_mutex_lock(&shard->lock);
                for (j = 0; j <= shard->mask && !found; j++)
                        for (inode = shard->buckets[j]; inode && !found; inode = inode->hash_next)
                                if (inode->public_ino == public_ino && ref_if_alive(inode))
                                        found = inode;
                pthread_mutex_unlock(&shard->lock);
        }
        return found;
}
