#!/bin/bash
# SPDX-License-Identifier: MIT
# Several volumes in one filter manager: added and removed while it runs, by its own tool and by others, also under load.
# VOLUME_ROUNDS, VOLUME_SECONDS: how much of the latter.
. "$(dirname "$0")/lib.sh"
need_fuse
need_program perl
rounds=${VOLUME_ROUNDS:-60} seconds=${VOLUME_SECONDS:-4}

mkdir "$T"/{b,c,d,mb,mc,md}
for source in src b c d; do echo "$source" >"$T/$source/f"; done

mounts() { grep -c " $T/.* fuse.fltsim " /proc/self/mounts; }
volumes() { "$FLTMC" volumes | grep -c HarddiskVolume; }
instances() { "$FLTMC" instances | grep -c HarddiskVolume; }
# until COMMAND...: until it succeeds; false if it never does.
until_ok() { for _ in $(seq 3000); do "$@" && return 0; done; false; }
has_volumes() { [ "$(volumes)" = "$1" ]; }
has_ended() { [ -z "$1" ] || tail --pid="$1" -f /dev/null; }

# refused NAME PATTERN ARGUMENT...
refused() {
  local name=$1 pattern=$2 before out status
  before=$(mounts)
  shift 2
  out=$("$FLTSIM" "$@" 2>&1)
  status=$?
  is "$name: refused" "$status" 1
  ok "$name: says so (${out//$'\n'/ | })" grep -qE -- "$pattern" <<<"$out"
  is "$name: nothing is mounted" "$(mounts)" "$before"
}

fs_mount --filter "$TEST_FILTERS/pass-all.conf" || exit 1
manager=$(fs_pid)
is "a second mount is added to the manager that runs" "$(cd "$T" && "$FLTSIM" mount b mb; echo $? "$(mounts)" "$(fs_pid)")" \
  "0 2 $manager"
is "both are its volumes" "$(volumes)" 2
is "filters attach at the first operation" "$(instances) $(cat "$T/mb/f") $(instances)" "1 b 2"
"$FLTSIM" mount "$T/c" "$T/mc" "$T/d" "$T/md"
is "two at once" "$(mounts) $(cat "$T/mc/f" "$T/md/f")" "4 c
d"

# Errors are those of a first mount, and nothing that was asked for is forgotten silently.
refused "no source" "source .*/none does not exist" mount "$T/none" "$T/x"
refused "source is a file" "not a directory" mount "$T/b/f" "$T/x"
refused "no mount point" "mount point .*/none does not exist.*mkdir" mount "$T/b" "$T/none"
refused "mount point in use" "busy.*umount" mount "$T/c" "$T/mb"
refused "mount point inside the source" "inside the source" mount "$T" "$T/b"
refused "source inside the mount point" "inside the mount point" mount "$T/b" "$T"
refused "bad mount options" "mount options.*not accepted|can't be mounted" mount -o no-such-option "$T/b" "$T/c"
refused "filters" "runs in .* already \(process $manager\).*--filter.*fltmc load.*--runtime-dir" mount --filter x "$T/b" "$T/c"
refused "log" "--log, --verifier" mount --log "$T/other.log" --verifier fatal "$T/b" "$T/c"
refused "foreground" "--foreground" mount --foreground "$T/b" "$T/c"
mkdir "$T/me"
refused "the second of two" "none does not exist" mount "$T/b" "$T/me" "$T/none" "$T/c"
is "the first of them was taken back" "$(volumes)" 4
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
  chmod 755 "$FLTSIM_RUNTIME_DIR"
  out=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$FLTSIM" mount "$T/b" "$T/me" 2>&1)
  is "another user may not" "$?" 1
  ok "and is told ($out)" grep -q "belongs to somebody else" <<<"$out"
fi

is "a rename across volumes" "$(error_of perl -e 'rename($ARGV[0], $ARGV[1]) or die "rename: $!\n"' "$T/mb/f" "$T/mc/g")" \
  "Invalid cross-device link"
