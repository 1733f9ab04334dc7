#!/bin/bash
# SPDX-License-Identifier: MIT
# What a mount, a filter and an agent cost next to the bare directory and next to fanotify: one run, a table of ratios.
#
#   bench.sh [FILES [ROUNDS]]     results as JSON in $BENCH_JSON (bench.json)
#
# All competitors are there at the same time and take turns, so that whatever else the machine does hits them alike.
# The figures are medians over the rounds. Needs FLTSIM, SCANAGENT, FLTSIM_FILTER_PATH, TEST_HELPERS, as meson sets them.
# In memory where there is some: what is measured is the way, not the disk.
[ -w /dev/shm ] && export TMPDIR=/dev/shm
. "$(dirname "$0")/../system/lib.sh"
need_fuse

files=${1:-1000}
rounds=${2:-5}
json=${BENCH_JSON:-bench.json}
helpers=$TEST_HELPERS
kinds="bare mount onaccess"
declare -A where

for kind in $kinds; do mkdir -p "$T/$kind/src" "$T/$kind/mnt"; done
# fanotify watches a whole mount: it gets one of its own.
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$T/fanotify/src" "$T/fanotify/mnt"
  mount --bind "$T/fanotify/src" "$T/fanotify/mnt" && kinds="$kinds fanotify"
fi
for kind in $kinds; do
  "$helpers/fs-bench" prepare "$T/$kind/src" "$files" "$rounds" || exit 1
  where[$kind]=$T/$kind/mnt
done
where[bare]=$T/bare/src

bench_finish() {
  umount "$T/fanotify/mnt" 2>/dev/null
  for kind in mount onaccess; do
    FLTSIM_RUNTIME_DIR=$T/$kind/run "$FLTSIM" umount "$T/$kind/mnt" >/dev/null 2>&1
  done
  finish
}
trap bench_finish EXIT

FLTSIM_RUNTIME_DIR=$T/mount/run "$FLTSIM" mount --log "$T/mount/log" "$T/mount/src" "$T/mount/mnt" || exit 1
export FLTSIM_RUNTIME_DIR=$T/onaccess/run
"$FLTSIM" mount --log "$LOG" --filter onaccess "$T/onaccess/src" "$T/onaccess/mnt" || exit 1
agent_start --allow-all
case $kinds in *fanotify*)
  mkfifo "$T/fan.fifo"
  "$helpers/fanotify-allow" "$T/fanotify/mnt" >"$T/fan.fifo" &
  children="$children $!"
  read -r ready <"$T/fan.fifo"
esac

for round in $(seq 0 $((rounds - 1))); do
  for kind in $kinds; do
    "$helpers/fs-bench" measure "${where[$kind]}" "$files" "$round" | sed "s/^/$kind\t/" >>"$T/results" || exit 1
  done
done

# The first open of a file asks the agent, the others use the remembered verdict.
awk -F'\t' -v json="$json" -v files="$files" -v rounds="$rounds" '
  function median(list,   n, v, i, j, t) {
    n = split(list, v, " ")
    for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (v[j] + 0 < v[i] + 0) { t = v[i]; v[i] = v[j]; v[j] = t }
    return v[int((n + 1) / 2)]
  }
  { all[$1, $2] = all[$1, $2] " " $3 }
  function ns(kind, op) { return ((kind, op) in all) ? median(all[kind, op]) : 0 }
  function cell(value, base) { return value ? sprintf("%9.1f us %6.2fx", value / 1000, value / base) : sprintf("%20s", "-") }
  END {
    n = split("open+close,open+read+close,create+write+close,stat,stat again", ops, ",")
    printf "%-20s %20s %20s %20s %20s %20s\n", "", "bare directory", "mount, no filter", "remembered verdict", "agent allows", "fanotify allows"
    printf "{\"files\": %d, \"rounds\": %d, \"unit\": \"ns\", \"operations\": {", files, rounds >json
    for (i = 1; i <= n; i++) {
      op = ops[i]
      scanned = (op ~ /^open/) ? "first-" op : op
      bare = ns("bare", op)
      v["bare"] = bare
      v["mount"] = ns("mount", op)
      v["remembered"] = (op ~ /^create/) ? 0 : ns("onaccess", op)
      v["agent"] = (op ~ /^stat/) ? 0 : ns("onaccess", scanned)
      v["fanotify"] = ns("fanotify", op)
      printf "%-20s %s %s %s %s %s\n", op, cell(v["bare"], bare), cell(v["mount"], bare), cell(v["remembered"], bare),
        cell(v["agent"], bare), cell(v["fanotify"], bare)
      printf "%s\"%s\": {\"bare\": %d, \"mount\": %d, \"remembered\": %d, \"agent\": %d, \"fanotify\": %d}", (i > 1 ? ", " : ""),
        op, v["bare"], v["mount"], v["remembered"], v["agent"], v["fanotify"] >json
    }
    print "}}" >json
  }' "$T/results"
