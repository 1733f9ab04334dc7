#!/bin/bash
# SPDX-License-Identifier: MIT
# The same for each agent of examples/agents, however it waits; then the reader of examples/oneway.
#
#   agents.sh [AGENT]...
#
# Set by meson too: EXAMPLES (directory of the programs), ASIO_MISSING (why there is no agent with Asio, if so).
. "$(dirname "$0")/lib.sh"
need_fuse

denied='Permission denied'
here=$SOURCE_ROOT/examples/agents

command_of() {
  case $1 in
    python) echo "$here/agent.py" ;;
    *) echo "$EXAMPLES/agents/$1" ;;
  esac
}

# start NAME ARGUMENT...: starts an agent with a log of its own; fails if it ends without having connected.
start() {
  starts=$((${starts:-0} + 1))
  AGENT_LOG=$T/agent.log.$starts
  : >"$AGENT_LOG"
  "$(command_of "$1")" "${@:2}" >"$AGENT_LOG" 2>&1 &
  AGENT=$!
  children="$children $AGENT"
  wait_line 1 '^connected$'
}

# wait_line N PATTERN: until the log has N such lines; false if the agent ends before.
wait_line() {
  local seen=0
  while [ "$seen" -lt "$1" ] && IFS= read -r _; do
    seen=$((seen + 1))
  done < <(tail --pid="$AGENT" -s 0.1 -n +1 -f "$AGENT_LOG" | grep --line-buffered -- "$2")
  [ "$seen" = "$1" ]
}

# The last one's place may not be free yet: that is the filter's to say.
restart() {
  until start "$@"; do wait "$AGENT"; done
}

# reap: waits for the agent to end by itself or by a signal sent before; its status and last line go to $ended.
reap() {
  wait "$AGENT"
  ended="$? $(tail -n 1 "$AGENT_LOG")"
}

count() { grep -cE -- "$1" "$AGENT_LOG"; }

mount_ask() {
  sed "s/^Timeout=.*/Timeout=dword:$1/" "$EXAMPLES/agents/ask.conf" >"$T/ask.conf"
  cp "$EXAMPLES/agents/ask.so" "$T"
  fs_mount --filter "$T/ask.conf" || exit 1
}

# Returns when the manager has ended: the next one takes its place.
unmount() {
  fs_umount && flock "$FLTSIM_RUNTIME_DIR/fltmgr.lock" true
}

battery() {
  local agent=$1 i opens='' status

  mount_ask 3600000
  ok "$agent: connects" start "$agent" secret slow 3600000

  for i in $(seq 20); do cat "$MNT/one.$i"; done >"$T/out" 2>&1
  is "$agent: what it allows is opened" "$(cat "$T/out")" "$(cat "$SRC"/one.* | sort -n)"
  is "$agent: what it refuses is not" "$(error_of cat "$MNT/secret")" "$denied"
  ok "$agent: nor is it made" not touch "$MNT/new.secret"
  ok "$agent: nothing was made" test ! -e "$SRC/new.secret"
  cat "$MNT/grüße" >"$T/out"
  is "$agent: names of other characters" "$(cat "$T/out")" hello

  opens=
  for i in $(seq 20); do
    (cd "$MNT" && cat "many.$i".*) >"$T/out.$i" 2>"$T/err.$i" &
    opens="$opens $!"
  done
  for i in $opens; do wait "$i"; done
  is "$agent: 200 opens of 20 processes: all are answered" "$(cat "$T"/out.* | wc -c)" 180
  is "$agent: each as it should" "$(cat "$T"/err.* | grep -c "secret: $denied")" 20

  opens=
  for i in 1 2 3; do
    cat "$MNT/slow.$i" >"$T/out.$i" &
    opens="$opens $!"
  done
  wait_line 3 '^asked slow'
  is "$agent: while it thinks about three, others are answered" "$(error_of cat "$MNT/secret")" "$denied"
  is "$agent: each was asked about once" "$(sed -n 's/^asked //p' "$AGENT_LOG" | sort)" "$(
    {
      (cd "$SRC" && printf '%s\n' one.* many.* slow.* grüße)
      printf '%s\n' secret secret new.secret
    } | sort
  )"
  is "$agent: each that was allowed or refused had its answer" "$(count '^unanswered')" 0

  kill -KILL "$AGENT"
  { wait "$AGENT"; } 2>"$T/killed"
  status=
  for i in $opens; do wait "$i"; status="$status $?"; done
  is "$agent: SIGKILL while it holds messages: the opens end" "$status" " 0 0 0"
  is "$agent: by the filter's rule" "$(cat "$T"/out.[123])" "$(cat "$SRC"/slow.[123])"

  restart "$agent" secret slow 3600000
  is "$agent: another one connects, and is asked" "$(error_of cat "$MNT/secret")" "$denied"
  cat "$MNT/slow.1" "$MNT/slow.2" >"$T/out" &
  opens=$!
  wait_line 1 '^asked slow'
  kill -TERM "$AGENT"
  reap
  is "$agent: SIGTERM while it holds a message: a clean end" "$ended" "0 stopped"
  wait "$opens"
  is "$agent: and the open ends" "$? $(cat "$T/out")" "0 $(cat "$SRC"/slow.[12])"

  restart "$agent" secret
  opens=
  for i in 1 2 3 4 5 6; do
    (until [ -e "$T/enough" ]; do cat "$MNT/one.$i" "$MNT/secret"; done) >"$T/out" 2>"$T/err.$i" &
    opens="$opens $!"
  done
  wait_line 100 '^asked'
  ok "$agent: the filter is unloaded while it asks" "$FLTMC" unload ask
  reap
  is "$agent: the agent is told, and ends cleanly" "$ended" "0 ended 6"
  : >"$T/enough"
  status=
  for i in $opens; do wait "$i"; status=$((status + $?)); done
  rm "$T/enough"
  is "$agent: nobody saw another error than a refusal" "$(cat "$T"/err.[1-6] | grep -cv "secret: $denied")" 0
  is "$agent: the mount goes on" "$(cat "$MNT/secret")" hidden
  ok "$agent: umount" unmount

  # The filter waits 0.1 seconds, the agent thinks for 1. On a busy machine either may be too slow to take part, once
  # or twice: what counts is the first time that the agent was late.
  mount_ask 100
  restart "$agent" secret slow 1000
  : >"$T/out"
  until [ "$(count '^unanswered')" -gt 0 ]; do
    cat "$MNT/slow.1" >"$T/out" || break
    wait_line "$(count '^asked slow')" '^\(allowed\|unanswered\) slow' || break
  done
  is "$agent: who does not answer in time is not waited for" "$(cat "$T/out")" "$(cat "$SRC/slow.1")"
  is "$agent: and learns it when it answers" "$(grep unanswered "$AGENT_LOG" | head -n 1)" \
    "unanswered slow.1 0x801f0020"
  until [ "$(error_of cat "$MNT/secret")" = "$denied" ]; do :; done
  ok "$agent: the next messages go their way" wait_line 1 '^refused secret'
  kill -INT "$AGENT"
  reap
  is "$agent: SIGINT" "$ended" "0 stopped"
  ok "$agent: umount again" unmount
  AGENT=
}