is "a link across volumes" "$(error_of ln "$T/mb/f" "$T/mc/g")" "Invalid cross-device link"

# Busy ones.
exec 7<"$T/mb/f"
refused "busy" "busy.*fuser.*--lazy.*--force" umount "$T/mb"
ok "--lazy" "$FLTSIM" umount --lazy "$T/mb"
is "takes it out of sight" "$(mounts) $(cat "$T/mb/f" 2>&1 | grep -c 'No such')" "3 1"
is "what is open can be used" "$(cat <&7)" b
is "and its volume is there" "$(volumes)" 4
ok "the mount point is free" "$FLTSIM" mount "$T/b" "$T/mb"
is "the new one is another volume" "$(volumes)" 5
exec 7<&-
ok "it goes with the last close" until_ok has_volumes 4
exec 7<"$T/mb/f"
ok "--force" "$FLTSIM" umount --force "$T/mb"
is "removes it at once" "$(volumes)" 3
ok "what is open is dead" not cat <&7
exec 7<&-
refused "nothing mounted" "nothing is mounted" umount "$T/mb"
is "the others go on" "$(cat "$MNT/f" "$T/mc/f" "$T/md/f" | tr '\n' ' ')" "src c d "

# By other tools.
if [ "$(id -u)" = 0 ]; then umount "$T/mc"; else fusermount3 -u "$T/mc"; fi
ok "umount(8) removes the one" until_ok has_volumes 2
ok "and its instance" until_ok sh -c '[ "$("$0" instances | grep -c Harddisk)" = 2 ]' "$FLTMC"
is "the manager stays" "$(fs_pid) $(cat "$T/md/f")" "$manager d"
is "one at a mount point for two who want it" \
  "$(for i in 1 2 3 4; do "$FLTSIM" mount "$T/b" "$T/mb" 2>/dev/null && echo mounted & done; wait)" mounted
"$FLTSIM" umount "$T/mb"

