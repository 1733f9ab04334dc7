#!/bin/bash
# SPDX-License-Identifier: MIT
# Filters that register for everything and pass everything change nothing: one, eight of them, and while they attach
# and detach. EXERCISE_SEED and EXERCISE_STEPS make other and longer runs; transparency-long.sh takes other people's suites.
. "$(dirname "$0")/lib.sh"
need_fuse

SEED=${EXERCISE_SEED:-1}
STEPS=${EXERCISE_STEPS:-1500}
EIGHT="pass-all-1 pass-all-2 pass-all-3 pass-all-4 pass-all-5 pass-all-6 pass-all-7 pass-all-8"
note "EXERCISE_SEED=$SEED EXERCISE_STEPS=$STEPS"

mount_with() {
  local filter options=()
  for filter; do
    options+=(--filter "$TEST_FILTERS/$filter.conf")
  done
  fs_mount "${options[@]}"
}

# All at once, each in a place of its own.
exercise_all() {
  local pids= pid i status=0
  rm -rf "$T/model" "$SRC"/*
  for i in 0 1; do
    mkdir -p "$T/model/$i" "$MNT/names-$i"
    "$TEST_HELPERS/exercise-data" $((SEED + i)) "$STEPS" "$MNT/data-$i" &
    pids="$pids $!"
    "$TEST_HELPERS/exercise-names" $((SEED + i)) "$STEPS" "$MNT/names-$i" "$T/model/$i" &
    pids="$pids $!"
  done
  for pid in $pids; do
    wait "$pid" || status=1
  done
  # What the model has is behind the mount too, not only on it.
  for i in 0 1; do
    cmp <(listing "$T/model/$i") <(listing "$SRC/names-$i") || status=1
    cmp "$SRC/data-$i" "$MNT/data-$i" || status=1
  done
  return $status
}

listing() { (cd "$1" && find . -type d -printf '%P %y %m %n\n' -o -printf '%P %y %m %n %s %l\n' | LC_ALL=C sort); }

# What a developer does; the tree must not show where it was made.
develop() {
  local i
  (
    set -e
    export HOME=$T GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z'
    rm -rf "$1"
    mkdir "$1"
    cd "$1"
    git init -q origin
    cd origin
    git config user.name nobody
    git config user.email nobody@localhost
    mkdir -p lib/deep
    for i in $(seq 60); do
      printf 'number-%s: lib/deep/part-%s\n\tcat lib/deep/part-%s >$@\n' "$i" "$i" "$i" >>Makefile
      printf 'part %s\n' "$i" >"lib/deep/part-$i"
    done
    printf 'all: %s\n\tcat number-* >all\n' "$(seq -s ' ' -f number-%.0f 60)" >>Makefile
    git add -A
    git commit -qm one
    git mv lib/deep lib/deeper
    git commit -qm two
    git revert --no-edit HEAD >/dev/null
    git gc -q
    git fsck --strict 2>/dev/null
    cd ..
    git clone -q --no-local origin clone
    cd clone
    make -s -j4 all
    make -q all
    git status --porcelain | LC_ALL=C sort >../status
    cat all ../status
    git log --format=%T
  )
}

# Takes filters away and brings them back, in turn, as long as the process lives.
churn() {
  local pid=$1 filter changes=0
  shift
  while :; do
    for filter; do
      "$FLTMC" detach "$filter" C: || return 1
      "$FLTMC" attach "$filter" C: || return 1
      changes=$((changes + 2))
    done >/dev/null
    kill -0 "$pid" 2>/dev/null || break
  done
  printf '# attached and detached %d times\n' "$changes" >&3
}
exec 3>&1

exercise_churning() {
  local pid
  exercise_all &
  pid=$!
  churn "$pid" "$@" || { wait "$pid"; return 1; }
  wait "$pid"
}

develop_churning() {
  local pid
  develop "$MNT/work" >"$T/churned" &
  pid=$!
  churn "$pid" "$@" || { wait "$pid"; return 1; }
  wait "$pid"
}

instances() { "$FLTMC" instances | grep -c HarddiskVolume1; }

developer=
if command -v git >/dev/null && command -v make >/dev/null; then
  developer=$(develop "$T/plain") || ok "git and make without a mount" false
fi

fs_mount || exit 1
ok "no filter: files and names as in the model" exercise_all
[ -z "$developer" ] || is "no filter: git and make" "$(develop "$MNT/work")" "$developer"
ok "umount" fs_umount

mount_with pass-all || exit 1
ok "one filter: files and names as in the model" exercise_all
[ -z "$developer" ] || is "one filter: git and make" "$(develop "$MNT/work")" "$developer"
ok "one that comes and goes: files and names as in the model" exercise_churning pass-all
if [ -n "$developer" ]; then
  ok "one that comes and goes: git and make run" develop_churning pass-all
  is "with the same result" "$(cat "$T/churned")" "$developer"
fi
is "it is attached in the end" "$(instances)" 1
ok "umount" fs_umount

mount_with $EIGHT || exit 1
is "eight are attached" "$(instances)" 8
ok "eight filters: files and names as in the model" exercise_all
[ -z "$developer" ] || is "eight filters: git and make" "$(develop "$MNT/work")" "$developer"
ok "eight that come and go: files and names as in the model" exercise_churning $EIGHT
is "all are attached in the end" "$(instances)" 8
ok "umount" fs_umount
ok "nobody complains" not grep -E ' (warning|error) ' "$LOG"
