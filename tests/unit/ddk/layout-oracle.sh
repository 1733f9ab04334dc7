#!/bin/sh
# SPDX-License-Identifier: MIT
# The list of layouts agrees with an independent set of Windows headers (Debian's mingw-w64), and so do our NTSTATUS
# values. Nothing is linked or run: static assertions, checked by clang for the Windows target.
#
# usage: layout-oracle.sh DIRECTORY-OF-THIS-TEST DIRECTORY-OF-OUR-HEADERS
set -u

here=$(cd "$1" && pwd) || exit 1
ddk=$2
mingw=${MINGW_INCLUDE:-/usr/x86_64-w64-mingw32/include}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

if ! command -v clang > /dev/null || [ ! -e "$mingw/ddk/ntifs.h" ]; then
        echo "1..0 # SKIP needs clang and the headers of mingw-w64 in $mingw"
        exit 0
fi

n=0
status=0
check() { # description; unit.c is written
        n=$((n + 1))
        if clang --target=x86_64-w64-mingw32 -isystem "$mingw" -isystem "$mingw/ddk" -w -fsyntax-only "$work/unit.c" \
                > "$work/log" 2>&1; then
                echo "ok $n - $1"
        else
                echo "not ok $n - $1"
                sed 's/^/# /' "$work/log"
                status=1
        fi
}

cat > "$work/unit.c" <<END
#define _WIN32_WINNT 0x0A00
#define WINVER 0x0A00
#define NTDDI_VERSION 0x0A000006
#include <ntifs.h>
#include <minwindef.h>
#include <ntdddisk.h>
#include <winioctl.h>
#define FM_LAYOUT_COMMON_ONLY
#define SIZE(Type, Bytes) _Static_assert(sizeof(Type) == Bytes, "sizeof(" #Type ")");
#define OFFSET(Type, Field, Bytes) _Static_assert(offsetof(Type, Field) == Bytes, #Type "." #Field);
#include "$here/layout.h"
END
check 'sizes and offsets'

{
        printf '#include <windef.h>\n#include <ntstatus.h>\n'
        sed -n 's/^#define \(STATUS_[A-Z0-9_]*\) *((NTSTATUS)\(0x[0-9A-F]*\))$/\1 \2/p' "$ddk/ntstatus.h" |
                while read -r name value; do
                        printf '#ifdef %s\n_Static_assert((unsigned)%s == %s, "%s");\n#endif\n' \
                                "$name" "$name" "$value" "$name"
                done
        printf 'typedef long NTSTATUS;\n'
} > "$work/body.c"
{ printf 'typedef long NTSTATUS;\n'; cat "$work/body.c"; } > "$work/unit.c"
if [ "$(grep -c _Static_assert "$work/unit.c")" -le 500 ]; then
        echo "Bail out! no values found in $ddk/ntstatus.h"
        exit 1
fi
check 'NTSTATUS values'

echo "1..$n"
exit $status
