#!/bin/bash
# SPDX-License-Identifier: MIT
# The long form of transparency.sh, for whoever has hours: test suites of file systems, on the mount and beside it. No test
# of the suite; run by hand:
#
#   tests/system/transparency-long.sh BUILD
#
# BUILD is a build directory. What is there of these takes part:
#   PJDFSTEST   directory of a built pjdfstest
#   FSX, FSSTRESS   the programs, from xfstests
# SEEDS ("1 2 3"), FSX_OPERATIONS (100000), FSSTRESS_OPERATIONS (10000) and MODES ("none one eight churn") make it shorter or
# longer. Each mode is a mount: without a filter; with one that registers for everything and passes everything; with eight;
# with eight of which another is detached and attached again every 50 ms.
build=$(realpath "${1:?BUILD directory}") || exit 2
export FLTSIM=$build/src/tools/fltsim FLTMC=$build/src/tools/fltmc
filters=$build/tests/filters
. "$(dirname "$0")/lib.sh"
need_fuse
need_root

PLAIN=$T/plain
mkdir "$PLAIN"
read -ra seeds <<<"${SEEDS:-1 2 3}"
read -ra modes <<<"${MODES:-none one eight churn}"

# pjdfstest DIRECTORY RESULT: each of its scripts in a directory of its own, two at a time; what each says, in one file.
pjdfstest() {
  mkdir "$2.d"
  (cd "$PJDFSTEST/tests" && find . -name '*.t' -printf '%P\n' | LC_ALL=C sort) |
    xargs -P2 -I{} sh -c 'd=$(echo "$3" | tr / -); mkdir "$1/$d" && cd "$1/$d" && sh "$4/tests/$3" >"$2/$d" 2>/dev/null' \
      pjdfstest "$1" "$2.d" {} "$PJDFSTEST"
  # What pjdfstest knows that it fails, it may.
  (cd "$2.d" && grep -E '^(not )?ok' -- * | sed 's/:not ok \([0-9]*\) # TODO.*/:ok \1/; s/ - .*//; s/ # TODO.*//') >"$2"
  note "$2: $(grep -c ':ok' "$2") ok, $(grep -c ':not ok' "$2") not ok" | sed "s|$T/||"
}

fsstress_in() { # DIRECTORY SEED
  # A filter that watches writes is a reason to refuse moving data about unseen.
  "$FSSTRESS" -d "$1" -n "${FSSTRESS_OPERATIONS:-10000}" -p 1 -s "$2" -f sync=0 -f collapse=0 -f insert=0 -f unshare=0 >/dev/null
}

tree() { # names, kinds, modes, sizes, targets, contents
  (cd "$1" && find . -mindepth 1 -printf '%P %y %m %n %U %G %l ' \( -type f -printf '%s' -o -true \) -printf '\n' | LC_ALL=C sort
   find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

churn() {
  local filter
  while :; do
    for filter in pass-all-{1..8}; do
      "$FLTMC" detach "$filter" C: && sleep 0.05 && "$FLTMC" attach "$filter" C: && sleep 0.05 || return 1
      echo "$filter" >>"$T/churned"
    done
  done >/dev/null
}

mount_mode() {
  case $1 in
    none) fs_mount ;;
    one) fs_mount --filter "$filters/pass-all.conf" ;;
    *) fs_mount $(printf -- "--filter $filters/pass-all-%d.conf " {1..8}) ;;
  esac
}

# What the plain directory gives.
[ -z "${PJDFSTEST:-}" ] || { mkdir "$PLAIN/pjd"; pjdfstest "$PLAIN/pjd" "$T/pjdfstest beside the mount"; }
if [ -n "${FSSTRESS:-}" ]; then
  for seed in "${seeds[@]}"; do
    mkdir "$PLAIN/stress-$seed"
    fsstress_in "$PLAIN/stress-$seed" "$seed" || ok "fsstress beside the mount" false
    tree "$PLAIN/stress-$seed" >"$T/stress.plain-$seed"
  done
fi

for mode in "${modes[@]}"; do
  rm -rf "${SRC:?}"/* "$T/churned"
  mount_mode "$mode" || exit 1
  churner=
  if [ "$mode" = churn ]; then
    churn &
    churner=$!
    children="$children $churner"
  fi
  if [ -n "${FSX:-}" ]; then
    for seed in "${seeds[@]}"; do
      ok "$mode: fsx, ${FSX_OPERATIONS:-100000} operations, seed $seed" \
        "$FSX" -q -N "${FSX_OPERATIONS:-100000}" -S "$seed" -P "$T" "$MNT/fsx-$seed"
      ok "$mode: and the file behind it is the same" cmp "$MNT/fsx-$seed" "$SRC/fsx-$seed"
    done
  fi
  if [ -n "${FSSTRESS:-}" ]; then
    for seed in "${seeds[@]}"; do
      mkdir "$MNT/stress-$seed"
      ok "$mode: fsstress, ${FSSTRESS_OPERATIONS:-10000} operations, seed $seed" fsstress_in "$MNT/stress-$seed" "$seed"
      tree "$MNT/stress-$seed" >"$T/stress.$mode-$seed"
      ok "$mode: leaves the tree that it leaves beside the mount" diff "$T/stress.plain-$seed" "$T/stress.$mode-$seed"
      ok "$mode: fsstress, four processes, seed $seed" \
        "$FSSTRESS" -d "$MNT/stress-$seed" -n "${FSSTRESS_OPERATIONS:-10000}" -p 4 -s "$seed" -f sync=0
      ok "$mode: the mount shows what is behind it" cmp <(tree "$MNT/stress-$seed") <(tree "$SRC/stress-$seed")
    done
  fi
  if [ -n "${PJDFSTEST:-}" ]; then
    mkdir "$MNT/pjd"
    pjdfstest "$MNT/pjd" "$T/pjdfstest, $mode"
    note "$mode: what is not as it is beside the mount:"
    diff "$T/pjdfstest beside the mount" "$T/pjdfstest, $mode" | grep '^[<>]' | sed 's/^/#   /'
  fi
  if [ -n "$churner" ]; then
    ok "$mode: it attaches and detaches to the end" kill "$churner"
    wait "$churner" 2>/dev/null
    note "detached and attached again $(wc -l <"$T/churned") times"
  fi
  ok "$mode: umount" fs_umount
done
ok "nobody complains" not grep -E ' (warning|error) ' "$LOG"

# And ours, as long.
trap - EXIT
(finish) || exit 1
TEST_HELPERS=$build/tests/system TEST_FILTERS=$filters EXERCISE_STEPS=${EXERCISE_STEPS:-100000} exec "$(dirname "$0")/transparency.sh"
