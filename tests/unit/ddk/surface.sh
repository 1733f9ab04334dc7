#!/bin/sh
# SPDX-License-Identifier: MIT
# Each name that published filters (or their agents) use is in the headers, and is what they take it for: a function
# or a macro, a type, a value, a member. And their ways to include the headers compile.
#
# usage: surface.sh LIST DIRECTORY-OF-HEADERS [COMPILER OPTION]...
# LIST: lines "KIND NAME...", and "field STRUCTURE MEMBER..."; "include HEADER..." in that order.
set -u

list=$1
include=$2
shift 2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
n=0
status=0

try() { # compiler, description; unit.c is written
        compiler=$1
        description=$2
        shift 2
        n=$((n + 1))
        if "$compiler" -std=gnu11 -fshort-wchar -Wall -Wextra -Wno-missing-field-initializers -Werror \
                -fsyntax-only "-I$include" "$@" "$work/unit.c" > "$work/log" 2>&1; then
                echo "ok $n - $compiler: $description"
        else
                echo "not ok $n - $compiler: $description"
                sed 's/^/# /' "$work/log"
                status=1
        fi
}

# One declaration for each name, at a line of its own that is called for the name.
declarations() {
        awk -v kind="$1" '
        function say(text) { printf "#line 1 \"%s\"\n%s\n", name, text }
        $1 == kind && kind == "field" {
                for (i = 3; i <= NF; i++) {
                        name = $2 "." $i
                        say("extern __typeof__(&((" $2 " *)0)->" $i ") fm_" ++count ";")
                }
                next
        }
        $1 == kind {
                for (i = 2; i <= NF; i++) {
                        name = $i
                        count++
                        if (kind == "function")
                                say("#ifndef " name "\nextern __typeof__(&" name ") fm_" count ";\n#endif")
                        else if (kind == "type")
                                say("typedef " name " fm_" count ";\nextern fm_" count " *fm_p" count ";")
                        else if (kind == "struct")
                                say("extern char fm_" count "[sizeof(struct " name ")];")
                        else if (kind == "constant")
                                say("extern __typeof__((" name ")) *fm_" count ";")
                        else if (kind == "macro")
                                say("#ifndef " name "\n#error no " name "\n#endif")
                        else if (kind == "undefined")
                                say("#ifdef " name "\n#error there is " name "\n#endif\nextern int " name ";")
                }
        }' "$list"
}

for compiler in gcc clang; do
        command -v "$compiler" > /dev/null || continue
        for kind in function type struct constant macro undefined field; do
                grep -q "^$kind " "$list" || continue
                # All headers that the list names, initguid.h first.
                sed -n 's/^include //p' "$list" | tr ' ' '\n' | awk '!seen[$0]++' |
                        sed 's/.*/#include <&>/' > "$work/includes"
                {
                        grep initguid "$work/includes"
                        grep -v initguid "$work/includes"
                        declarations "$kind"
                } > "$work/unit.c"
                try "$compiler" "$kind: $(grep -c '^#line 1 ' "$work/unit.c") names" "$@"
        done
        sed -n 's/^include //p' "$list" > "$work/orders"
        while read -r headers; do
                printf '#include <%s>\n' $headers > "$work/unit.c"
                echo 'int fm_unit;' >> "$work/unit.c"
                try "$compiler" "include $headers" "$@"
        done < "$work/orders"
done
echo "1..$n"
exit $status
