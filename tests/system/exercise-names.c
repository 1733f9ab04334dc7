/* SPDX-License-Identifier: MIT */
/*
 * Does the same to two directories, one of them behind the filters, and wants the same to come of it: files,
 * directories and links are made, renamed and removed at random among few names, so that most are in the way
 * of each other, and handles stay open over it.
 *
 *     exercise-names SEED STEPS DIRECTORY MODEL
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "exercise.h"

enum {
        NAMES = 5, /* in a directory */
        DEPTH = 3,
        HANDLES = 6,
        PATH_SIZE = 4096,
        DATA_SIZE = 6000,
        COMPARE_EVERY = 50, /* steps: then the whole trees */
};

/* Both sides of everything: [0] behind the filters, [1] the model. */
struct both {
        int r[2], error[2];
};

static struct exercise exercise;
static const char *roots[2];
static int root_fds[2];
static int handles[HANDLES][2];

#define FAIL(...) exercise_fail(&exercise, __VA_ARGS__)
#define SAY(...) exercise_say(&exercise, __VA_ARGS__)

#define BOTH(both, call) \
        for (int side = 0; side < 2; side++) { \
                errno = 0; \
                (both).r[side] = (int)(call); \
                (both).error[side] = (both).r[side] < 0 ? errno : 0; \
        }

/* Whether both did it; they must agree. */
static bool agree(const struct both *both)
{
        if (both->r[0] != both->r[1] || both->error[0] != both->error[1])
                FAIL("%d (%s), but %d (%s) in the model", both->r[0], strerror(both->error[0]), both->r[1],
                     strerror(both->error[1]));
        return both->r[0] >= 0;
}

static void make_path(char path[static 3 * DEPTH])
{
        const unsigned depth = 1 + exercise_random(&exercise, DEPTH);

        for (unsigned i = 0; i < depth; i++) {
                path[2 * i] = (char)('a' + exercise_random(&exercise, NAMES));
                path[2 * i + 1] = i + 1 < depth ? '/' : 0;
        }
}

static void compare_attributes(const char *path, const struct stat *a, const struct stat *b)
{
        if (a->st_mode != b->st_mode || a->st_nlink != b->st_nlink || a->st_uid != b->st_uid ||
            a->st_gid != b->st_gid || a->st_rdev != b->st_rdev)
                FAIL("%s: mode %o links %lu owner %u:%u, but mode %o links %lu owner %u:%u in the model",
                     path, a->st_mode, (unsigned long)a->st_nlink, a->st_uid, a->st_gid, b->st_mode,
                     (unsigned long)b->st_nlink, b->st_uid, b->st_gid);
        if (!S_ISDIR(a->st_mode) && a->st_size != b->st_size)
                FAIL("%s: size %lld, but %lld in the model", path, (long long)a->st_size,
                     (long long)b->st_size);
}

static void step_make(void)
{
        const int flags = exercise_random(&exercise, 2)   ? O_EXCL
                          : exercise_random(&exercise, 2) ? O_TRUNC
                                                          : 0;
        const unsigned slot = exercise_random(&exercise, HANDLES);
        struct both both;
        char path[3 * DEPTH];

        make_path(path);
        SAY("open %s with 0%o in %u", path, O_CREAT | flags, slot);
        BOTH(both, openat(root_fds[side], path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0640));
        for (int side = 0; side < 2; side++) {
                if (both.r[side] < 0)
                        continue;
                if (handles[slot][side] >= 0)
                        close(handles[slot][side]);
                handles[slot][side] = both.r[side];
                both.r[side] = 0;
        }
        agree(&both);
}

static void step_write(void)
{
        const unsigned slot = exercise_random(&exercise, HANDLES);
        const off_t offset = exercise_random(&exercise, DATA_SIZE);
        const size_t size = 1 + exercise_random(&exercise, DATA_SIZE);
        char data[DATA_SIZE];
        struct both both;

        SAY("write %lld %zu in %u", (long long)offset, size, slot);
        if (handles[slot][0] < 0)
                return;
        memset(data, (int)exercise.step, sizeof(data));
        BOTH(both, pwrite(handles[slot][side], data, size, offset));
        agree(&both);
}

