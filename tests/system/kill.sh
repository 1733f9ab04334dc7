#!/bin/bash
# SPDX-License-Identifier: MIT
# Whoever waits for a verdict can be killed, and an unmount ends every operation.
. "$(dirname "$0")/lib.sh"
need_fuse

for i in $(seq 0 49); do printf 'file %d' "$i" >"$SRC/$i"; done

fs_mount --filter "$ONACCESS_PATIENT_CONF" || exit 1
agent_start --mute --threads 1 --receives 64

cat "$MNT/0" >/dev/null 2>&1 &
victim=$!
wait_logged 1 unanswered
kill -KILL $victim
wait $victim
is "a blocked cat dies of SIGKILL" $? 137

# A signal that is handled does not end it; the one after it does.
perl -e '$SIG{USR1} = sub {}; open(my $f, "<", $ARGV[0]); print "got through\n"' "$MNT/1" >"$T/perl.out" 2>&1 &
victim=$!
wait_logged 2 unanswered
kill -USR1 $victim
kill -KILL $victim
wait $victim
is "also after a signal that it handles" $? 137

"$TEST_HELPERS/open-file" -n 50 "$MNT" >"$T/opens" &
opener=$!
wait_logged 40 unanswered
ok "umount --force under load" "$FLTSIM" umount --force "$MNT"
wait $opener
is "ends every operation with an error" "$(sed 's/denied [0-9]* failed [0-9]*/rest failed/' "$T/opens")" "opened 0 rest failed"
ok "no mount is left" not is_mounted
agent_stop
