#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds and passes all tests. The last line counts them.
#
#   tests/run.sh              the suite, as built by default
#   tests/run.sh --thorough   the same with warnings as errors by gcc and clang, then under ASan+UBSan, and
#                             the threaded parts under TSan (what CI runs)
set -u
cd "$(dirname "$0")/.."
. tests/lib/setup.sh

thorough=
case ${1:-} in
  "") [ -n "${CI:-}" ] && thorough=1 ;;
  --thorough) thorough=1 ;;
  *) sed -n '3,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

programs="$SETUP_PROGRAMS git rsync setfattr setfacl perl g++ python3"
packages="$SETUP_PACKAGES git rsync attr acl perl util-linux binutils g++ libasio-dev python3"
if [ -n "$thorough" ]; then
  programs="$programs clang"
  packages="$packages clang mingw-w64-x86-64-dev"
fi
setup_packages "$programs" "$SETUP_MODULES" "$packages" || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
setup_check_fuse || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }

passed=0 failed=0 skipped=0
build=${FLTSIM_BUILD:-build}

# run NAME MESON-TEST-ARGUMENT...: one run of the suite in $build$NAME, counted.
run() {
  local dir=$1 ok fail skip timeout
  shift
  meson test -C "$dir" --print-errorlogs "$@" 2>&1 | tee "$dir/test.log" | grep -vE '^(ninja|Entering|.*OK  )'
  ok=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$dir/test.log")
  fail=$(sed -n 's/^Fail: *\([0-9]*\).*/\1/p' "$dir/test.log")
  skip=$(sed -n 's/^Skipped: *\([0-9]*\).*/\1/p' "$dir/test.log")
  timeout=$(sed -n 's/^Timeout: *\([0-9]*\).*/\1/p' "$dir/test.log")
  passed=$((passed + ${ok:-0}))
  failed=$((failed + ${fail:-1} + ${timeout:-0}))
  skipped=$((skipped + ${skip:-0}))
}

# run_sanitized DIRECTORY MESON-TEST-ARGUMENT...: the same; what a sanitizer says of any process, a daemon too, is a failure.
run_sanitized() {
  local dir=$1 reports=$PWD/$1/sanitizer
  rm -f "$reports".*
  G_SLICE=always-malloc ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:log_path=$reports \
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:log_path=$reports \
    TSAN_OPTIONS=log_path=$reports:die_after_fork=0:atexit_sleep_ms=0:suppressions=$PWD/tests/lib/tsan.supp \
    run "$@" --timeout-multiplier 4
  if compgen -G "$reports.*" >/dev/null; then
    echo "the sanitizer reports:"
    head -n 40 "$reports".*
    failed=$((failed + 1))
  fi
}

# must COMMAND...: counts a step that is no test of its own only when it fails.
must() { "$@" || failed=$((failed + 1)); }

if [ -z "$thorough" ]; then
  must setup_build "$build" && run "$build"
else
  must setup_build "$build" -Dwerror=true && run "$build"
  must env CC=clang bash -c '. tests/lib/setup.sh; setup_build "$0" -Dwerror=true' "$build-clang"
  # Faults that some tests make on purpose are reports, too.
  must setup_build "$build-asan" -Db_sanitize=address,undefined -Db_lundef=false &&
    run_sanitized "$build-asan" --no-suite faults && ASAN_OPTIONS=detect_leaks=0 run "$build-asan" --suite faults
  must setup_build "$build-tsan" -Db_sanitize=thread -Db_lundef=false && run_sanitized "$build-tsan" --suite threads
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
