#!/bin/bash
# SPDX-License-Identifier: MIT
# With the scanner on, a tree looks the same through the mount as without it.
. "$(dirname "$0")/lib.sh"
need_fuse
need_program rsync

rmdir "$SRC"
cp -a /usr/share/doc "$SRC" 2>/dev/null
mkdir -p "$SRC/extra/deep/er"
ln -s ../nowhere "$SRC/extra/dangling"
mkfifo "$SRC/extra/fifo"
printf x >"$SRC/extra/"$'not\xffutf8'
printf y >"$SRC/extra/"$'new\nline \\ : * ? " < > |'
: >"$SRC/extra/empty"
ln "$SRC/extra/empty" "$SRC/extra/empty-too"
truncate -s 10M "$SRC/extra/sparse"
printf end >>"$SRC/extra/sparse"
chmod 4755 "$SRC/extra/empty"
setfattr -n user.color -v blue "$SRC/extra/sparse" 2>/dev/null
[ "$(id -u)" = 0 ] && mknod "$SRC/extra/null" c 1 3

fs_mount --filter onaccess || exit 1
agent_start

ok "diff -r finds no difference" diff -r --no-dereference \
  -x fifo -x null "$SRC" "$MNT"
format='%P %y %m %U %G %s %n %l %T@ %C@\n'
(cd "$SRC" && find . -mindepth 1 -printf "$format" | LC_ALL=C sort) >"$T/find.src"
(cd "$MNT" && find . -mindepth 1 -printf "$format" | LC_ALL=C sort) >"$T/find.mnt"
ok "find prints the same metadata" cmp "$T/find.src" "$T/find.mnt"
ok "and something at all" test "$(wc -l <"$T/find.src")" -gt 20
tar_of() { tar -C "$1" --sort=name -cf - . | sha256sum; }
is "tar makes the same archive" "$(tar_of "$MNT")" "$(tar_of "$SRC")"
rsync_flags=-aHAX
[ "$(id -u)" = 0 ] && rsync_flags="$rsync_flags --super"
is "rsync finds nothing to do" "$(rsync $rsync_flags --checksum -n -i --delete "$SRC/" "$MNT/" 2>&1)" ""
ok "umount" fs_umount
ok "nothing is mounted" not is_mounted
