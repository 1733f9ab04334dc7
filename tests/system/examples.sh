#!/bin/bash
# SPDX-License-Identifier: MIT
# The examples do what examples/README.md says of them.
. "$(dirname "$0")/lib.sh"
need_fuse
unset FLTSIM_RUNTIME_DIR
export FLTSIM_FILTER_PATH=$EXAMPLES:$FLTSIM_FILTER_PATH
export PATH=${FLTSIM%/*}:${SCANAGENT%/*}:$PATH
denied='Permission denied'

# denyopen
printf secret >"$SRC/server.KEY"
printf public >"$SRC/server.crt"
deny() { "$FLTSIM" run --filter "$1" "$SRC" -- "${@:2}"; }
for description in denyopen "$EXAMPLES/denyopen.inf" "$EXAMPLES/denyopen.conf"; do
  name=${description##*/}
  is "$name: a file of a matching name is refused" "$(error_of deny "$description" cat server.KEY)" "$denied"
  is "$name: others are read" "$(deny "$description" cat server.crt)" public
done
is "denyopen: a matching name can't be made either" "$(error_of deny denyopen cp server.crt new.key)" "$denied"
ok "denyopen: nothing was made" test ! -e "$SRC/new.key"
is "denyopen: it is there to be seen" "$(deny denyopen ls)" "$(ls "$SRC")"
sed 's/^Pattern=.*/Pattern=sz:server.c?t/' "$EXAMPLES/denyopen.conf" >"$T/denyopen.conf"
cp "$EXAMPLES/denyopen.so" "$T"
is "denyopen: the pattern is a parameter" "$(error_of deny "$T/denyopen.conf" cat server.crt)" "$denied"
sed '/^Pattern=/d' "$EXAMPLES/denyopen.conf" >"$T/denyopen.conf"
"$FLTSIM" run --log-level info --filter "$T/denyopen.conf" "$SRC" -- true 2>"$T/err"
is "denyopen: without it, it is not loaded" "$?" 125
ok "denyopen: and says so" grep -q "Pattern can't be read: 0xc0000034" "$T/err"
rm -f "$SRC"/*

# logger
printf there >"$SRC/there"
"$FLTSIM" run --filter logger --log "$LOG" "$SRC" -- \
  sh -c 'cat there; printf one >made; printf two >>made; mkdir dir; ln -s there soft; rm made; rmdir dir; : >>there' >"$T/out"
is "logger: the command is not disturbed" "$?" 0
logged=$(sed -nE 's/.* logger: (logger: )?(\\.*) \(([0-9]+)\) (made|wrote|deleted) \\Device\\[^\\]*\\(.*)/\4 \5/p' "$LOG")
is "logger: what was made, written and deleted" "$logged" "made made
wrote made
wrote made
made dir
made soft
deleted made
deleted dir"
ok "logger: by which program" grep -qE '\\rm \([0-9]+\) deleted .*\\made$' "$LOG"
rm -f "$SRC"/* "$LOG"

# scanner
printf 'MZ and so on' >"$SRC/program"
printf 'text, not MZ' >"$SRC/text"
: >"$SRC/empty"
mkdir "$SRC/dir"
scan() { "$FLTSIM" run --filter scanner --agent "$EXAMPLES/scanner-agent MZ" "$SRC" -- "$@"; }
is "scanner: what the agent refuses is not opened" "$(scan sh -c 'cat program 2>&1' 2>/dev/null | sed 's/.*: //')" "$denied"
is "scanner: what it allows is" "$(scan cat text empty 2>"$LOG")" "text, not MZ"
is "scanner: without buffering neither" "$(scan dd if=program bs=4096 iflag=direct 2>/dev/null)" ""
ok "scanner: the agent says so" grep -qE '^process [0-9]+: allowed$' "$LOG"
scan sh -c 'mv program dir && ls dir && rm dir/program' >"$T/out" 2>"$LOG"
is "scanner: what is refused can be renamed and removed" "$? $(cat "$T/out")" "0 program"
is "scanner: and its rules are kept" "$(grep violation "$LOG")" ""
printf 'MZ' >"$SRC/program"
is "scanner: without an agent all is allowed" "$("$FLTSIM" run --filter scanner "$SRC" -- cat program)" MZ
scan sh -c 'set -- $(seq 40); for i; do cat text & done; wait' >"$T/out" 2>"$LOG"
is "scanner: its threads answer many at once" "$? $(grep -o MZ "$T/out" | wc -l)" "0 40"

# blocked-file.sh
ok "blocked-file.sh ends well" "$SOURCE_ROOT/examples/blocked-file.sh"
ok "blocked-file.sh: and not without a scanner" not env FLTSIM_FILTER_PATH="$T" "$SOURCE_ROOT/examples/blocked-file.sh"
