#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/verifier.md explains each rule of the verifier in a line of its own, and none that does not exist.
cd "$(dirname "$0")/../../.." || exit 1
in_code=$(cat src/*/*.c | tr '\n' ' ' |
  grep -oE '(fm_violation\(|fm_misuse\( *[a-z_&]+,|fm_violation_of\([^;"]*("(DriverEntry|FilterUnload|a cancel routine)"[^;"]*)?) *"[a-z-]+", ' |
  sed 's/.*"\(.*\)", $/\1/' | sort -u)
in_docs=$(sed -n '/^| rule |/,/^$/p' docs/verifier.md | sed -nE 's/^\| `([a-z-]+)` \| .+ \|$/\1/p' | sort -u)

echo 1..1
if [ -n "$in_code" ] && [ "$in_code" = "$in_docs" ]; then
  echo "ok 1 - the rules of the verifier are documented"
else
  echo "not ok 1 - the rules of the verifier are documented (<: only in the code, >: only in docs/verifier.md)"
  diff <(echo "$in_code") <(echo "$in_docs") | sed 's/^/# /'
  exit 1
fi
