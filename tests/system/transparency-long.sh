#!/bin/bash
# SPDX-License-Identifier: MIT
# The long form of transparency.sh, for whoever has hours: test suites of file systems, git and make, and our own exercisers,
# on a mount and beside it. No test of the suite; run by hand:
#
#   tests/system/transparency-long.sh BUILD [--modes "none one eight churn"] [--seeds "1 2 3"]
#
# BUILD is a build directory. Each mode is a mount: without a filter; with one that registers for everything and passes
# everything; with eight; with eight of which one after the other is away for 50 ms. What is there of these takes part:
#   PJDFSTEST       directory of a built pjdfstest
#   FSX, FSSTRESS   the programs, from xfstests
# FSX_OPERATIONS (100000), FSSTRESS_OPERATIONS (10000) and EXERCISE_STEPS (20000) are for each seed. The end is a table, of
# a line for each mode and each tool.
usage() { sed -n 's/^#   \(tests.*\)/usage: \1/p' "$0" >&2; exit 2; }

build= modes="none one eight churn" seeds="1 2 3"
while [ $# -gt 0 ]; do
  case $1 in
    --modes=*) modes=${1#*=} ;;
    --seeds=*) seeds=${1#*=} ;;
    --modes) modes=${2-}; shift ;;
    --seeds) seeds=${2-}; shift ;;
    -*) usage ;;
    *) [ -z "$build" ] || usage; build=$(realpath "$1") || exit 2 ;;
  esac
  shift
done
for mode in $modes; do
  case $mode in none | one | eight | churn) ;; *) usage ;; esac
done
for seed in $seeds; do
  case $seed in *[!0-9]*) usage ;; esac
done
[ -n "$build" ] && [ -n "$modes" ] && [ -n "$seeds" ] || usage
export FLTSIM=$build/src/tools/fltsim FLTMC=$build/src/tools/fltmc
TEST_FILTERS=$build/tests/filters TEST_HELPERS=$build/tests/system
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/transparency-lib.sh"
need_fuse
need_root

PLAIN=$T/plain
mkdir "$PLAIN"
fsx_operations=${FSX_OPERATIONS:-100000}
fsstress_operations=${FSSTRESS_OPERATIONS:-10000}
exercise_steps=${EXERCISE_STEPS:-20000}

# result TOOL TEXT: the line for a mode and a tool; `started` is when it began, `good` of `runs` went well.
result() {
  printf '%-6s %-10s %5s %5s %6ss  %s\n' "$mode" "$1" "$good" "$runs" $((SECONDS - started)) "$2" | tee -a "$T/table" | sed 's/^/# /'
}
begin() { started=$SECONDS good=0 runs=0; }
# counted NAME COMMAND...: ok, and counted
counted() {
  local before=$failures name=$1
  shift
  ok "$mode: $name" "$@"
  runs=$((runs + 1))
  [ "$failures" != "$before" ] || good=$((good + 1))
}

# pjdfstest DIRECTORY RESULT: each of its scripts in a directory of its own, two at a time; what each says, in one file.
pjdfstest() {
  mkdir "$2.d"
  (cd "$PJDFSTEST/tests" && find . -name '*.t' -printf '%P\n' | LC_ALL=C sort) |
    xargs -P2 -I{} sh -c 'd=$(echo "$3" | tr / -); mkdir "$1/$d" && cd "$1/$d" && sh "$4/tests/$3" >"$2/$d" 2>/dev/null' \
      pjdfstest "$1" "$2.d" {} "$PJDFSTEST"
  # What pjdfstest knows that it fails, it may.
  (cd "$2.d" && grep -E '^(not )?ok' -- * | sed 's/:not ok \([0-9]*\) # TODO.*/:ok \1/; s/ - .*//; s/ # TODO.*//') >"$2"
}

fsstress_in() { # DIRECTORY SEED PROCESSES [OPTION]...
  "$FSSTRESS" -d "$1" -n "$fsstress_operations" -p "$3" -s "$2" -f sync=0 "${@:4}" >/dev/null
}
# What is refused under a filter, because it would not see it: moving data about, whiteouts.
unseen="-f collapse=0 -f insert=0 -f unshare=0 -f rwhiteout=0"

tree() { # names, kinds, modes, sizes, targets, contents
  (cd "$1" && find . -mindepth 1 -printf '%P %y %m %n %U %G %l ' \( -type f -printf '%s' -o -true \) -printf '\n' | LC_ALL=C sort
   find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum)
}

