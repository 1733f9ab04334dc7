# SPDX-License-Identifier: MIT
# What transparency.sh and transparency-long.sh do to a mount, and to a plain directory to compare. Comes after lib.sh.

EIGHT="pass-all-1 pass-all-2 pass-all-3 pass-all-4 pass-all-5 pass-all-6 pass-all-7 pass-all-8"

# mount_with [FILTER]...
mount_with() {
  local filter options=()
  for filter; do
    options+=(--filter "$TEST_FILTERS/$filter.conf")
  done
  fs_mount "${options[@]}"
}

# churn PID PAUSE FILTER...: takes filters away and brings them back, in turn, as long as the process lives.
churn() {
  local pid=$1 pause=$2 filter
  shift 2
  : >"$T/churned"
  while :; do
    for filter; do
      "$FLTMC" detach "$filter" C: && sleep "$pause" && "$FLTMC" attach "$filter" C: && sleep "$pause" || return 1
      echo "$filter" >>"$T/churned"
    done >/dev/null
    kill -0 "$pid" 2>/dev/null || break
  done
}

churned() { wc -l <"$T/churned"; }

# exercise_all SEED STEPS: all exercisers at once, each in a place of its own.
exercise_all() {
  local pids= pid i status=0
  rm -rf "$T/model" "$SRC"/names-* "$SRC"/data-*
  for i in 0 1; do
    mkdir -p "$T/model/$i" "$MNT/names-$i"
    "$TEST_HELPERS/exercise-data" $(($1 + i)) "$2" "$MNT/data-$i" &
    pids="$pids $!"
    "$TEST_HELPERS/exercise-names" $(($1 + i)) "$2" "$MNT/names-$i" "$T/model/$i" &
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

can_develop() { command -v git >/dev/null && command -v make >/dev/null; }

# develop DIRECTORY: what a developer does with git and make; what it says must not show where it was.
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
