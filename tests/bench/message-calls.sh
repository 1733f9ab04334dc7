#!/bin/bash
# SPDX-License-Identifier: MIT
# System calls of one message and its reply, those of the filter's process and those of the agent's: what 1,000 more round
# trips cost. strace slows everything down, so somebody who would find work waiting finds less of it, and sleeps more.
#
#   message-calls.sh MESSAGE_BENCH MESSAGE_AGENT
command -v strace >/dev/null || { echo "message-calls.sh: no strace"; exit 77; }
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT

# count TRIPS KIND SENDERS [OPTION]: "SIDE CALL NUMBER" for each
count() {
  strace -f -o "$T/trace" "$bench" --trips=$(($1 / $3)) --kind="$2" --senders="$3" $4 "$agent" >/dev/null || return 1
  awk '
    /execve\("[^"]*message-agent"/ { side[$1] = "agent" }
    / (clone|clone3|vfork|fork)[( ]/ && /= [0-9]+$/ && side[$NF] == "" { side[$NF] = side[$1] }
    $2 ~ /^[a-z_0-9]+\(/ { sub(/\(.*/, "", $2); n[(side[$1] == "agent" ? "agent" : "filter") " " $2]++ }
    END { for (k in n) print k, n[k] }' "$T/trace"
}

# row KIND SENDERS [OPTION]
row() {
  count 500 "$@" >"$T/few" && count 1500 "$@" >"$T/many" || return 1
  awk -v name="$1, $2 sender(s) $3" '
    NR == FNR { few[$1 " " $2] = $3; next }
    {
      trip = ($3 - few[$1 " " $2]) / 1000
      if (trip >= 0.05) { all[$1] = all[$1] sprintf(" %s %.2f", $2, trip); sum[$1] += trip }
    }
    END {
      printf "%-28s filter %.2f:%s\n%-28s agent  %.2f:%s\n", name, sum["filter"], all["filter"], "", sum["agent"], all["agent"]
    }' "$T/few" "$T/many"
}

bench=$1 agent=$2
for kind in sync port event; do
  row $kind 1 && row $kind 1 --handle && row $kind 64 || exit 1
done
