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

printf 'int undefined_thing(void); int DriverEntry(void *d, void *p) { return undefined_thing(); }' >"$T/u.c"
cc -shared -fPIC -o "$T/undefined.so" "$T/u.c"
printf 'MZ and more' >"$T/windows.so"
# Of another processor: the machine is at byte 18 of the header.
cp "$T/notafilter.so" "$T/foreign.so"
printf '\002\000' | dd of="$T/foreign.so" bs=1 seek=18 conv=notrunc 2>/dev/null
for name in undefined windows foreign; do
  printf '[Service]\nName=%s\nImage=%s.so\nAltitude=1000\nInstanceName=i\n' $name $name >"$T/$name.conf"
done
mkdir "$T/directory.inf"
printf 'no section' >"$T/text.inf"
printf '[Version]\nSignature="$WINDOWS NT$"\n' >"$T/empty.inf"

refused "no source" "$T/none.*(No such|does not exist|no such)" mount "$T/none" "$MNT"
refused "source is a file" "not a directory" mount "$T/file" "$MNT"
refused "no mount point" "$T/none" mount "$SRC" "$T/none"
refused "mount point is a file" "not a directory" mount "$SRC" "$T/file"
refused "a choice that there is not" "unlink=never: one of unlink=posix, unlink=classic" mount -o noexec,unlink=never "$SRC" "$MNT"
refused "mount point inside the source" "inside" mount "$T" "$MNT"
refused "unknown filter" "nosuchfilter" mount --filter nosuchfilter "$SRC" "$MNT"
refused "filter file missing" "none.inf.*no such file" mount --filter "$T/none.inf" "$SRC" "$MNT"
refused "image missing" "absent" mount --filter "$T/absent.conf" "$SRC" "$MNT"
refused "not a filter" "not a filter.*DriverEntry" mount --filter "$T/notafilter.conf" "$SRC" "$MNT"
refused "not a shared object" "not a filter that can be loaded" mount --filter "$T/garbage.conf" "$SRC" "$MNT"
refused "undefined symbol" "undefined symbol: undefined_thing" mount --filter "$T/undefined.conf" "$SRC" "$MNT"
refused "a Windows binary" "Windows binary.*source" mount --filter "$T/windows.conf" "$SRC" "$MNT"
refused "another architecture" "another kind of processor" mount --filter "$T/foreign.conf" "$SRC" "$MNT"
refused "the filter is a directory" "directory.inf is not a file" mount --filter "$T/directory.inf" "$SRC" "$MNT"
refused "an INF without sections" "text.inf:1" mount --filter "$T/text.inf" "$SRC" "$MNT"
refused "an INF without a service" "empty.inf.*DefaultInstall" mount --filter "$T/empty.inf" "$SRC" "$MNT"
if [ "$(id -u)" != 0 ]; then
  cp "$T/empty.inf" "$T/secret.inf"
  chmod 0 "$T/secret.inf"
  refused "an INF that can't be read" "secret.inf.*[Pp]ermission denied" mount --filter "$T/secret.inf" "$SRC" "$MNT"
fi
refused "an unwritable log" "log .*/none/log can't be written" mount --log "$T/none/log" "$SRC" "$MNT"
refused "a full disk for the log" "/dev/full can't be written: No space left" mount --log /dev/full "$SRC" "$MNT"
mkdir -m 777 "$T/open"
refused "a runtime directory of everybody" "nobody else can write to.*FLTSIM_RUNTIME_DIR" mount --runtime-dir "$T/open" "$SRC" "$MNT"
refused "a runtime directory that can't be" "runtime directory .*/none/run" mount --runtime-dir "$T/none/run" "$SRC" "$MNT"
refused "contradiction" "contradict" umount --lazy --force "$MNT"
refused "not a mount of ours" "nothing is mounted" umount "$SRC"
is "a refusal is one line" "$("$FLTSIM" mount --foreground --filter "$T/absent.conf" "$SRC" "$MNT" 2>&1 | wc -l)" 1
# What is meant to be missing is missing for the start only.
without_fuse() { unshare -m sh -c 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && : >/dev/null || exit 99; exec "$@"' sh "$@"; }
if [ "$(id -u)" = 0 ] && without_fuse true 2>/dev/null; then
  out=$(without_fuse "$FLTSIM" mount "$SRC" "$MNT" 2>&1)
  is "no /dev/fuse: refused" $? 1
  ok "no /dev/fuse: says so ($out)" grep -q "modprobe fuse" <<<"$out"
fi

# complains STATUS PATTERN PROGRAM ARGUMENT...: of the other tools
complains() {
  local wanted=$1 pattern=$2 out status
  shift 2
  out=$("$@" 2>&1 </dev/null)
  status=$?
  is "$(basename "$1") ${*:2}: exit status" "$status" "$wanted"
  ok "$(basename "$1") ${*:2}: says what is wrong" grep -qE -- "$pattern" <<<"$out"
}
complains 1 "Is a filter manager running" "$FLTMC" filters
complains 1 "Is a filter manager running" "$FLTMC" load onaccess
complains 2 "frobnicate: no such command" "$FLTMC" frobnicate
complains 2 "load: .*not with so many arguments" "$FLTMC" load
complains 2 "--runtime-dir: a directory is missing" "$FLTMC" --runtime-dir
complains 2 "-i: its value is missing" "$FLTMC" attach f C: -i
complains 2 "--nope: no such option" "$FLTMC" --nope
complains 2 "--nope" "$SCANAGENT" --nope
complains 2 "extra" "$SCANAGENT" extra
complains 1 "/none/log: No such file" "$SCANAGENT" --log "$T/none/log"

refused "broken description" "broken.conf" mount --filter "$T/broken.conf" "$SRC" "$MNT"
refused "DriverEntry fails" "DriverEntry.*0xc0000001" mount --filter "$TEST_FILTERS/fails-driver-entry.conf" "$SRC" "$MNT"
refused "no arguments" "[Uu]sage|SRC" mount
refused "unknown option" "no-such-option" mount --no-such-option "$SRC" "$MNT"

fs_mount || exit 1
complains 1 "not a valid application image.*|log .*says" "$FLTMC" load "$T/undefined.conf"
ok "and the log says which" grep -q "undefined symbol: undefined_thing" "$LOG"
complains 1 "could not find the filter" "$FLTMC" attach onaccess Z:
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
