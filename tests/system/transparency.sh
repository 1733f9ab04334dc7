#!/bin/bash
# SPDX-License-Identifier: MIT
# Filters that register for everything and pass everything change nothing: one, eight of them, and while they attach
# and detach. EXERCISE_SEED and EXERCISE_STEPS make other and longer runs; transparency-long.sh takes other people's suites.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/transparency-lib.sh"
need_fuse

SEED=${EXERCISE_SEED:-1}
STEPS=${EXERCISE_STEPS:-1500}
note "EXERCISE_SEED=$SEED EXERCISE_STEPS=$STEPS"

exercise() { exercise_all "$SEED" "$STEPS"; }

# churning FILTERS COMMAND...: while they come and go
churning() {
  local filters=$1 pid
  shift
  "$@" &
  pid=$!
  churn "$pid" 0 $filters || { wait "$pid"; return 1; }
  wait "$pid"
}

instances() { "$FLTMC" instances | grep -c HarddiskVolume1; }

developer=
if can_develop; then
  developer=$(develop "$T/plain") || ok "git and make without a mount" false
fi

mount_with || exit 1
ok "no filter: files and names as in the model" exercise
[ -z "$developer" ] || is "no filter: git and make" "$(develop "$MNT/work")" "$developer"
ok "umount" fs_umount

mount_with pass-all || exit 1
ok "one filter: files and names as in the model" exercise
[ -z "$developer" ] || is "one filter: git and make" "$(develop "$MNT/work")" "$developer"
ok "one that comes and goes: files and names as in the model" churning pass-all exercise
note "it came $(churned) times"
if [ -n "$developer" ]; then
  develop_noted() { develop "$MNT/work" >"$T/developed"; }
  ok "one that comes and goes: git and make run" churning pass-all develop_noted
  is "with the same result" "$(cat "$T/developed")" "$developer"
fi
is "it is attached in the end" "$(instances)" 1
ok "umount" fs_umount

mount_with $EIGHT || exit 1
is "eight are attached" "$(instances)" 8
ok "eight filters: files and names as in the model" exercise
[ -z "$developer" ] || is "eight filters: git and make" "$(develop "$MNT/work")" "$developer"
ok "eight that come and go: files and names as in the model" churning "$EIGHT" exercise
note "they came $(churned) times"
is "all are attached in the end" "$(instances)" 8
ok "umount" fs_umount
ok "nobody complains" not grep -E ' (warning|error) ' "$LOG"
