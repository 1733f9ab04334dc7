#!/bin/bash
# SPDX-License-Identifier: MIT
# Who may connect to the port, and whose permissions count on the mount.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }
as_daemon() { setpriv --reuid=1 --regid=1 --groups="$1" -- "${@:2}"; }

printf secret >"$SRC/secret"; chmod 600 "$SRC/secret"
printf group >"$SRC/group"; chown 0:4242 "$SRC/group"; chmod 640 "$SRC/group"
mkdir "$SRC/closed" "$SRC/open" "$SRC/sticky"
printf inside >"$SRC/closed/file"
chmod 700 "$SRC/closed"
chmod 777 "$SRC/open"
chmod 1777 "$SRC/sticky"
printf mine >"$SRC/sticky/roots"

fs_mount --filter onaccess || exit 1
agent_start

ok "a port refuses who has no right on it" not as_nobody "$SCANAGENT"
ok "root reads" cat "$MNT/secret"
is "another user can't read a 0600 file" "$(error_of as_nobody cat "$MNT/secret")" "Permission denied"
is "nor walk through a 0700 directory that root has just walked" \
  "$(cat "$MNT/closed/file"; error_of as_nobody cat "$MNT/closed/file")" "insidePermission denied"
is "a supplementary group counts" "$(as_daemon 4242 cat "$MNT/group")" group
is "without it the file is closed" "$(error_of as_daemon 4243 cat "$MNT/group")" "Permission denied"
ok "a user creates a file" as_nobody sh -c "umask 027; echo x >$MNT/open/theirs"
is "it is his, with his umask" "$(stat -c '%u:%g %a' "$SRC/open/theirs")" "65534:65534 640"
ok "sticky directories protect what is another's" not as_nobody rm -f "$MNT/sticky/roots"
is "chown is root's" "$(error_of as_nobody chown 0 "$MNT/open/theirs")" "Operation not permitted"
ok "umount" fs_umount
