#!/bin/bash
# SPDX-License-Identifier: MIT
# A mount without filters behaves like the directory behind it: the same script is run in both, and says the same.
. "$(dirname "$0")/lib.sh"
need_fuse
need_program python3 setpriv flock

mkdir "$T/plain"
fs_mount || exit 1
python3 "$(dirname "$0")/passthrough.py" "$T/plain" >"$T/plain.out" 2>&1
python3 "$(dirname "$0")/passthrough.py" "$MNT" >"$T/mount.out" 2>&1
while IFS=$'\t' read -r name wanted; do
  is "$name" "$(sed -n "s/^$name\t//p" "$T/mount.out")" "$wanted"
done <"$T/plain.out"
ok "the script came to its end" grep -q "^end" "$T/mount.out"
ok "and has seen enough" test "$(wc -l <"$T/plain.out")" -ge 60

mkdir "$SRC/large"
(cd "$SRC/large" && for i in $(seq 3000); do : >"file-with-some-name-$i"; done)
is "a large directory is listed whole" "$(ls "$MNT/large" | sort | sha256sum)" "$(ls "$SRC/large" | sort | sha256sum)"

# Locks are shared with those who lock the file behind the mount.
printf x >"$SRC/lock"
exec 7<>"$MNT/lock"
flock -x 7
ok "a lock on the mount holds outside" not flock -n "$SRC/lock" true
exec 7>&-

# Changes behind the mount are seen by the next open, whatever the kernel remembers.
printf 'short' >"$SRC/behind"
cat "$MNT/behind" >/dev/null
printf 'much longer' >"$SRC/behind"
is "a longer file is read to its end" "$(cat "$MNT/behind")" "much longer"
printf 'MUCH LONGER' >"$SRC/behind"
is "new data of the same size" "$(cat "$MNT/behind")" "MUCH LONGER"

# Symbolic links are the caller's affair; nothing above the source can be reached through names.
ln -s "$T" "$SRC/up"
is "a symlink leads where it leads for the caller" "$(readlink "$MNT/up")" "$T"
is ".. of the root is above the mount point" "$(stat -c %i "$MNT/..")" "$(stat -c %i "$T")"

# More files than descriptors.
(cd "$SRC" && mkdir lots && cd lots && seq 3000 | xargs touch)
fs_umount
(ulimit -n 128; fs_mount) || exit 1
is "few descriptors: every file is found" "$(find "$MNT/lots" -type f | wc -l)" 3000
is "and can be read" "$(find "$MNT/lots" -type f -exec cat {} + | wc -c)" 0
is "with the inode numbers of the source" \
  "$(cd "$MNT" && find lots -printf '%p %i\n' | sort | sha256sum)" "$(cd "$SRC" && find lots -printf '%p %i\n' | sort | sha256sum)"

# The end comes whatever is open.
exec 7<"$MNT/lock"
cat <&7 >/dev/null
ok "umount --force with a file open" "$FLTSIM" umount --force "$MNT"
ok "no mount is left" not is_mounted
ok "the open file gives errors" not stat -L /proc/self/fd/7
exec 7<&-
