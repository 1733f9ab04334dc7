#!/bin/bash
# SPDX-License-Identifier: MIT
# A folder of src includes only from the folders that it may use (see CONTRIBUTING.md), and prints TAP.
cd "$(dirname "$0")/../.." || exit 1
n=0 status=0

# allowed FOLDER "FOLDER...": quoted includes with a path.
allowed() {
  local folder=$1 others bad
  others=$(printf '%s|' $folder $2)
  bad=$(grep -nE '^#include "[^"]*/' src/$folder/*.[ch] 2>/dev/null | grep -vE "#include \"(${others%|})/")
  n=$((n + 1))
  if [ -z "$bad" ]; then
    echo "ok $n - src/$folder"
  else
    echo "not ok $n - src/$folder"
    sed 's/^/# /' <<<"$bad"
    status=1
  fi
}

allowed nt ""
allowed fltmgr "nt"
allowed wire ""
allowed port "nt fltmgr wire"
allowed fuse "nt fltmgr"
allowed win32 "nt"
allowed fltlib "win32 wire"
echo "1..$n"
exit $status
