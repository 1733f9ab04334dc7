/* SPDX-License-Identifier: MIT */
/*
 * Measures one round of small file operations in one directory; bench.sh compares directories.
 *
 *   fs-bench prepare DIR N ROUNDS   makes DIR/r<i>/f<j>, 4 KiB each, for i < ROUNDS and j < N
 *   fs-bench measure DIR N ROUND    prints "OPERATION<tab>NANOSECONDS" lines, per operation
 *
 * "first" operations meet a file for the first time since it was made, the others again.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char block[4096];
static const char *directory;
static int count;

static void die(const char *what)
{
        perror(what);
        exit(1);
}

static uint64_t now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void path_of(char *path, size_t size, int round, const char *kind, int number)
{
        snprintf(path, size, "%s/r%d/%s%d", directory, round, kind, number);
}

static void open_close(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                die(path);
        close(fd);
}

static void open_read_close(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, block, sizeof(block)) != sizeof(block))
                die(path);
        close(fd);
}

static void create_write_close(const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, block, sizeof(block)) != sizeof(block))
                die(path);
        close(fd);
}

static void stat_it(const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0)
                die(path);
}

static void measure(const char *name, void (*operation)(const char *), int round, const char *kind, int first, int end)
{
        char path[4096];
        uint64_t start = now();

        for (int i = first; i < end; i++) {
                path_of(path, sizeof(path), round, kind, i);
                operation(path);
        }
        printf("%s\t%llu\n", name, (unsigned long long)((now() - start) / (uint64_t)(end - first)));
}

static void prepare(int rounds)
{
        char path[4096];

        for (int round = 0; round < rounds; round++) {
                snprintf(path, sizeof(path), "%s/r%d", directory, round);
                if (mkdir(path, 0755) < 0)
                        die(path);
                for (int i = 0; i < count; i++) {
                        path_of(path, sizeof(path), round, "f", i);
                        create_write_close(path);
                }
        }
}

int main(int argc, char **argv)
{
        if (argc != 5) {
                fprintf(stderr, "usage: fs-bench prepare DIR N ROUNDS | measure DIR N ROUND\n");
                return 2;
        }
        directory = argv[2];
        count = atoi(argv[3]);
        int round = atoi(argv[4]);

        memset(block, 'x', sizeof(block));
        if (strcmp(argv[1], "prepare") == 0) {
                prepare(round);
                return 0;
        }
        measure("first-open+close", open_close, round, "f", 0, count / 2);
        measure("first-open+read+close", open_read_close, round, "f", count / 2, count);
        measure("open+close", open_close, round, "f", 0, count);
        measure("open+read+close", open_read_close, round, "f", 0, count);
        measure("create+write+close", create_write_close, round, "new", 0, count / 2);
        measure("stat", stat_it, round, "f", 0, count);
        measure("stat again", stat_it, round, "f", 0, count);
        return 0;
}
