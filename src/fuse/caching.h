/* SPDX-License-Identifier: MIT */
/*
 * What the kernel may remember of the mount's files; follows from what the attached filters registered for.
 *
 * Somebody wants reads: files are opened with direct I/O, so that each read is seen. Somebody wants writes only:
 * the page cache stays, each write(2) comes through at once (there is never a writeback cache). Somebody wants
 * queries: attributes are not kept. Symlink targets and directory contents are never kept. docs/how-it-works.md has
 * the whole table.
 */
#pragma once

#include "fuse/backing.h"
#include "fuse/session.h"

/* The volume's wanted_changed(): takes up what filters want now, and drops what the kernel remembers too much. */
void fm_caching_update(PFLT_VOLUME volume);

/* Flags and handle of an answer to an open. attr: of the file just opened, or NULL. */
void fm_caching_fill(struct fm_file *file, const struct stat *attr, struct fuse_file_info *fi);

/*
 * Filters said that a file of `real` bytes has `shown`. Answers that no filter was asked about (of a lookup, a
 * create, a directory listing) say the same as long as the file has that size and the filters are those.
 */
void fm_caching_set_view(struct fm_inode *inode, off_t real, off_t shown);
/* Filters have done that, or may again: what they say now has to be asked. */
bool fm_caching_has_view(struct fm_inode *inode);

/* The kernel is being told these attributes. */
void fm_caching_told(struct fm_inode *inode, const struct stat *attr);
double fm_caching_attr_timeout(const struct fm_session *session);
/*
 * The kernel knows the inode of that number now, with attributes for so long. If a filter that wants queries came
 * while the answer was on its way, they are dropped.
 */
void fm_caching_answered(struct fm_session *session, uint64_t id, double attr_timeout);
/* Attributes, number and time-outs of an entry. */
void fm_caching_fill_entry(struct fm_inode *inode, const struct stat *attr, struct fuse_entry_param *ret);

/* Waits for a dropping in progress; before the session goes. */
void fm_caching_finish(struct fm_session *session);
