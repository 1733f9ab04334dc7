#!/bin/bash
# SPDX-License-Identifier: MIT
# 500 opens at once, a slow agent of four threads: each gets its verdict, and the agent can use the mount meanwhile.
. "$(dirname "$0")/lib.sh"
need_fuse

n=500
for i in $(seq 0 $((n - 1))); do printf 'file %d' "$i" >"$SRC/$i"; done
eicar >"$SRC/7"
eicar >"$SRC/499"
printf '%064d  none\n' 0 >"$SRC/hashes"

fs_mount --filter onaccess || exit 1
# The agent's list of hashes lies on the mount: it opens and reads it while the scans wait for it.
agent_start --threads 4 --delay 20 --hashes "$MNT/hashes"
"$TEST_HELPERS/open-file" -n $n "$MNT" >"$T/opens" &
opener=$!
wait_logged 4 clean
kill -HUP "$AGENT"
wait_logged 1 reloaded
wait $opener
is "all $n get their verdict" "$(cat "$T/opens")" "opened 498 denied 2 failed 0"
agent_stop
ok "the agent read a file on the mount while scans waited" \
  test "$(grep -n reloaded "$AGENT_LOG" | cut -d: -f1)" -lt "$(grep -n clean "$AGENT_LOG" | tail -1 | cut -d: -f1)"
ok "umount" fs_umount
