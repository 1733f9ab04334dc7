/* SPDX-License-Identifier: MIT */
/*
 * Opens a file in one way and says what happened, as perror() does.
 *
 *   open-file FILE      for reading
 *   open-file -w FILE   for reading and writing
 *   open-file -m FILE   for reading, and maps it
 *   open-file -M FILE   creates it and writes standard input through a shared mapping, closing the descriptor first
 *   open-file -n N DIR  N threads open DIR/0 ... DIR/N-1 at the same moment; prints "opened X denied Y failed Z"
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fail(const char *what)
{
        perror(what);
        return 1;
}

static int map_readable(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return fail(path);
        if (mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED)
                return fail("mmap");
        return 0;
}

static int write_by_mapping(const char *path)
{
        char text[4096];
        ssize_t length = read(0, text, sizeof(text));
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        char *map;

        while (length > 0 && text[length - 1] == '\n')
                length--;
        if (fd < 0 || length <= 0 || ftruncate(fd, length) < 0)
                return fail(path);
        map = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
                return fail("mmap");
        close(fd);
        memcpy(map, text, (size_t)length);
        return munmap(map, (size_t)length) < 0 ? fail("munmap") : 0;
}

static pthread_barrier_t barrier;
static const char *directory;
static atomic_int opened, denied, failed;

static void *opener(void *number)
{
        char path[4096];
        int fd;

        snprintf(path, sizeof(path), "%s/%d", directory, (int)(long)number);
        pthread_barrier_wait(&barrier);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
                atomic_fetch_add(&opened, 1);
                close(fd);
        } else {
                atomic_fetch_add(errno == EACCES ? &denied : &failed, 1);
        }
        return NULL;
}

static int open_many(int count)
{
        pthread_t *threads = calloc((size_t)count, sizeof(*threads));
        pthread_attr_t attributes;

        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, 64 * 1024);
        pthread_barrier_init(&barrier, NULL, (unsigned)count);
        for (int i = 0; i < count; i++)
                if (pthread_create(&threads[i], &attributes, opener, (void *)(long)i))
                        return fail("pthread_create");
        for (int i = 0; i < count; i++)
                pthread_join(threads[i], NULL);
        free(threads);
        printf("opened %d denied %d failed %d\n", atomic_load(&opened), atomic_load(&denied), atomic_load(&failed));
        return 0;
}

int main(int argc, char **argv)
{
        const char *path = argv[argc - 1];
        int fd;

        if (argc == 4 && strcmp(argv[1], "-n") == 0) {
                directory = path;
                return open_many(atoi(argv[2]));
        }
        if (argc == 3 && strcmp(argv[1], "-m") == 0)
                return map_readable(path);
        if (argc == 3 && strcmp(argv[1], "-M") == 0)
                return write_by_mapping(path);
        fd = open(path, (argc == 3 ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (fd < 0)
                return fail(path);
        close(fd);
        return 0;
}
