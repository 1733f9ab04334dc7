#!/bin/bash
# SPDX-License-Identifier: MIT
# The main job in one go: a directory mounted with an antivirus minifilter, its scan service in another process, an
# infected file that is refused, a clean one that is read.
set -eu
cd "$(dirname "$0")/.."
. tests/lib/setup.sh

setup_packages "$SETUP_PROGRAMS" "$SETUP_MODULES" "$SETUP_PACKAGES"
setup_check_fuse
build=${FLTSIM_BUILD:-build}
setup_build "$build"
# The build tree's programs and filters, as if they were installed.
export PATH=$PWD/$build/src/tools:$PWD/$build/agent/scanagent:$PATH FLTSIM_FILTER_PATH=$PWD/$build/filter

dir=$(mktemp -d "${TMPDIR:-/tmp}/quickstart.XXXXXX")
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
mkdir "$dir/documents"
echo "All is well." >"$dir/documents/letter.txt"
# The EICAR test string, in two halves so that no scanner stops at this script.
printf '%s%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD' '-ANTIVIRUS-TEST-FILE!$H+H*' >"$dir/documents/virus.com"

echo
echo "\$ fltsim run --filter onaccess --agent scanagent documents -- ..."
fltsim run --filter onaccess --agent "scanagent --log $dir/agent.log" "$dir/documents" -- sh -c '
  echo "\$ ls"; ls
  echo "\$ cat letter.txt"; cat letter.txt || exit 1
  echo "\$ cat virus.com"; if cat virus.com 2>&1; then echo "the infected file was not refused" >&2; exit 1; fi
  echo "\$ cp letter.txt copy.txt; rm virus.com; ls"; cp letter.txt copy.txt && rm virus.com && ls
'
echo
echo "What the scan service wrote:"
cat "$dir/agent.log"
grep -q EICAR "$dir/agent.log"
echo
echo "It works. Next: mount a directory of yours with"
echo "  $build/src/tools/fltsim mount --filter $build/filter/onaccess.conf SOURCE MOUNTPOINT && $build/agent/scanagent/scanagent"
