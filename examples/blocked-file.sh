#!/bin/bash
# SPDX-License-Identifier: MIT
# In CI: does a program cope with a file that a virus scanner blocks? Here the program is tar. A backup
# must not end at such a file: it has to go on, keep what it can read, and tell by its exit status.
#
# fltsim, scanagent and the filter onaccess are installed, or found by PATH and FLTSIM_FILTER_PATH.
set -u

dir=$(mktemp -d "${TMPDIR:-/tmp}/blocked-file.XXXXXX")
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/data"
echo one >"$dir/data/1-first"
# The EICAR test string, in two halves so that no scanner stops at this script.
printf '%s%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD' '-ANTIVIRUS-TEST-FILE!$H+H*' >"$dir/data/2-infected"
echo three >"$dir/data/3-last"

fltsim run --filter onaccess --agent "scanagent --log $dir/agent.log" "$dir/data" -- \
  tar -cf "$dir/backup.tar" 1-first 2-infected 3-last
status=$?

fail() { echo "FAILED: $1" >&2; exit 1; }
[ "$status" = 2 ] || fail "tar ended with $status: it did not say that something is missing"
[ "$(tar -tf "$dir/backup.tar")" = "1-first
3-last" ] || fail "the archive does not have the two files that could be read"
grep -q EICAR "$dir/agent.log" || fail "the scanner has not found the file"
echo "tar copes with a blocked file"
