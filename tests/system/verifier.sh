#!/bin/bash
# SPDX-License-Identifier: MIT
# The verifier: each filter that breaks a rule is named, with the rule, the operation and a backtrace; the mount lives on,
# and with --verifier=fatal the filter manager ends there.
#
# Arguments: FILTER=RULE...
. "$(dirname "$0")/lib.sh"
need_fuse
export FLTSIM_VERIFIER_PATIENCE=300

# Broken where no operation is in progress.
at_load="fails-registered"
at_unload="leaks-context leaks-name leaks-callback-data leaks-reference leaks-instance-reference leaks-pool leaks-port
  leaks-device never-unregisters unregisters-twice uses-after-completion works-for-long"

is_in() { case " $(echo $2) " in *" $1 "*) return 0 ;; esac; return 1; }

# The lines from a report on, up to the end of its backtrace.
report() { sed -n "/ error $1: violation $2: /,/^.* error $1: *#[5-9] /p" "$LOG"; }

# The report of a rule: by the filter, with a backtrace, and with the operation if there is one.
check_report() {
  local text
  text=$(report "$1" "$2")
  ok "$1: $2 is reported" test -n "$text"
  case $text in *'    #0 '*) ;; *) ok "$1: with a backtrace" false ;; esac
  is_in "$1" "$at_load $at_unload" || ok "$1: and names the operation" grep -q "$1, .* of IRP_MJ_CREATE: " <<<"$text"
}

misbehave() {
  local name=$1 rule=$2
  if is_in "$name" "$at_load"; then
    ok "$name: is not loaded" not "$FLTMC" load "$TEST_FILTERS/$name.conf"
    check_report "$name" "$rule"
    return
  fi
  ok "$name: loaded" "$FLTMC" load "$TEST_FILTERS/$name.conf"
  cat "$MNT/trigger" >/dev/null 2>&1
  is_in "$name" "$at_unload" || check_report "$name" "$rule"
  is "$name: the mount is alive" "$(cat "$MNT/file")" text
  ok "$name: unloaded" "$FLTMC" unload "$name"
  ! is_in "$name" "$at_unload" || check_report "$name" "$rule"
}

printf text >"$SRC/file"
printf shot >"$SRC/trigger"
fs_mount || exit 1
for pair; do
  misbehave "${pair%%=*}" "${pair#*=}"
done
is "the mount is alive after all that" "$(cat "$MNT/file" "$MNT/trigger")" textshot
ok "and can be unmounted" fs_umount

# Fatal: what was logged ends the process. Its mount is dead then, as after any crash, and is taken away.
ended() {
  local pid=$1
  tail --pid="$pid" -f /dev/null
}
for name in wrong-status keeps-spin-lock frees-foreign-pool completes-twice; do
  LOG=$T/fatal-$name.log
  ok "$name: mounted, fatal" fs_mount --verifier=fatal --filter "$TEST_FILTERS/$name.conf"
  pid=$(fs_pid)
  cat "$MNT/file" >/dev/null
  ok "$name: alive until it misbehaves" kill -0 "$pid"
  cat "$MNT/trigger" >/dev/null 2>&1
  ended "$pid"
  ok "$name: ended with a bug check" grep -q "error $name: bug check 0x000000c4: " "$LOG"
  umount -l "$MNT" 2>/dev/null || fusermount3 -uz "$MNT" 2>/dev/null
done
