/* SPDX-License-Identifier: MIT */
/*
 * See credentials.h. The raw system calls are meant: glibc's setgroups() would change every thread.
 */
#include "fuse/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
        MAX_GROUPS = 65536, /* NGROUPS_MAX */
};

static bool privileged;
static uid_t own_uid;
static gid_t own_gid;

/* Whom this thread is at the moment. */
static _Thread_local struct {
        bool valid;
        uid_t uid;
        gid_t gid;
        pid_t groups_of; /* whose supplementary groups we have; 0: none */
        bool own_umask;
        mode_t umask;
} self;

void fm_credentials_init(void)
{
        own_uid = geteuid();
        own_gid = getegid();
        privileged = own_uid == 0;
        /* Group 0 must not open doors to those whom we act for. */
        if (privileged && setgroups(0, NULL) < 0)
                privileged = false;
}

bool fm_credentials_are_privileged(void)
{
        return privileged;
}

/* A thread begins as whoever its creator was acting for at that moment. */
static void become_ourselves(void)
{
        setfsgid(own_gid);
        setfsuid(own_uid);
        syscall(SYS_setgroups, 0, NULL);
        self.uid = own_uid;
        self.gid = own_gid;
        self.groups_of = 0;
        self.valid = true;
}

void fm_credentials_enter_thread(void)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        if (!privileged)
                return;
        become_ourselves();
        /* Quotas hold for whom we act for; CAP_SYS_RESOURCE stays in effect whatever the fsuid is. */
        if (syscall(SYS_capget, &header, data) < 0)
                return;
        data[0].effective &= ~(1u << CAP_SYS_RESOURCE);
        syscall(SYS_capset, &header, data);
}

static void drop_groups(void)
{
        if (self.groups_of == 0)
                return;
        syscall(SYS_setgroups, 0, NULL);
        self.groups_of = 0;
}

void fm_credentials_enter(const struct fm_caller *caller)
{
        uid_t uid = caller ? caller->uid : own_uid;
        gid_t gid = caller ? caller->gid : own_gid;

        if (!privileged)
                return;
        if (!self.valid)
                become_ourselves();
        if (self.groups_of != 0 && (!caller || self.groups_of != caller->tid || self.uid != uid))
                drop_groups();
        if (self.gid != gid) {
                setfsgid(gid);
                self.gid = gid;
        }
        if (self.uid != uid) {
                setfsuid(uid);
                self.uid = uid;
        }
}

/* The line "Groups:" of the thread's status; the count, or -1. *ret is malloc'd. */
static int read_groups(pid_t tid, gid_t **ret)
{
        char path[64];
        char *line = NULL;
        size_t size = 0;
        int count = -1;
        FILE *file;

        *ret = NULL;
        snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
        file = fopen(path, "re");
        if (!file)
                return -1;
        while (getline(&line, &size, file) > 0) {
                char *p, *end;

                if (strncmp(line, "Groups:", 7) != 0)
                        continue;
                /* Each group takes two characters at least. */
                *ret = malloc((strlen(line) / 2 + 1) * sizeof(gid_t));
                if (!*ret)
                        break;
                count = 0;
                for (p = line + 7;; p = end) {
                        unsigned long gid = strtoul(p, &end, 10);

                        if (end == p || count == MAX_GROUPS)
                                break;
                        (*ret)[count++] = gid;
                }
                break;
        }
        free(line);
        fclose(file);
        return count;
}

bool fm_credentials_add_groups(const struct fm_caller *caller)
{
        gid_t *groups;
        int count;
        bool added = false;

        if (!privileged || !caller || caller->uid == 0 || caller->tid <= 0 || self.groups_of == caller->tid)
                return false;
        count = read_groups(caller->tid, &groups);
        if (count > 0 && !(count == 1 && groups[0] == caller->gid) &&
            syscall(SYS_setgroups, (size_t)count, groups) == 0) {
                self.groups_of = caller->tid;
                added = true;
        }
        free(groups);
        return added;
}

void fm_credentials_prepare(const struct fm_caller *caller, mode_t mode)
{
        if (!(mode & S_ISGID))
                return;
        fm_credentials_enter(caller);
        fm_credentials_add_groups(caller);
}

void fm_credentials_set_umask(const struct fm_caller *caller)
{
        mode_t mask = caller ? caller->umask : 0;

        /* The umask belongs to the process until the thread has its own copy of what CLONE_FS shares. */
        if (!self.own_umask) {
                if (unshare(CLONE_FS) < 0)
                        return;
                self.own_umask = true;
                self.umask = mask;
                umask(mask);
        }
        if (self.umask != mask) {
                umask(mask);
                self.umask = mask;
        }
}
