#!/bin/bash
# SPDX-License-Identifier: MIT
# fltcc FLTCC: which command line it makes of which.
fltcc=$1
export CC=mycc
n=0 status=0

# ok NAME COMMAND...
ok() {
  n=$((n + 1))
  if "${@:2}"; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    status=1
  fi
}
show() { "$fltcc" --show "$@"; }
has() { case " $1 " in *" $2 "*) ;; *) echo "# no \"$2\" in: $1"; return 1 ;; esac }
lacks() { ! has "$1" "$2" >/dev/null; }

filter=$(show -o f.so f.c)
agent=$(show --agent -o a a.c)
object=$(show -c f.c)
ok "the compiler is \$CC, with its options" has "$(CC='mycc -m64' show f.c)" "mycc -m64"
ok "a filter is a shared object" has "$filter" -shared
ok "a filter has 16-bit characters" has "$filter" -fshort-wchar
ok "a filter is linked with fltmgr" has "$filter" -lfltmgr
ok "a filter must have all it calls" has "$filter" -Wl,--no-undefined
ok "an agent is a program" lacks "$agent" -shared
ok "an agent has 16-bit characters" has "$agent" -fshort-wchar
ok "an agent is compiled for UNICODE" has "$agent" -DUNICODE
ok "an agent is linked with fltlib" has "$agent" -lfltlib
ok "an object file is not linked" lacks "$object" -lfltmgr
ok "but compiled for it" has "$object" -fPIC
ok "a sanitizer's functions come later" lacks "$(show -fsanitize=address f.c)" -Wl,--no-undefined
ok "what is said after -Wall stands after it" has "$(show -Wall -Wswitch f.c)" "-Wno-missing-field-initializers -Wswitch f.c"
ok "-Wall does not bring back what is switched off" has "$(show -Wall f.c)" "-Wall -Wno-incompatible-pointer-types"
ok "words are quoted for the shell" has "$(show -DX="it's a b" f.c)" "'-DX=it'\\''s a b'"
eval "set -- $(show -DX="it's a b" 'f g.c')"
ok "and read by it as they were" grep -qxF -e "-DX=it's a b" <(printf '%s\n' "$@")
ok "all of them" grep -qxF "f g.c" <(printf '%s\n' "$@")
ok "nothing to do is an error" test "$("$fltcc" 2>/dev/null; echo $?)" = 2
ok "a compiler that is missing is named" grep -q "no compiler mycc" <("$fltcc" f.c 2>&1)
echo "1..$n"
exit $status
