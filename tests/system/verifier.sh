#!/bin/bash
# SPDX-License-Identifier: MIT
# The verifier: each filter that breaks a rule is named, with the rule, the operation and a backtrace. Logged, the mount lives
# on; fatal, the filter manager ends with Windows' bug check, its mount is gone, and nobody is left waiting. Completions are
# raised: what is wrong only there is found, and what is right there is not reported.
#
# Arguments: log|fatal PART/PARTS FILTER=RULE[ WORD]...   Every PARTS-th filter is tried; the words are those of
# tests/filters/meson.build.
. "$(dirname "$0")/lib.sh"
need_fuse
export FLTSIM_VERIFIER_PATIENCE=300
ulimit -c 0
mode=$1
part=${2%/*} parts=${2#*/}
shift 2

has() { case " $words " in *" $1 "*) return 0 ;; esac; return 1; }

major() {
  local word
  for word in $words; do
    case $word in IRP_MJ_*) echo "$word"; return ;; esac
  done
  echo IRP_MJ_CREATE
}

# Nothing of the kind is in the log's lines before this.
first_line=1
mark() { first_line=$(($(wc -l <"$LOG") + 1)); }

what() { if has note; then echo "warning $name: note $rule: "; else echo "error $name: violation $rule: "; fi; }

# The report of the rule, up to the end of its backtrace.
report() {
  tail -n "+$first_line" "$LOG" | awk -v what="$(what)" -v frame=" error $name:     #" '
    found && !index($0, frame) { exit }
    index($0, what) { found = 1 }
    found'
}

# By the filter, with a backtrace that its code is in, and with the operation if there is one.
check_report() {
  local text
  text=$(report)
  ok "$name: $rule is reported" test -n "$text"
  if ! has note; then
    ok "$name: its own code is in the backtrace" grep -qE "#[0-9]+ [A-Za-z_][A-Za-z_0-9]*\+0x[0-9a-f]+ in .*/$name\.so" <<<"$text"
  fi
  if ! has load && ! has unload && ! has callback; then
    ok "$name: and the operation is named, with its file" grep -qF " of $(major) (\\trigger): " <<<"${text%%$'\n'*}"
  fi
}

# Until it is there, or surely never will be: what a callback on another thread does is seen later.
wait_logged_line() { timeout 60 grep -q -m1 -F "$1" < <(timeout 60 tail --pid=$$ -n "+$first_line" -f "$LOG"); }
wait_reported() { wait_logged_line "$(what)"; }
wait_pended() { wait_logged_line " $name: pended"; }

# What makes a filter break its rule, given the directory that is mounted.
trigger() {
  if has agent; then
    "$TEST_HELPERS/misdeed-agent" "$1/trigger"
  fi
  stat "$1/trigger"
  cat "$1/trigger"
} >/dev/null 2>&1

# ---- logged ----

log_load() {
  ok "$name: is not loaded" not "$FLTMC" load "$TEST_FILTERS/$name.conf"
  check_report
}

log_one() {
  local waiter=
  mark
  if has load; then
    log_load
    return
  fi
  ok "$name: loaded" "$FLTMC" load "$TEST_FILTERS/$name.conf"
  if has pends; then
    trigger "$MNT" &
    waiter=$!
    children="$children $waiter"
    wait_pended
  else
    trigger "$MNT"
  fi
  ! has callback || wait_reported
  has unload || has pends || check_report
  is "$name: the mount is alive" "$(cat "$MNT/file")" text
  ok "$name: unloaded" "$FLTMC" unload "$name"
  if has unload || has pends; then
    check_report
  fi
  if [ -n "$waiter" ]; then
    wait "$waiter"
    ok "$name: who waited is answered" true
  fi
}

# ---- fatal ----

# What docs/verifier.md says that Windows does; without a bug check of its own it is Driver Verifier's.
bug_check() {
  local windows
  windows=$(sed -n "s/^| \`$rule\` | .* | \(.*\) |\$/\1/p" "$SOURCE_ROOT/docs/verifier.md")
  case $windows in
    *'`'*) sed 's/^`0x\([0-9a-f]*\) \([A-Z_0-9]*\)`.*/\1 \2/' <<<"$windows" | { read -r code text; printf '0x%08x %s' "0x$code" "$text"; } ;;
    *) printf '0x000000c4 DRIVER_VERIFIER_DETECTED_VIOLATION' ;;
  esac
}

# Runs at the mount of "fltsim run", with its standard output: fatal_one goes on when all who have that have ended. The
# caller is a process that is not ended together with fltsim.
fatal_command() {
  pwd
  { trigger .; echo answered; } &
  if has pends; then
    wait_pended
  else
    wait $!
  fi
}

fatal_one() {
  local output status directory
  LOG=$T/$name.log
  : >"$LOG"
  first_line=1
  export -f fatal_command trigger has wait_logged_line wait_pended
  export name words LOG first_line
  output=$(timeout 120 "$FLTSIM" run --verifier=fatal,dispatch --log "$LOG" --filter "$TEST_FILTERS/$name.conf" "$SRC" -- \
    bash -c fatal_command 2>"$T/stderr")
  status=$?
  directory=${output%%$'\n'*}
  if has note; then
    is "$name: is noted, and is not fatal" "$status" 0
    check_report
    return
  fi
  is "$name: ended by SIGABRT" "$status" 134
  check_report
  ok "$name: with the bug check $(bug_check)" grep -qE " error $name: bug check $(bug_check)( \(0x[0-9a-f]+\))?: $rule: " "$LOG"
  if ! has load; then
    is "$name: who called is answered" "${output##*$'\n'}" answered
    ok "$name: the mount is gone" not grep -qF " $directory " /proc/self/mounts
  fi
}

# ---- all ----

printf text >"$SRC/file"
printf shot >"$SRC/trigger"
if [ "$mode" = log ]; then
  fs_mount --verifier=log,dispatch || exit 1
fi
number=0
for pair; do
  number=$((number + 1))
  [ $((number % parts)) = $((part % parts)) ] || continue
  name=${pair%%=*}
  words=${pair#*=}
  rule=${words%% *}
  if has faults && [ -n "${SANITIZED:-}" ]; then
    tests=$((tests + 1))
    printf 'ok %d - %s # SKIP a sanitizer reports it itself\n' "$tests" "$name"
    continue
  fi
  "${mode}_one"
done
if [ "$mode" = log ]; then
  is "the mount is alive after all that" "$(cat "$MNT/file" "$MNT/trigger")" textshot
  ok "and can be unmounted" fs_umount
fi
