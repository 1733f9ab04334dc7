#!/bin/bash
# SPDX-License-Identifier: MIT
# Each bad start says what is wrong and what to do, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
need_fuse

# refused NAME PATTERN ARGUMENT...
refused() {
  local name=$1 pattern=$2 out status
  shift 2
  out=$("$FLTSIM" "$@" 2>&1)
  status=$?
  ok "$name: refused" test "$status" != 0
  out=${out//$'\n'/ | }
  ok "$name: says so ($out)" grep -qE -- "$pattern" <<<"$out"
  ok "$name: nothing is mounted" not is_mounted
  ok "$name: nothing runs" not pgrep -f -- "fltsim mount.* $MNT"
}

printf text >"$T/file"
printf 'int x;' >"$T/x.c"
cc -shared -fPIC -o "$T/notafilter.so" "$T/x.c"
printf '[Service]\nName=notafilter\nImage=notafilter.so\nAltitude=1000\nInstanceName=i\n' >"$T/notafilter.conf"
printf 'this is no shared object' >"$T/garbage.so"
printf '[Service]\nName=garbage\nImage=garbage.so\nAltitude=1000\nInstanceName=i\n' >"$T/garbage.conf"
printf '[Service\nName' >"$T/broken.conf"
printf '[Service]\nName=absent\nImage=absent.so\nAltitude=1000\nInstanceName=i\n' >"$T/absent.conf"

refused "no source" "$T/none.*(No such|does not exist|no such)" mount "$T/none" "$MNT"
refused "source is a file" "not a directory" mount "$T/file" "$MNT"
refused "no mount point" "$T/none" mount "$SRC" "$T/none"
refused "mount point is a file" "not a directory" mount "$SRC" "$T/file"
refused "mount point inside the source" "inside" mount "$T" "$MNT"
refused "unknown filter" "nosuchfilter" mount --filter nosuchfilter "$SRC" "$MNT"
refused "filter file missing" "none.inf.*no such file" mount --filter "$T/none.inf" "$SRC" "$MNT"
refused "image missing" "absent" mount --filter "$T/absent.conf" "$SRC" "$MNT"
refused "not a filter" "not a filter.*DriverEntry" mount --filter "$T/notafilter.conf" "$SRC" "$MNT"
refused "not a shared object" "not a filter that can be loaded" mount --filter "$T/garbage.conf" "$SRC" "$MNT"
refused "broken description" "broken.conf" mount --filter "$T/broken.conf" "$SRC" "$MNT"
refused "DriverEntry fails" "DriverEntry.*0xc0000001" mount --filter "$TEST_FILTERS/fails-driver-entry.conf" "$SRC" "$MNT"
refused "no arguments" "[Uu]sage|SRC" mount
refused "unknown option" "no-such-option" mount --no-such-option "$SRC" "$MNT"

fs_mount || exit 1
out=$(fs_mount 2>&1)
ok "a second start in one runtime directory is refused" test $? != 0
ok "and says who is there ($out)" grep -q "$(fs_pid)" <<<"$out"
out=$(FLTSIM_RUNTIME_DIR=$T/run2 "$FLTSIM" mount "$SRC" "$MNT" 2>&1)
ok "a mount point in use is refused ($out)" test -n "$out"

manager=$(fs_pid)
kill -KILL "$manager"
tail --pid="$manager" -f /dev/null
is "a killed manager leaves a stale mount" "$(error_of ls "$MNT")" "Transport endpoint is not connected"
out=$(fs_mount 2>&1) && fs_umount
ok "the next start says so or cleans it up ($out)" grep -qE "stale|umount|^$" <<<"$out"
"$FLTSIM" umount "$MNT" 2>/dev/null
ok "umount takes a stale mount away" not is_mounted
ok "and the mount point can be used again" fs_mount
ok "umount comes back when the manager has ended" sh -c '"$0" umount "$1" && "$0" mount "$2" "$1"' "$FLTSIM" "$MNT" "$SRC"
ok "SIGTERM ends it" kill -TERM "$(fs_pid)"
manager=$(fs_pid)
[ -z "$manager" ] || tail --pid="$manager" -f /dev/null
ok "and unmounts" not is_mounted