for i in $(seq 20); do
  printf '%d\n' "$i" >"$SRC/one.$i"
  for j in $(seq 9); do printf x >"$SRC/many.$i.$j"; done
  printf y >"$SRC/many.$i.secret"
done
for i in 1 2 3; do printf 'slow %d\n' "$i" >"$SRC/slow.$i"; done
printf hidden >"$SRC/secret"
printf hello >"$SRC/grüße"

for agent in ${*:-threads completion-port events epoll glib asio python}; do
  reason=
  case $agent in
    asio) reason=${ASIO_MISSING:-} ;;
    python) command -v python3 >/dev/null || reason="python3 is not installed" ;;
  esac
  if [ -z "$reason" ]; then
    battery "$agent"
  elif [ -n "${FLTSIM_TESTS_MUST_RUN:-}" ]; then
    is "$agent: may not be skipped here" "$reason" ""
  else
    tests=$((tests + 1))
    printf 'ok %d - %s # SKIP %s\n' "$tests" "$agent" "$reason"
  fi
done

# The reader of examples/oneway, which answers nothing; without it, nobody waits.
rm -f "$SRC"/*
fs_mount --filter "$EXAMPLES/oneway/oneway.inf" || exit 1
: >"$MNT/nobody.1"
: >"$MNT/nobody.2"
AGENT_LOG=$T/reader.log
"$EXAMPLES/oneway/reader" >"$AGENT_LOG" 2>&1 &
AGENT=$!
children="$children $AGENT"
wait_line 1 '^connected$'
ok "oneway: the reader connects" kill -0 "$AGENT"
opens=
for i in 1 2 3; do
  sh -c 'for i; do : >"$i"; done' sh "$MNT"/made."$i".{1,2,3,4} &
  opens="$opens $!"
done
for i in $opens; do wait "$i"; done
mkdir "$MNT/dir"
cat "$MNT/made.1.1"
wait_line 13 ' made '
is "oneway: it hears of all that is made, once" "$(sed -n 's/^process [0-9]* made .*\\//p' "$AGENT_LOG" | sort)" \
  "$(printf '%s\n' dir made.{1,2,3}.{1,2,3,4})"
is "oneway: and how many notes nobody had" "$(grep lost "$AGENT_LOG")" "2 notes were lost"
kill -STOP "$AGENT"
ok "oneway: a reader that does not read stops nobody" touch "$MNT/unread"
kill -CONT "$AGENT"
ok "oneway: unload" "$FLTMC" unload oneway
reap
is "oneway: the reader is told" "$ended" "0 ended 6"
AGENT=
ok "oneway: umount" unmount