# Nothing stays of those that come and go. The manager may know processes for a while: those descriptors do not count.
round() { "$FLTSIM" mount "$T/b" "$T/mb" && cat "$T/mb/f" >/dev/null && "$FLTSIM" umount "$T/mb"; }
held() { ls -l "/proc/$manager/fd" | grep -vc pidfd; }
# A sanitizer keeps what was freed.
memory() { $SANITIZED && echo 0 || sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$manager/status"; }
bad=0
for _ in $(seq 20); do round || bad=$((bad + 1)); done
was="$(held) $(ls "/proc/$manager/task" | wc -l) $(memory)"
for _ in $(seq "$rounds"); do round || bad=$((bad + 1)); done
now="$(held) $(ls "/proc/$manager/task" | wc -l) $(memory)"
is "$rounds come and go" "$bad" 0
# Each of the threads may have touched more of its buffer meanwhile, of 1 MiB.
ok "and leave nothing behind: descriptors, threads, KiB: $was, then $now" \
  awk -v was="$was" -v now="$now" 'BEGIN { split(was, w); split(now, n); exit !(n[1] <= w[1] && n[2] <= w[2] + 4 && n[3] <= w[3] + 8192) }'

# Under load: I/O on the first volume and on one that joined, filters that come and go and attach.
end=$((SECONDS + seconds))
for m in "$MNT" "$T/md"; do
  (while [ $SECONDS -lt $end ]; do echo x >"$m/io" && cat "$m/io" && mv "$m/io" "$m/io2" && rm "$m/io2" || echo failed; done |
    grep -v x >>"$T/io.failures") &
done
(while [ $SECONDS -lt $end ]; do
  "$FLTMC" load "$TEST_FILTERS/pass-all-1.conf" && "$FLTMC" unload pass-all-1
  for m in "$MNT" "$T/md"; do "$FLTMC" detach pass-all "$m" && "$FLTMC" attach pass-all "$m"; done
done >/dev/null 2>"$T/filters.failures") &
for i in 1 2; do
  mkdir "$T/s$i" "$T/m$i"
  echo "$i" >"$T/s$i/f"
  (while [ $SECONDS -lt $end ]; do
    "$FLTSIM" mount "$T/s$i" "$T/m$i" || echo failed
    [ "$(cat "$T/m$i/f")" = "$i" ] || echo lost
    "$FLTSIM" umount "$T/m$i" || echo failed
    echo round
  done >"$T/volumes.$i" 2>&1) &
done
wait
is "volumes that come and go disturb no I/O" "$(cat "$T/io.failures")" ""
is "nor do filters that come and go say anything" "$(cat "$T/filters.failures")" ""
is "nor do they fail while filters come and go" "$(cat "$T"/volumes.? | grep -v round)" ""
note "$(cat "$T"/volumes.? | grep -c round) volumes in $seconds seconds"
is "two are left" "$(volumes)" 2
ok "no rule was broken" not grep -E "verifier|broke" "$LOG"

ok "umount of the last but one" "$FLTSIM" umount "$T/md"
is "leaves the manager" "$(fs_pid)" "$manager"
ok "umount of the last" fs_umount
ok "ends it, before it returns" flock -n "$FLTSIM_RUNTIME_DIR/fltmgr.lock" true

# However the last mount goes, filters are told of the end while its volume is there; of a volume that goes before, of that.
told() { sed -n 's/.*end: //p' "$LOG" | tr '\n' ' '; }
for how in umount "umount --lazy" "umount --force" kill; do
  : >"$LOG"
  fs_mount --filter "$TEST_FILTERS/tells-end.conf"
  "$FLTSIM" mount "$T/b" "$T/mb"
  cat "$MNT/f" "$T/mb/f" >/dev/null
  manager=$(fs_pid)
  case $how in
  kill) kill "$manager" ;;
  *) "$FLTSIM" umount "$T/mb" && "$FLTSIM" $how "$MNT" ;;
  esac
  has_ended "$manager"
  case $how in
  kill) wanted="shutdown shutdown teardown(8) teardown(8) unload(1) " ;;
  *) wanted="teardown(8) shutdown teardown(8) unload(1) " ;;
  esac
  is "what filters are told: $how" "$(told)" "$wanted"
done

# Several that start at once: one becomes the manager.
for i in 1 2 b c d; do
  "$FLTSIM" mount "$T/$( [ -d "$T/s$i" ] && echo "s$i" || echo "$i" )" "$T/m$i" 2>"$T/start.$i" || echo "$i failed" &
done >"$T/starts"
wait
is "five that start at once all succeed" "$(cat "$T/starts" "$T"/start.?; mounts)" 5
is "with one manager" "$(volumes)" 5
manager=$(fs_pid)
kill -KILL "$manager"
has_ended "$manager"
for i in 1 2 b c d; do "$FLTSIM" umount "$T/m$i" || echo "$i"; done >"$T/left" 2>&1
is "umount takes away what a killed one has left" "$(cat "$T/left"; mounts)" 0

# fltsim run has its own manager, which can have more, and lasts as long as the command.
export FLTSIM
out=$("$FLTSIM" run "$SRC" -- sh -c 'cat f; "$FLTSIM" mount "$1/b" "$1/mb" && cat "$1/mb/f" && "$FLTSIM" umount "$1/mb" &&
  cd / && "$FLTSIM" umount "$FLTSIM_MOUNT" && "$FLTSIM" mount "$1/c" "$1/mc" && cat "$1/mc/f"' sh "$T" 2>&1)
is "inside run" "$out" "src
b
c"
is "nothing of it is left" "$(mounts)" 0
# Until its standard output is closed, somebody is still at work.
out=$("$FLTSIM" run "$SRC" -- sh -c '"$FLTSIM" mount "$1/b" "$1/mb" && echo mounted; kill -KILL $PPID' sh "$T" 2>/dev/null)
is "nor if it is killed" "$out $(mounts)" "mounted 0"
