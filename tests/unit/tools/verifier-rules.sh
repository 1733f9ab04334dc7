#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/writing-filters.md explains each rule of the verifier, and none that does not exist.
cd "$(dirname "$0")/../../.." || exit 1
in_code=$(cat src/*/*.c | tr '\n' ' ' | grep -oE 'fm_violation[a-z_]*\([^";]*"[a-z-]+"' | sed 's/.*"\(.*\)"/\1/' | sort -u)
in_docs=$(sed -n '/^| rule |/,/^$/p' docs/writing-filters.md | cut -d'|' -f2 | grep -oE '`[a-z-]+`' | tr -d '`' | sort -u)

echo 1..2
unknown=$(comm -23 <(echo "$in_code") <(echo "$in_docs"))
if [ -n "$in_code" ] && [ -z "$unknown" ]; then
  echo "ok 1 - each rule is explained"
else
  echo "not ok 1 - each rule is explained; these are not:" $unknown
fi
gone=$(for rule in $in_docs; do grep -qF "\"$rule\"" src/*/*.c || echo "$rule"; done)
if [ -n "$in_docs" ] && [ -z "$gone" ]; then
  echo "ok 2 - each rule that is explained exists"
else
  echo "not ok 2 - each rule that is explained exists; these do not:" $gone
fi
[ -n "$in_code" ] && [ -n "$in_docs" ] && [ -z "$unknown$gone" ]