static void step_read(void)
{
        const unsigned slot = exercise_random(&exercise, HANDLES);
        static char data[2][2 * DATA_SIZE];
        struct stat attributes[2];
        struct both both;

        SAY("read %u", slot);
        if (handles[slot][0] < 0)
                return;
        BOTH(both, pread(handles[slot][side], data[side], sizeof(data[side]), 0));
        if (agree(&both) && memcmp(data[0], data[1], (size_t)both.r[0]) != 0)
                FAIL("other data than in the model");
        BOTH(both, fstat(handles[slot][side], &attributes[side]));
        if (agree(&both))
                compare_attributes("handle", &attributes[0], &attributes[1]);
}

static void step_mkdir(void)
{
        struct both both;
        char path[3 * DEPTH];

        make_path(path);
        SAY("mkdir %s", path);
        BOTH(both, mkdirat(root_fds[side], path, 0750));
        agree(&both);
}

static void step_mknod(void)
{
        const mode_t type = exercise_random(&exercise, 2) ? S_IFIFO : S_IFSOCK;
        struct both both;
        char path[3 * DEPTH];

        make_path(path);
        SAY("mknod %s %o", path, type);
        BOTH(both, mknodat(root_fds[side], path, type | 0600, 0));
        agree(&both);
}

static void step_remove(void)
{
        const int flags = exercise_random(&exercise, 2) ? AT_REMOVEDIR : 0;
        struct both both;
        char path[3 * DEPTH];

        make_path(path);
        SAY("%s %s", flags ? "rmdir" : "unlink", path);
        BOTH(both, unlinkat(root_fds[side], path, flags));
        agree(&both);
}

static void step_link(void)
{
        struct both both;
        char from[3 * DEPTH], to[3 * DEPTH];

        make_path(from);
        make_path(to);
        SAY("link %s %s", from, to);
        BOTH(both, linkat(root_fds[side], from, root_fds[side], to, 0));
        agree(&both);
}

static void step_symlink(void)
{
        struct both both;
        char target[3 * DEPTH], path[3 * DEPTH];

        make_path(target);
        make_path(path);
        SAY("symlink %s %s", target, path);
        BOTH(both, symlinkat(target, root_fds[side], path));
        agree(&both);
}

