#!/bin/bash
# SPDX-License-Identifier: MIT
# Agents may be written in C++: each header alone, before and after the C++ library's, and all of them at once.
#
# Set by meson too: FLTCC, SANITIZED (true or false: the library is instrumented, so not every compiler can link with it).
. "$(dirname "$0")/lib.sh"
need_program g++

sdk=$SOURCE_ROOT/src/include/sdk
standard='#include <string>'

# What the header wants to come before it, as on Windows.
before() {
  case $1 in
    ntstatus.h) printf '#define WIN32_NO_STATUS\n#include <windows.h>\n#undef WIN32_NO_STATUS\n' ;;
    winternl.h | winioctl.h | winerror.h | *tructures.h) printf '#include <windows.h>\n' ;;
  esac
}

compile() { "$FLTCC" --agent -Wall -Wextra -Werror -fsyntax-only -std="$1" "$2"; }

for CC in g++ clang++; do
  export CC
  command -v $CC >/dev/null || { note "$CC is not installed"; continue; }
  for path in "$sdk"/*.h; do
    name=${path##*/}
    before "$name" >"$T/first.cpp"
    printf '#include <%s>\n%s\n' "$name" "$standard" >>"$T/first.cpp"
    { printf '%s\n' "$standard"; before "$name"; printf '#include <%s>\n' "$name"; } >"$T/last.cpp"
    ok "$CC: $name, then the C++ library" compile c++17 "$T/first.cpp"
    ok "$CC: the C++ library, then $name" compile c++17 "$T/last.cpp"
  done
  printf '#include <%s>\n' windows.h fltUser.h fltUserExt.h strsafe.h winioctl.h crtdbg.h >"$T/all.cpp"
  cat >>"$T/all.cpp" <<'END'
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <thread>
#include <vector>

int main()
{
        static_assert(sizeof(WCHAR) == 2, "16 bits");
        HANDLE Port;
        const WCHAR *Name = L"\\NoSuchPort";
        char Text[32];

        snprintf(Text, sizeof(Text), "%ls %d", Name, std::max(1, 2));
        puts(Text);
        return FilterConnectCommunicationPort(Name, 0, nullptr, 0, nullptr, &Port) !=
               HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND);
}
END
  for std in c++11 c++14 c++17 c++20; do
    ok "$CC: all in $std" compile $std "$T/all.cpp"
  done
  $SANITIZED && continue
  ok "$CC: a program is built" "$FLTCC" --agent -o "$T/all" "$T/all.cpp"
  is "$CC: and runs" "$("$T/all") $?" '\NoSuchPort 2 0'
done
