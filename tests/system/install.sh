#!/bin/bash
# SPDX-License-Identifier: MIT
# What "meson install" leaves is complete, and works where it was put, for those who only have that.
. "$(dirname "$0")/lib.sh"
need_fuse
need_program meson pkg-config
unset FLTSIM_RUNTIME_DIR FLTSIM_FILTER_PATH LD_LIBRARY_PATH
ROOT=$T/root

meson install -C "$BUILD_ROOT" --no-rebuild --quiet --destdir "$ROOT" >"$T/install.log" 2>&1 || {
  cat "$T/install.log"
  exit 1
}

for file in "$BINDIR"/{fltsim,fltmc,fltcc,scanagent} "$LIBDIR"/lib{fltmgr,fltlib}.so{,.0} \
  "$LIBDIR"/pkgconfig/{fltmgr,fltlib}.pc "$LIBDIR"/fltsim/filters/onaccess.{so,inf,conf} \
  "$INCLUDEDIR"/fltsim/{ddk/fltKernel.h,sdk/fltUser.h,sdk/windows.h} \
  "$MANDIR"/{man8/fltsim.8,man8/fltmc.8,man8/scanagent.8,man1/fltcc.1}; do
  ok "$file is installed" test -r "$ROOT$file"
done
is "every header is" "$(cd "$ROOT$INCLUDEDIR/fltsim" && find . -name '*.h' | sort)" \
  "$(cd "$SOURCE_ROOT/src/include" && find . -name '*.h' | sort)"
ok "no program and no filter knows the build directory" not grep -rqF "$BUILD_ROOT/src" "$ROOT$BINDIR/fltcc" "$ROOT$LIBDIR/pkgconfig"

# Options: --help, man page, README.

# options: of a text on standard input, one a line; without those in examples.
options() {
  grep -v '^ *fltcc -' | grep -oE '(^|[^[:alnum:]_./-])--?[[:alpha:]][a-z-]*' | sed 's/^[^-]*//' | sort -u
}

# of_man FILE: the options of a page, which are its tags.
of_man() { sed -n '/^\.TP/{n;s/\\-/-/g;s/\\f.//g;p}' "$1" | options; }

installed() {
  LD_LIBRARY_PATH=$ROOT$LIBDIR "$ROOT$BINDIR/$1" "${@:2}"
}

for command in '' mount umount run; do
  installed fltsim $command --help >>"$T/fltsim.help"
done
for program in fltmc fltcc scanagent; do
  installed $program --help >"$T/$program.help"
done
for page in man8/fltsim.8 man8/fltmc.8 man1/fltcc.1 man8/scanagent.8; do
  program=$(basename "${page%.?}")
  is "$program has the options of its man page" "$(options <"$T/$program.help")" "$(of_man "$ROOT$MANDIR/$page")"
  is "$program tells its version" "$(installed "$program" --version)" "$program $VERSION"
  if command -v groff >/dev/null; then
    is "$(basename "$page") is well-formed" "$(groff -man -ww -K utf8 -T utf8 -z "$ROOT$MANDIR/$page" 2>&1)" ""
  fi
done

# Defaults: --help and man page name the same number for an option.
# default_of FILE OPTION: what stands after "default" in the option's lines of a help text.
default_of_help() { sed -n "s/.* --$2[= ].*(default \([^ )]*\).*/\1/p" "$1" | sort -u; }
default_of_man() { tr '\n' ' ' <"$1" | sed 's/\\-/-/g; s/\.TP/\n/g' | grep -E -- "--$2[ =\\]" | grep -oE '[0-9]+ by default' | sed 's/ .*//' | sort -u; }
for option in attr-timeout entry-timeout sector-size agent-timeout; do
  is "fltsim: the default of --$option" "$(default_of_man "$ROOT$MANDIR/man8/fltsim.8" $option)" \
    "$(default_of_help "$T/fltsim.help" $option)"
  ok "fltsim: --$option has one" test -n "$(default_of_help "$T/fltsim.help" $option)"
done

# What is read from the environment.
for variable in $(grep -rhoE 'getenv\("[A-Z_]+"\)' "$SOURCE_ROOT"/src/{wire,nt,fltmgr,port,fuse,tools,win32,fltlib} | cut -d'"' -f2 | sort -u); do
  ok "$variable is in fltsim(8)" grep -q "^\.B $variable\$" "$ROOT$MANDIR/man8/fltsim.8"
