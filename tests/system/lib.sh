# SPDX-License-Identifier: MIT
# What the system tests share: a place of their own, a mount, an agent, and TAP.
#
# Each test has its own runtime directory, source, mount point and logs below $T, and nothing of it survives the
# test, however it ends. Nothing here sleeps to wait for something.
#
# Set by meson: FLTSIM, FLTMC, SCANAGENT, FLTSIM_FILTER_PATH, TEST_HELPERS (directory of the helper programs).
set -u

T=$(mktemp -d "${TMPDIR:-/tmp}/fltsim-test.XXXXXX")
export FLTSIM_RUNTIME_DIR=$T/run
SRC=$T/src
MNT=$T/mnt
LOG=$T/fltsim.log
AGENT_LOG=$T/agent.log
AGENT=
mkdir "$SRC" "$MNT"
chmod 755 "$T"
tests=0
failures=0
children=

note() { printf '# %s\n' "$*"; }

# ok NAME CONDITION...: one line of TAP; the condition is a command.
ok() {
  local name=$1; shift
  tests=$((tests + 1))
  if "$@" >"$T/ok.out" 2>&1; then
    printf 'ok %d - %s\n' "$tests" "$name"
  else
    failures=$((failures + 1))
    printf 'not ok %d - %s\n' "$tests" "$name"
    note "failed: $*"
    sed 's/^/#   /' "$T/ok.out" | head -20
  fi
}

not() { ! "$@"; }

# is NAME GOT WANTED
is() {
  tests=$((tests + 1))
  if [ "$2" = "$3" ]; then
    printf 'ok %d - %s\n' "$tests" "$1"
  else
    failures=$((failures + 1))
    printf 'not ok %d - %s\n' "$tests" "$1"
    note "got:    $2"
    note "wanted: $3"
  fi
}

# The whole test is skipped. An error where the environment says that everything must work.
skip_all() {
  if [ -n "${FLTSIM_TESTS_MUST_RUN:-}" ]; then
    printf '1..1\nnot ok 1 - may not be skipped here: %s\n' "$*"
    failures=1
    tests=1
    exit 1
  fi
  printf '1..0 # SKIP %s\n' "$*"
  exit 0
}

need_fuse() {
  [ -w /dev/fuse ] || skip_all "no access to /dev/fuse"
}

need_root() {
  [ "$(id -u)" = 0 ] || skip_all "needs root"
}

need_program() {
  local p
  for p; do
    command -v "$p" >/dev/null || skip_all "$p is not installed"
  done
}

# fs_mount [OPTION]...: mounts $SRC at $MNT; returns when it is ready.
fs_mount() {
  "$FLTSIM" mount --log "$LOG" "$@" "$SRC" "$MNT"
}

fs_pid() { [ -z "${FLTSIM_RUNTIME_DIR:-}" ] || cat "$FLTSIM_RUNTIME_DIR/fltmgr.lock" 2>/dev/null; }

fs_umount() {
  "$FLTSIM" umount "$MNT"
}

is_mounted() { grep -q " $MNT fuse" /proc/self/mounts; }

# agent_start [OPTION]...: starts scanagent, returns when it has connected. Its pid is $AGENT.
agent_start() {
  rm -f "$T/agent.fifo"
  mkfifo "$T/agent.fifo"
  "$SCANAGENT" "$@" >"$T/agent.fifo" 2>&1 &
  AGENT=$!
  children="$children $AGENT"
  exec 8<"$T/agent.fifo"
  local line
  while IFS= read -r line <&8; do
    printf '%s\n' "$line" >>"$AGENT_LOG"
    case $line in *connected*) break ;; esac
  done
  cat <&8 >>"$AGENT_LOG" &
  children="$children $!"
  exec 8<&-
}

# wait_logged N WORD: until the agent's log has N lines with that word.
wait_logged() {
  local seen=0 line
  while [ "$seen" -lt "$1" ] && IFS= read -r line; do
    case $line in *"$2"*) seen=$((seen + 1)) ;; esac
  done < <(tail --pid=$$ -n +1 -f "$AGENT_LOG")
}

agent_stop() {
  [ -n "$AGENT" ] || return 0
  kill "${1:--TERM}" "$AGENT" 2>/dev/null
  kill -CONT "$AGENT" 2>/dev/null
  wait "$AGENT" 2>/dev/null
  local status=$?
  AGENT=
  return $status
}

# The EICAR test string, in two halves so that no scanner stops at this file.
eicar() {
  printf '%s%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD' '-ANTIVIRUS-TEST-FILE!$H+H*'
}

# errno_of PROGRAM...: what a command says of its failure, without the program's name.
error_of() {
  LC_ALL=C "$@" 2>&1 >/dev/null | sed 's/.*: //'
}

finish() {
  local status=$?
  trap - EXIT HUP INT TERM
  local pid
  for pid in $children; do
    kill -KILL "$pid" 2>/dev/null
  done
  local manager
  manager=$(fs_pid)
  local mount
  for mount in $(awk -v below="$T/" 'index($2, below) == 1 && $3 ~ /^fuse/ { print $2 }' /proc/self/mounts | tac); do
    "$FLTSIM" umount --force "$mount" >/dev/null 2>&1 || { umount -l "$mount" || fusermount3 -uz "$mount"; } 2>/dev/null
  done
  if [ -n "$manager" ] && [ "$(cat "/proc/$manager/comm" 2>/dev/null)" = fltsim ]; then
    kill -KILL "$manager" 2>/dev/null
  fi
  if [ "$failures" != 0 ] || [ "$status" != 0 ]; then
    note "log of fltsim:"
    tail -30 "$LOG" 2>/dev/null | sed 's/^/#   /'
    note "log of the agent:"
    tail -15 "$AGENT_LOG" 2>/dev/null | sed 's/^/#   /'
  fi
  rm -rf --one-file-system "$T"
  if [ "$tests" != 0 ]; then
    printf '1..%d\n' "$tests"
  fi
  [ "$failures" = 0 ] || exit 1
  exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
