# SPDX-License-Identifier: MIT
# Installs what is missing and builds: what examples/quickstart.sh and tests/run.sh begin with.
#
#   . tests/lib/setup.sh
#   setup_packages "PROGRAM..." "PKG-CONFIG MODULE..." "DEBIAN PACKAGE..."
#   setup_build DIRECTORY [MESON OPTION]...

setup_missing() {
  local thing
  for thing in $1; do command -v "$thing" >/dev/null 2>&1 || printf '%s ' "$thing"; done
  for thing in $2; do pkg-config --exists "$thing" 2>/dev/null || printf '%s ' "$thing"; done
}

setup_packages() {
  local missing sudo=
  missing=$(setup_missing "$1" "$2")
  [ -n "$missing" ] || return 0
  echo "missing: $missing"
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      sudo=sudo
    else
      sudo=none
    fi
  fi
  if ! command -v apt-get >/dev/null || [ "$sudo" = none ]; then
    echo "Please install them first. On Debian and Ubuntu, as root: apt-get install $3" >&2
    echo "Elsewhere: Meson 1.0, Ninja, a C compiler, pkg-config, libfuse 3.14 and GLib 2.66 with their headers." >&2
    return 1
  fi
  echo "installing: $3"
  # An index that is too old to know the packages, or none at all, is fetched first.
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $3 >/dev/null 2>&1 || {
    $sudo apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $3 >/dev/null
  } || {
    echo "apt-get could not install: $3" >&2
    return 1
  }
  missing=$(setup_missing "$1" "$2")
  [ -z "$missing" ] || { echo "still missing after the installation: $missing" >&2; return 1; }
}

SETUP_PROGRAMS="meson ninja pkg-config cc fusermount3"
SETUP_MODULES="fuse3 glib-2.0"
SETUP_PACKAGES="meson ninja-build pkg-config gcc libc6-dev libfuse3-dev fuse3 libglib2.0-dev"

setup_build() {
  local build=$1
  shift
  if [ -f "$build/build.ninja" ]; then
    meson configure "$build" "$@" >/dev/null || return 1
  else
    meson setup "$build" "$@" >"${TMPDIR:-/tmp}/fltsim-setup.$$" 2>&1 || {
      cat "${TMPDIR:-/tmp}/fltsim-setup.$$"
      rm -f "${TMPDIR:-/tmp}/fltsim-setup.$$"
      return 1
    }
    rm -f "${TMPDIR:-/tmp}/fltsim-setup.$$"
  fi
  echo "building in $build"
  ninja -C "$build" >"$build/build.log" 2>&1 || { tail -40 "$build/build.log"; return 1; }
}

# Says why FUSE can't be used, if so.
setup_check_fuse() {
  if [ ! -e /dev/fuse ]; then
    echo "There is no /dev/fuse: load the module (modprobe fuse), or give the container the device." >&2
    return 1
  fi
  if [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
    echo "$(id -un) may not use /dev/fuse ($(stat -c %A /dev/fuse)): run this as root, or: chmod 666 /dev/fuse" >&2
    return 1
  fi
}
