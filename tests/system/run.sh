#!/bin/bash
# SPDX-License-Identifier: MIT
# fltsim run: a temporary mount around one command, as a CI job uses it.
. "$(dirname "$0")/lib.sh"
need_fuse
unset FLTSIM_RUNTIME_DIR
mkdir "$T/tmp"
export TMPDIR=$T/tmp

printf hello >"$SRC/greeting"
eicar >"$SRC/virus"
run() { "$FLTSIM" run --filter onaccess --agent "$SCANAGENT" "$SRC" -- "$@"; }

is "the working directory is the mount" "$(run cat greeting)" hello
is "a variable names it" "$(run sh -c 'cat "$FLTSIM_MOUNT/greeting"')" hello
is "the agent is connected before the command starts" "$(run sh -c 'cat virus >/dev/null 2>&1; echo $?')" 1
run sh -c 'exit 42'
is "the exit status is the command's" $? 42
run sh -c 'kill -TERM $$'
is "a signal is 128 more" $? 143
run /no/such/command 2>/dev/null
is "a command that is not there is 127" $? 127
is "nothing stays mounted, and no directory" "$(grep -c " $T/" /proc/self/mounts) $(ls "$TMPDIR")" "0 "
out=$("$FLTSIM" run --filter onaccess --agent /bin/false "$SRC" -- true 2>&1)
ok "an agent that never connects is an error ($out)" test $? != 0

# Until its standard output is closed, somebody is still at work.
out=$("$FLTSIM" run --filter onaccess --agent "$SCANAGENT" "$SRC" -- \
  sh -c 'test -e greeting && echo mounted; kill -KILL $PPID' 2>/dev/null)
is "when fltsim is killed itself" "$out" mounted
is "its mount and its directories go too" "$(grep -c " $T/" /proc/self/mounts) $(ls "$TMPDIR")" "0 "
