/* SPDX-License-Identifier: MIT */
/*
 * The backing file system: reading directories. Offsets are the backing file system's own cookies, so
 * they stay good for as long as it keeps them good.
 */
#include <dirent.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuse/backing-internal.h"
#include "fuse/session.h"

enum {
        BUFFER_SIZE = 32 * 1024,
};

/* Read ahead of one directory handle. */
struct fm_directory {
        pthread_mutex_t lock; /* guards all below, and the position of the descriptor */
        char *buffer;         /* of BUFFER_SIZE; made on first use */
        size_t filled, used;
        off_t offset; /* of the entry at `used` */
};

struct fm_directory *fm_directory_new(void)
{
        struct fm_directory *directory = g_new0(struct fm_directory, 1);

        pthread_mutex_init(&directory->lock, NULL);
        return directory;
}

void fm_directory_free(struct fm_directory *directory)
{
        if (!directory)
                return;
        pthread_mutex_destroy(&directory->lock);
        free(directory->buffer);
        g_free(directory);
}

static int seek_locked(struct fm_directory *directory, int fd, off_t offset)
{
        if (directory->offset == offset && offset != 0)
                return 0;
        /* Offset 0 reads anew: what was added since is to be seen. */
        directory->filled = 0;
        directory->used = 0;
        if (lseek(fd, offset, SEEK_SET) < 0)
                return -errno;
        directory->offset = offset;
        return 0;
}

int fm_backing_readdir(struct fm_file *file, off_t offset,
                       bool (*each)(const struct fm_directory_entry *entry, void *data), void *data)
{
        struct fm_directory *directory = file->directory;
        struct fm_inode *inode = file->inode;
        int r;

        if (!directory)
                return -ENOTDIR;
        pthread_mutex_lock(&directory->lock);
        if (!directory->buffer)
                directory->buffer = malloc(BUFFER_SIZE);
        r = directory->buffer ? seek_locked(directory, file->fd, offset) : -ENOMEM;
        while (r == 0) {
                const struct dirent64 *raw;
                struct fm_directory_entry entry;

                if (directory->used == directory->filled) {
                        ssize_t n = getdents64(file->fd, directory->buffer, BUFFER_SIZE);

                        directory->used = 0;
                        directory->filled = n > 0 ? n : 0;
                        if (n < 0)
                                r = -errno;
                        if (n <= 0)
                                break;
                }
                raw = (const struct dirent64 *)(directory->buffer + directory->used);
                entry.name = raw->d_name;
                entry.type = raw->d_type;
                entry.next = raw->d_off;
                /* Above the root there is nothing. */
                entry.ino = inode->is_root && strcmp(raw->d_name, "..") == 0
                                    ? inode->public_ino
                                    : fm_inode_public_number(inode->session->inodes, inode->device, raw->d_ino);
                if (!each(&entry, data))
                        break;
                directory->used += raw->d_reclen;
                directory->offset = raw->d_off;
        }
        pthread_mutex_unlock(&directory->lock);
        return r;
}
