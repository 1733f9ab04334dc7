/* SPDX-License-Identifier: MIT */
/*
 * From a name to an inode, for names that a filter made or changed.
 *
 * The kernel's path walk is not used: nothing may lead out of the volume, and the caller's search permission
 * counts on each step.
 */
#include "fuse/fsd.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuse/session.h"
#include "nt/status.h"
#include "nt/unicode.h"

#define MAX_LINKS 40

void fm_fsd_place_clear(struct fm_fsd_place *place)
{
        fm_inode_unref(place->parent);
        fm_inode_unref(place->inode);
        free(place->name);
        *place = (struct fm_fsd_place){0};
}

/* The target in front of what is left of the path; malloc'd. */
static char *read_target(const struct fm_caller *caller, struct fm_inode *link, const char *rest, int *error)
{
        char target[PATH_MAX], *path = NULL;

        *error = fm_backing_readlink(caller, link, target, sizeof(target) - 1);
        if (*error < 0)
                return NULL;
        target[*error] = '\0';
        *error = 0;
        if (strlen(target) + strlen(rest) + 2 > PATH_MAX) {
                *error = -ENAMETOOLONG;
                return NULL;
        }
        if (asprintf(&path, "%s/%s", target, rest) < 0)
                *error = -ENOMEM;
        return *error < 0 ? NULL : path;
}

static struct fm_inode *parent_of(struct fm_session *session, struct fm_inode *inode)
{
        struct fm_inode *parent = inode == session->root ? NULL : fm_inode_parent(inode, NULL);

        return parent ? parent : fm_inode_ref(session->root);
}

static NTSTATUS step_status(int error, bool last)
{
        if (!last && (error == -ENOENT || error == -ENOTDIR))
                return STATUS_OBJECT_PATH_NOT_FOUND;
        return error == -ENOTDIR ? STATUS_OBJECT_PATH_NOT_FOUND : fm_status_from_errno(-error);
}

NTSTATUS fm_fsd_walk(struct fm_session *session, const struct fm_caller *caller, struct fm_inode *start,
                     const char *path, bool follow_last, struct fm_fsd_place *ret)
{
        struct fm_inode *current = fm_inode_ref(start), *child;
        char *buffer = strdup(path), *rest = buffer;
        NTSTATUS status = STATUS_SUCCESS;
        unsigned links = 0;
        struct stat st;
        int error;

        *ret = (struct fm_fsd_place){0};
        for (;;) {
                char *component, *longer;
                bool last;

                rest += strspn(rest, "/");
                if (*rest == '\0') {
                        ret->inode = current;
                        current = NULL;
                        break;
                }
                component = rest;
                rest += strcspn(rest, "/");
                last = rest[strspn(rest, "/")] == '\0';
                if (*rest)
                        *rest++ = '\0';
                if (strcmp(component, ".") == 0 || strcmp(component, "..") == 0) {
                        /* Only links may say so: Windows has no such names. */
                        if (links == 0) {
                                status = STATUS_OBJECT_NAME_INVALID;
                                break;
                        }
                        if (component[1]) {
                                child = parent_of(session, current);
                                fm_inode_unref(current);
                                current = child;
                        }
                        continue;
                }
                error = fm_backing_lookup(caller, current, component, &child, &st);
                if (error < 0 && !(error == -ENOENT && last)) {
                        status = step_status(error, last);
                        break;
                }
                if (error == 0 && S_ISLNK(child->type) && (!last || follow_last)) {
                        longer = ++links > MAX_LINKS ? NULL : read_target(caller, child, rest, &error);
                        fm_inode_unref(child);
                        if (!longer) {
                                status = error < 0 ? fm_status_from_errno(-error)
                                                   : STATUS_REPARSE_POINT_NOT_RESOLVED;
                                break;
                        }
                        free(buffer);
                        buffer = rest = longer;
                        if (*rest == '/') {
                                fm_inode_unref(current);
                                current = fm_inode_ref(session->root);
                        }
                        continue;
                }
                if (last) {
                        ret->parent = current;
                        ret->name = strdup(component);
                        ret->inode = error == 0 ? child : NULL;
                        current = NULL;
                        break;
                }
                fm_inode_unref(current);
                current = child;
                if (!fm_inode_is_directory(current)) {
                        status = STATUS_OBJECT_PATH_NOT_FOUND;
                        break;
                }
        }
        fm_inode_unref(current);
        free(buffer);
        return status;
}

/*
 * Cuts "::$DATA", which names what every file has. Other streams do not exist here. Names of Linux files with
 * a colon have it escaped, so a colon is always a stream's.
 */
static bool cut_stream(UNICODE_STRING *name)
{
        static const WCHAR data[] = L"::$DATA";
        const USHORT chars = name->Length / sizeof(WCHAR), tail = G_N_ELEMENTS(data) - 1;
        USHORT colon = 0, i;

        while (colon < chars && name->Buffer[colon] != L':')
                colon++;
        if (colon == chars)
                return true;
        if (chars - colon != tail)
                return false;
        for (i = 0; i < tail; i++)
                if (name->Buffer[colon + i] != data[i] && name->Buffer[colon + i] != data[i] + (L'a' - L'A'))
                        return false;
        name->Length = colon * sizeof(WCHAR);
        return true;
}

NTSTATUS fm_fsd_walk_file(struct fm_operation *op, bool follow_last, struct fm_fsd_place *ret)
{
        PFILE_OBJECT file = op->iopb.TargetFileObject;
        UNICODE_STRING name = file->FileName;
        struct fm_session *session = fm_fsd_session(op);
        struct fm_inode *start = session->root;
        struct fm_caller scratch;
        NTSTATUS status;
        char *path;

        *ret = (struct fm_fsd_place){0};
        if (file->RelatedFileObject) {
                struct fm_fsd_file *related = fm_fsd_file(file->RelatedFileObject);

                if (!related || !related->inode)
                        return STATUS_INVALID_PARAMETER;
                start = related->inode;
                if (name.Length && name.Buffer[0] == L'\\')
                        return STATUS_OBJECT_NAME_INVALID;
                if (name.Length && !fm_inode_is_directory(start))
                        return STATUS_OBJECT_PATH_NOT_FOUND;
        } else if (name.Length && name.Buffer[0] != L'\\') {
                return STATUS_OBJECT_NAME_INVALID;
        }
        if (!cut_stream(&name))
                return STATUS_OBJECT_NAME_NOT_FOUND;
        path = fm_name_from_unicode_string(&name);
        if (!path)
                return STATUS_OBJECT_NAME_INVALID;
        status = fm_fsd_walk(session, fm_fsd_caller(op, &scratch), start, path, follow_last, ret);
        free(path);
        return status;
}
