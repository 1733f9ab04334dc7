#!/bin/sh
# SPDX-License-Identifier: MIT
# Each contract header of the agents' side compiles alone and without warnings, in C and C++, with each compiler there is.
#
# usage: headers.sh DIRECTORY-OF-HEADERS
set -u

include=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n=0
status=0

try() { # compiler language standard header
        n=$((n + 1))
        case $2 in
        c) flags='-Wstrict-prototypes' ;;
        *) flags= ;;
        esac
        printf '#include <%s>\nint fm_test_unit;\n' "$4" > "$work/unit.$2"
        # -isystem would hide the warnings this is about; the pragma in front of host headers is ours.
        if "$1" -x "$2" "-std=$3" -fshort-wchar -Wall -Wextra $flags -Werror -Wno-unknown-warning-option \
                -fsyntax-only "-I$include" $5 "$work/unit.$2" > "$work/log" 2>&1; then
                echo "ok $n - $1 $3 $4 $5"
        else
                echo "not ok $n - $1 $3 $4 $5"
                sed 's/^/# /' "$work/log"
                status=1
        fi
}

cd "$include" || exit 1
# Not for itself: the includer has the base types, on both sides.
set -- $(ls *.h | grep -iv "^fltuserstructures")
cd "$work" || exit 1
for header; do
        for compiler in gcc clang; do
                command -v "$compiler" > /dev/null || continue
                try "$compiler" c gnu11 "$header" -DUNICODE
                try "$compiler" c gnu11 "$header" -DFLTMGR_INTERNAL
        done
        for compiler in g++ clang++; do
                command -v "$compiler" > /dev/null || continue
                try "$compiler" c++ c++17 "$header" -DUNICODE
        done
done
echo "1..$n"
exit $status