done
# Of other programs: meson, tests/run.sh, gdb.
printf '%s\n' --thorough --benchmark --args | cat - "$T"/*.help | options >"$T/known"
for page in README.md CONTRIBUTING.md docs/*.md examples/README.md; do
  [ -e "$SOURCE_ROOT/$page" ] || page=$(cd "$SOURCE_ROOT" && echo $page)
  for file in $page; do
    is "$file names no option that does not exist" \
      "$(grep -oE '(^|[ `])--[a-z][a-z-]*' "$SOURCE_ROOT/$file" | sed 's/^[^-]*//' | sort -u | comm -23 - "$T/known")" ""
  done
done

# pkg-config
export PKG_CONFIG_PATH=$ROOT$LIBDIR/pkgconfig PKG_CONFIG_SYSROOT_DIR=$ROOT
is "pkg-config: the flags of filters" "$(pkg-config --cflags fltmgr | sed 's/ *$//')" \
  "-I$ROOT$INCLUDEDIR/fltsim/ddk -fshort-wchar"
is "pkg-config: and of agents" "$(pkg-config --cflags fltlib | sed 's/ *$//')" "-I$ROOT$INCLUDEDIR/fltsim/sdk -fshort-wchar"
# shellcheck disable=SC2046
ok "a filter builds with them" $CC $SANITIZE -shared -fPIC -o "$T/filter.so" "$SOURCE_ROOT/examples/denyopen/denyopen.c" \
  $(pkg-config --cflags --libs fltmgr)
# shellcheck disable=SC2046
ok "an agent too" $CC $SANITIZE -o "$T/agent" "$SOURCE_ROOT/examples/scanner/agent.c" $(pkg-config --cflags --libs fltlib)

# From here on everything is where it is meant to be, for us alone.
inside() {
  unshare -m sh -c '
    { mount -t overlay overlay -o "lowerdir=$1$2:$2" "$2" 2>/dev/null || mount --bind "$1$2" "$2"; } || exit 99
    shift 2
    exec "$@"' sh "$ROOT" "$PREFIX" env PATH="$BINDIR:$PATH" "$@"
}

if [ "$(id -u)" != 0 ] || [ "$PREFIX" = /usr ] || [ ! -d "$PREFIX" ] || ! inside true; then
  tests=$((tests + 1))
  echo "ok $tests # SKIP running it in $PREFIX needs root, and $PREFIX to be there and not /usr"
  exit 0
fi

is "the programs find their libraries" "$(inside ldd "$BINDIR/fltsim" "$BINDIR/fltmc" "$BINDIR/scanagent" | grep -E 'libflt(mgr|lib)' |
  sed 's/.*=> \([^ ]*\).*/\1/' | sort -u)" "$LIBDIR/libfltlib.so.0
$LIBDIR/libfltmgr.so.0"
echo clean >"$SRC/clean"
eicar >"$SRC/virus"
is "onaccess is found by its name, and scanagent works with it" \
  "$(inside fltsim run --filter onaccess --agent scanagent "$SRC" -- sh -c 'cat clean; cat virus 2>&1' 2>/dev/null | sed 's/.*: //')" \
  "clean
Permission denied"
inside fltsim run --filter onaccess "$SRC" -- fltmc filters >"$T/out"
ok "fltmc lists it" grep -qE '^onaccess +1 +328200 +0$' "$T/out"

mkdir "$T/new"
for name in denyopen logger scanner; do
  cp "$SOURCE_ROOT/examples/$name/$name".* "$SOURCE_ROOT"/examples/$name/*.h "$T/new" 2>/dev/null
  is "fltcc builds $name without a word" \
    "$(cd "$T/new" && inside env CC="$CC" fltcc -Wall -Wextra $SANITIZE -o $name.so $name.c 2>&1; echo $?)" 0
done
cp "$SOURCE_ROOT/examples/scanner/agent.c" "$T/new"
is "and an agent" "$(cd "$T/new" && inside env CC="$CC" fltcc --agent -Wall -Wextra $SANITIZE -o agent agent.c 2>&1; echo $?)" 0
printf 'MZ' >"$SRC/program"
printf 'key' >"$SRC/server.key"
is "what it built runs" "$(inside fltsim run --filter "$T/new/denyopen.so" --filter "$T/new/logger.conf" \
  --filter "$T/new/scanner.inf" --agent "$T/new/agent MZ" "$SRC" -- sh -c 'cat clean program server.key 2>&1' 2>/dev/null |
  sed 's/.*: //')" "clean
Permission denied
Permission denied"