static void step_rename(void)
{
        static const unsigned kinds[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
        const unsigned flags = kinds[exercise_random(&exercise, sizeof(kinds) / sizeof(kinds[0]))];
        struct both both;
        char from[3 * DEPTH], to[3 * DEPTH];

        make_path(from);
        make_path(to);
        SAY("rename %s %s with %u", from, to, flags);
        BOTH(both, renameat2(root_fds[side], from, root_fds[side], to, flags));
        agree(&both);
}

static void step_attributes(void)
{
        const mode_t mode = 0700 | exercise_random(&exercise, 0100);
        const struct timespec times[2] = {
                {.tv_sec = exercise_random(&exercise, 1U << 31),
                 .tv_nsec = exercise_random(&exercise, 1000000000)},
                {.tv_sec = exercise_random(&exercise, 1U << 31),
                 .tv_nsec = exercise_random(&exercise, 1000000000)},
        };
        const off_t size = exercise_random(&exercise, 2 * DATA_SIZE);
        const unsigned what = exercise_random(&exercise, 4);
        struct stat after[2];
        char full[2][PATH_SIZE], path[3 * DEPTH];
        struct both both;

        make_path(path);
        for (int side = 0; side < 2; side++)
                snprintf(full[side], sizeof(full[side]), "%s/%s", roots[side], path);
        if (what == 0) {
                SAY("chmod %s %o", path, mode);
                BOTH(both, fchmodat(root_fds[side], path, mode, 0));
                agree(&both);
        } else if (what == 1) {
                SAY("truncate %s %lld", path, (long long)size);
                BOTH(both, truncate(full[side], size));
                agree(&both);
        } else if (what == 2) {
                /* Nobody new: drops set-user-id bits all the same. */
                SAY("chmod %s 06711, chown -1 -1", path);
                BOTH(both, fchmodat(root_fds[side], path, 06711, 0));
                agree(&both);
                BOTH(both, fchownat(root_fds[side], path, (uid_t)-1, (gid_t)-1, 0));
                agree(&both);
        } else {
                SAY("utimens %s", path);
                BOTH(both, utimensat(root_fds[side], path, times, AT_SYMLINK_NOFOLLOW));
                if (!agree(&both))
                        return;
                BOTH(both, fstatat(root_fds[side], path, &after[side], AT_SYMLINK_NOFOLLOW));
                if (agree(&both) && (memcmp(&after[0].st_mtim, &after[1].st_mtim, sizeof(times[0])) != 0 ||
                                     memcmp(&after[0].st_atim, &after[1].st_atim, sizeof(times[0])) != 0))
                        FAIL("other times than in the model");
        }
}

static void step_xattr(void)
{
        const unsigned what = exercise_random(&exercise, 3);
        const char name[] = {'u', 's', 'e', 'r', '.', (char)('a' + exercise_random(&exercise, NAMES)), 0};
        const size_t size = exercise_random(&exercise, 100);
        char full[2][PATH_SIZE], value[2][100] = {{0}}, path[3 * DEPTH];
        struct both both;

        make_path(path);
        for (int side = 0; side < 2; side++)
                snprintf(full[side], sizeof(full[side]), "%s/%s", roots[side], path);
        SAY("xattr %s of %s, what %u size %zu", name, path, what, size);
        if (what == 0) {
                memset(value[0], (int)exercise.step, size);
                BOTH(both, lsetxattr(full[side], name, value[0], size, 0));
        } else if (what == 1) {
                BOTH(both, lremovexattr(full[side], name));
        } else {
                BOTH(both, lgetxattr(full[side], name, value[side], sizeof(value[side])));
                if (memcmp(value[0], value[1], sizeof(value[0])) != 0)
                        FAIL("another value than in the model");
        }
        agree(&both);
}

/* ---- whole trees ---- */

static void compare_directory(const char *path, int a, int b);

static void compare_file(const char *path, const int parents[2], const char *name)
{
        static char data[2][2 * DATA_SIZE + 1];
        struct both both;

        BOTH(both, openat(parents[side], name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        for (int side = 0; side < 2; side++) {
                const int fd = both.r[side];

                if (fd < 0)
                        FAIL("%s: open: %s", path, strerror(both.error[side]));
                both.r[side] = (int)pread(fd, data[side], sizeof(data[side]), 0);
                close(fd);
        }
        if (agree(&both) && memcmp(data[0], data[1], (size_t)both.r[0]) != 0)
                FAIL("%s: other data than in the model", path);
}

static void compare_entry(const char *path, const int parents[2], const char *name)
{
        char targets[2][PATH_SIZE] = {{0}};
        struct stat attributes[2];
        struct both both;

        BOTH(both, fstatat(parents[side], name, &attributes[side], AT_SYMLINK_NOFOLLOW));
        if (!agree(&both))
                FAIL("%s: stat: %s", path, strerror(both.error[0]));
        compare_attributes(path, &attributes[0], &attributes[1]);
        if (S_ISREG(attributes[0].st_mode)) {
                compare_file(path, parents, name);
        } else if (S_ISLNK(attributes[0].st_mode)) {
                BOTH(both, readlinkat(parents[side], name, targets[side], PATH_SIZE));
                if (agree(&both) && strcmp(targets[0], targets[1]) != 0)
                        FAIL("%s leads to %s, but to %s in the model", path, targets[0], targets[1]);
        } else if (S_ISDIR(attributes[0].st_mode)) {
                BOTH(both, openat(parents[side], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
                if (both.r[0] < 0 || both.r[1] < 0)
                        FAIL("%s: opendir: %s", path,
                             strerror(both.error[0] ? both.error[0] : both.error[1]));
                compare_directory(path, both.r[0], both.r[1]);
        }
}

/* The names of a directory with their types, in order. */
static void list(const char *path, int fd, char names[NAMES][3], unsigned *count)
{
        DIR *dir = fdopendir(dup(fd));
        struct dirent *entry;

        if (!dir)
                FAIL("%s: opendir: %m", path);
        rewinddir(dir);
        memset(names, 0, NAMES * sizeof(names[0]));
        *count = 0;
        while ((entry = readdir(dir))) {
                const unsigned which = (unsigned)(entry->d_name[0] - 'a');

                if (entry->d_name[0] == '.')
                        continue;
                if (which >= NAMES || entry->d_name[1] || names[which][0])
                        FAIL("%s: unexpected entry %s", path, entry->d_name);
                names[which][0] = entry->d_name[0];
                names[which][1] = (char)('A' + entry->d_type);
                (*count)++;
        }
        closedir(dir);
}

/* Closes both. */
static void compare_directory(const char *path, int a, int b)
{
        const int fds[2] = {a, b};
        char names[2][NAMES][3], below[PATH_SIZE];
        unsigned counts[2];

        for (int side = 0; side < 2; side++)
                list(path, fds[side], names[side], &counts[side]);
        if (counts[0] != counts[1])
                FAIL("%s: %u entries, but %u in the model", path, counts[0], counts[1]);
        for (unsigned i = 0; i < NAMES; i++) {
                const char name[] = {(char)('a' + i), 0};

                if (strcmp(names[0][i], names[1][i]) != 0)
                        FAIL("%s: listed as '%s', but as '%s' in the model", path, names[0][i], names[1][i]);
                if (!names[0][i][0])
                        continue;
                snprintf(below, sizeof(below), "%.*s/%s", (int)sizeof(below) - 4, path, name);
                compare_entry(below, fds, name);
        }
        close(a);
        close(b);
}

static void compare_trees(void)
{
        struct both both;

        BOTH(both, openat(root_fds[side], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (both.r[0] < 0 || both.r[1] < 0)
                FAIL("opendir: %m");
        compare_directory(".", both.r[0], both.r[1]);
}

int main(int argc, char **argv)
{
        static void (*const steps[])(void) = {
                step_make,   step_make,   step_make,       step_write,      step_write,  step_read,
                step_read,   step_mkdir,  step_mkdir,      step_mkdir,      step_mknod,  step_remove,
                step_remove, step_link,   step_link,       step_symlink,    step_rename, step_rename,
                step_rename, step_rename, step_attributes, step_attributes, step_xattr,  step_xattr,
        };
        unsigned long count;

        if (argc != 5) {
                fprintf(stderr, "Usage: exercise-names SEED STEPS DIRECTORY MODEL\n");
                return 2;
        }
        exercise_init(&exercise, strtoull(argv[1], NULL, 0));
        count = strtoul(argv[2], NULL, 0);
        memset(handles, -1, sizeof(handles));
        for (int side = 0; side < 2; side++) {
                roots[side] = argv[3 + side];
                root_fds[side] = open(roots[side], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (root_fds[side] < 0)
                        FAIL("%s: %m", roots[side]);
        }
        for (exercise.step = 0; exercise.step < count; exercise.step++) {
                steps[exercise_random(&exercise, sizeof(steps) / sizeof(steps[0]))]();
                if (exercise.step % COMPARE_EVERY == COMPARE_EVERY - 1)
                        compare_trees();
        }
        compare_trees();
        printf("seed %llu: %lu steps\n", (unsigned long long)exercise.seed, count);
        return 0;
}