# ---- what the plain directory gives ----

mode=beside
if [ -n "${PJDFSTEST:-}" ]; then
  begin
  mkdir "$PLAIN/pjd"
  pjdfstest "$PLAIN/pjd" "$T/pjd.beside"
  good=$(grep -c ':ok' "$T/pjd.beside") runs=$(wc -l <"$T/pjd.beside")
  result pjdfstest ""
fi
if [ -n "${FSSTRESS:-}" ]; then
  for seed in $seeds; do
    mkdir "$PLAIN/stress-$seed"
    fsstress_in "$PLAIN/stress-$seed" "$seed" 1 $unseen || ok "fsstress beside the mount" false
    tree "$PLAIN/stress-$seed" >"$T/stress.beside-$seed"
  done
fi
developer=
if can_develop; then
  developer=$(develop "$PLAIN/work") || ok "git and make beside the mount" false
fi

# ---- the tools, each on the mount of $mode ----

run_fsx() {
  local seed
  begin
  for seed in $seeds; do
    counted "fsx, $fsx_operations operations, seed $seed" "$FSX" -q -N "$fsx_operations" -S "$seed" -P "$T" "$MNT/fsx-$seed"
    ok "$mode: and the file behind it is the same" cmp "$MNT/fsx-$seed" "$SRC/fsx-$seed"
  done
  result fsx "seeds $seeds, $fsx_operations operations each"
}

same_as_beside() { # SEED
  tree "$MNT/stress-$1" >"$T/stress.$mode-$1"
  diff "$T/stress.beside-$1" "$T/stress.$mode-$1"
}

run_fsstress() {
  local seed
  begin
  for seed in $seeds; do
    mkdir "$MNT/stress-$seed"
    ok "$mode: fsstress, $fsstress_operations operations, seed $seed" fsstress_in "$MNT/stress-$seed" "$seed" 1 $unseen
    counted "leaves the tree that it leaves beside the mount" same_as_beside "$seed"
    ok "$mode: fsstress, four processes, seed $seed" fsstress_in "$MNT/stress-$seed" "$seed" 4
    counted "the mount shows what is behind it" cmp <(tree "$MNT/stress-$seed") <(tree "$SRC/stress-$seed")
  done
  result fsstress "seeds $seeds, $fsstress_operations operations by one process and by each of four; trees that are the same"
}

run_pjdfstest() {
  local differ
  begin
  mkdir "$MNT/pjd"
  pjdfstest "$MNT/pjd" "$T/pjd.$mode"
  good=$(grep -c ':ok' "$T/pjd.$mode") runs=$(wc -l <"$T/pjd.$mode")
  differ=$(diff "$T/pjd.beside" "$T/pjd.$mode" | grep '^>')
  result pjdfstest "$(printf '%s' "$differ" | grep -c '^>') not as beside the mount"
  [ -z "$differ" ] || printf '%s\n' "$differ" | sed 's/^/#   /'
}

run_develop() {
  begin
  counted "git and make" test "$(develop "$MNT/work")" = "$developer"
  result "git, make" "the same commits, trees and files as beside the mount"
}

run_exercise() {
  local seed
  begin
  for seed in $seeds; do
    counted "exercise, $exercise_steps steps, seed $seed" exercise_all "$seed" "$exercise_steps"
  done
  result exercise "seeds $seeds, $exercise_steps steps by each of four"
}

for mode in $modes; do
  rm -rf "${SRC:?}"/*
  case $mode in
    none) mount_with ;;
    one) mount_with pass-all ;;
    *) mount_with $EIGHT ;;
  esac || exit 1
  churner=
  if [ "$mode" = churn ]; then
    churn $$ 0.05 $EIGHT &
    churner=$!
    children="$children $churner"
  fi
  [ -z "${FSX:-}" ] || run_fsx
  [ -z "${FSSTRESS:-}" ] || run_fsstress
  [ -z "${PJDFSTEST:-}" ] || run_pjdfstest
  [ -z "$developer" ] || run_develop
  run_exercise
  if [ -n "$churner" ]; then
    ok "$mode: they come and go to the end" kill "$churner"
    wait "$churner" 2>/dev/null
    note "filters were away $(churned) times"
  fi
  ok "$mode: umount" fs_umount
done
ok "nobody complains" not grep -E ' (warning|error) ' "$LOG"

printf '#\n# %-6s %-10s %5s %5s %7s\n' mode tool good of took
sed 's/^/# /' "$T/table"
