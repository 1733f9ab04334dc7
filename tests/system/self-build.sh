#!/bin/bash
# SPDX-License-Identifier: MIT
# Working on the mount with the scanner on: this repository is cloned and built there, as outside.
. "$(dirname "$0")/lib.sh"
need_fuse
need_program git meson ninja
git -C "$SOURCE_ROOT" rev-parse HEAD >/dev/null 2>&1 || skip_all "the sources are no git repository"

fs_mount --filter onaccess || exit 1
agent_start

build() {
  git -c safe.directory='*' clone -q --no-hardlinks "$SOURCE_ROOT" "$1/repo" &&
    meson setup --buildtype=plain -Db_lundef=false -Dc_args=-ffile-prefix-map="$1"=. "$1/build" "$1/repo" &&
    ninja -C "$1/build" -j2 src/fltmgr/libfltmgr.so.0 src/tools/fltsim
}
mkdir "$T/outside" "$MNT/inside"
ok "outside" build "$T/outside"
ok "inside" build "$MNT/inside"
ok "git status is clean inside" test -z "$(git -c safe.directory='*' -C "$MNT/inside/repo" status --porcelain)"
ok "git fsck is content inside" git -c safe.directory='*' -C "$MNT/inside/repo" fsck --full
ok "the working trees are the same" diff -r -x .git "$T/outside/repo" "$MNT/inside/repo"
for f in src/fltmgr/libfltmgr.so.0 src/tools/fltsim; do
  is "the code of $f is the same" \
    "$(objcopy -O binary --only-section=.text "$MNT/inside/build/$f" /dev/stdout | sha256sum)" \
    "$(objcopy -O binary --only-section=.text "$T/outside/build/$f" /dev/stdout | sha256sum)"
done
ok "umount" fs_umount
