#!/bin/bash
# SPDX-License-Identifier: MIT
# An agent that dies, or stops, while it holds scans: every open gets its answer by the policy.
. "$(dirname "$0")/lib.sh"
need_fuse

n=50
for i in $(seq 0 $((n - 1))); do printf 'file %d' "$i" >"$SRC/$i"; done
printf 'later' >"$SRC/later"

fs_mount --filter "$ONACCESS_DENY_CONF" || exit 1
agent_start --mute --threads 1 --receives 64
"$TEST_HELPERS/open-file" -n $n "$MNT" >"$T/opens" &
opener=$!
wait_logged $n unanswered
kill -KILL "$AGENT"
wait "$opener"
is "SIGKILL while it holds $n scans: each is denied by the policy" "$(cat "$T/opens")" "opened 0 denied $n failed 0"
agent_stop -KILL

agent_start
is "a new agent connects and scanning goes on" "$(cat "$MNT/later")" later

kill -STOP "$AGENT"
before=$(date +%s%N)
is "SIGSTOP: the time-out policy holds" "$(error_of cat "$MNT/0")" "Permission denied"
note "that took $((($(date +%s%N) - before) / 1000000)) ms"
kill -CONT "$AGENT"
is "and after SIGCONT it scans again" "$(cat "$MNT/1")" "file 1"
ok "umount" fs_umount
ok "no mount is left" not is_mounted
