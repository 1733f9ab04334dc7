#!/bin/bash
# SPDX-License-Identifier: MIT
# A section that a filter makes for an agent, by onaccess: what the agent can do with its handle, and for how long.
. "$(dirname "$0")/lib.sh"
need_fuse

# rows NAME: the agent's lines about the message, as ours.
rows() {
  local line=
  while IFS= read -r line <&8 && [ "$line" != "end of message" ]; do
    is "$1: ${line#* - }" "${line%% - *}" ok
  done
  is "$1: that was all" "$line" "end of message"
}

# The byte at each place is the place's lowest.
content() {
  local i all=
  for i in $(seq 0 255); do all=$all$(printf '\\%03o' "$i"); done
  for i in $(seq 256); do printf '%b' "$all"; done
  printf '\000\001\002\003\004'
}

content >"$SRC/rows"
cp "$SRC/rows" "$SRC/kept"
cp "$SRC/rows" "$T/wanted"
echo after >"$SRC/after"

# Nobody runs out of time, and nothing is allowed that the agent did not allow.
fs_mount --filter "$ONACCESS_PATIENT_CONF" || exit 1
mkfifo "$T/agent.fifo"
"$TEST_HELPERS/section-agent" "$MNT/rows" >"$T/agent.fifo" 2>"$AGENT_LOG" &
children="$children $!"
exec 8<"$T/agent.fifo"
IFS= read -r line <&8
is "the agent connects" "$line" connected

cat "$MNT/rows" >"$T/seen" &
reader=$!
rows "a section"
ok "the file is opened" wait "$reader"
ok "and is as it was" cmp "$T/seen" "$T/wanted"
ok "below, too" cmp "$SRC/rows" "$T/wanted"

cat "$MNT/kept" &
reader=$!
IFS= read -r line <&8
is "the agent does not answer" "$line" "holds one"
kill -KILL "$reader"
{ wait "$reader"; } 2>"$T/killed"
cat "$MNT/after" >"$T/seen" &
reader=$!
rows "of one who waits no longer"
ok "the next file is opened" wait "$reader"
ok "umount" fs_umount
