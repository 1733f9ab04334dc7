/* SPDX-License-Identifier: MIT */
/* Where a filter manager is found; see runtime.h. */
#include "wire/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOT_DIRECTORY "/run/fltsim"

char *fm_runtime_dir(void)
{
        const char *chosen = getenv("FLTSIM_RUNTIME_DIR"), *xdg = getenv("XDG_RUNTIME_DIR");
        char *path = NULL;
        int r;

        if (chosen && *chosen)
                return strdup(chosen);
        if (geteuid() == 0)
                return strdup(ROOT_DIRECTORY);
        if (xdg && *xdg == '/')
                r = asprintf(&path, "%s/fltsim", xdg);
        else
                r = asprintf(&path, "/tmp/fltsim-%u", geteuid());
        return r < 0 ? NULL : path;
}

char *fm_runtime_candidate(unsigned index)
{
        const char *chosen = getenv("FLTSIM_RUNTIME_DIR");

        if (index == 0)
                return fm_runtime_dir();
        if (index == 1 && geteuid() != 0 && !(chosen && *chosen))
                return strdup(ROOT_DIRECTORY);
        return NULL;
}

char *fm_runtime_path(const char *directory, const char *name)
{
        char *own = directory ? NULL : fm_runtime_dir();
        char *path = NULL;

        if ((directory || own) && asprintf(&path, "%s/%s", directory ? directory : own, name) < 0)
                path = NULL;
        free(own);
        return path;
}

int fm_runtime_open(const char *directory, mode_t mode)
{
        bool created = mkdir(directory, 0700) == 0;
        struct stat st;
        int fd, error;

        if (!created && errno != EEXIST)
                return -errno;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -ENOTDIR : -errno;
        if (fstat(fd, &st) < 0) {
                error = -errno;
                goto fail;
        }
        if (st.st_uid != geteuid() || (st.st_mode & 022)) {
                error = -EPERM;
                goto fail;
        }
        /* One that was there may be anything of the user's: its mode is his. */
        if (created && fchmod(fd, mode) < 0) {
                error = -errno;
                goto fail;
        }
        return fd;

fail:
        close(fd);
        return error;
}

int fm_runtime_lock(int directory_fd, pid_t *owner)
{
        char text[32] = "";
        int fd, error, length;

        fd = openat(directory_fd, FM_RUNTIME_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                error = errno == EWOULDBLOCK ? -EBUSY : -errno;
                if (error == -EBUSY && owner)
                        *owner = pread(fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
                close(fd);
                return error;
        }
        length = snprintf(text, sizeof(text), "%d\n", getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, text, length, 0) != length) {
                error = errno ? -errno : -EIO;
                close(fd);
                return error;
        }
        return fd;
}

int fm_runtime_address(const char *directory, struct sockaddr_un *address)
{
        int length;

        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        length =
                snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", directory, FM_RUNTIME_SOCKET);
        if (length < 0 || (size_t)length >= sizeof(address->sun_path))
                return -ENAMETOOLONG;
        return offsetof(struct sockaddr_un, sun_path) + length + 1;
}

int fm_runtime_check(const char *directory)
{
        struct sockaddr_un address;
        struct stat dir, sock;
        int r;

        r = fm_runtime_address(directory, &address);
        if (r < 0)
                return r;
        if (lstat(directory, &dir) < 0 || lstat(address.sun_path, &sock) < 0)
                return -errno;
        if (!S_ISDIR(dir.st_mode) || !S_ISSOCK(sock.st_mode))
                return -ENOENT;
        if ((dir.st_mode & 022) || (dir.st_uid != 0 && dir.st_uid != geteuid()) || sock.st_uid != dir.st_uid)
                return -EPERM;
        return 0;
}
