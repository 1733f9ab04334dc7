#!/bin/sh
# SPDX-License-Identifier: MIT
# Each contract header of the filters' side compiles alone and without warnings, as a filter and as our own code see it,
# with each compiler there is; and after the C library's headers as well as before them.
#
# usage: headers.sh DIRECTORY-OF-HEADERS
set -u

include=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n=0
status=0

try() { # compiler, define, description; unit.c is written
        n=$((n + 1))
        # Not -isystem: it would hide the warnings this is about.
        if "$1" -std=gnu11 -fshort-wchar -Wall -Wextra -Wstrict-prototypes -Wundef -Werror -fsyntax-only "-I$include" \
                $2 "$work/unit.c" > "$work/log" 2>&1; then
                echo "ok $n - $1 $2 $3"
        else
                echo "not ok $n - $1 $2 $3"
                sed 's/^/# /' "$work/log"
                status=1
        fi
}

host='#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>'
still_there='int fm_values[] = { O_CREAT, S_IFDIR, EEXIST, AF_INET6, SEEK_SET };'

cd "$include" || exit 1
set -- *.h parts/*.h
cd "$work" || exit 1
for compiler in gcc clang; do
        command -v "$compiler" > /dev/null || continue
        for define in -DDBG=0 -DDBG=1 -DFLTMGR_INTERNAL; do
                for header; do
                        printf '#include <%s>\nint fm_test_unit;\n' "$header" > unit.c
                        try "$compiler" $define "$header"
                done
                printf '%s\n#include <fltKernel.h>\n%s\n' "$host" "$still_there" > unit.c
                try "$compiler" $define 'after the host headers'
                printf '#define _GNU_SOURCE\n#include <fltKernel.h>\n%s\n%s\n' "$host" "$still_there" > unit.c
                try "$compiler" $define 'before the host headers'
        done
done
echo "1..$n"
exit $status
