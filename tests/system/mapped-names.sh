#!/bin/bash
# SPDX-License-Identifier: MIT
# Filters that show files under other names than the backing directory has, or hide them.
. "$(dirname "$0")/lib.sh"
need_fuse

mkdir "$SRC/real" "$SRC/real/dir" "$SRC/top" "$SRC/from" "$SRC/to"
echo content >"$SRC/real/file"
echo deep >"$SRC/real/dir/deep"
echo there >"$SRC/to/there"

names() { sed -n 's/.*name \(.*\)$/\1/p' "$LOG" | sort -u | tr '\n' ' '; }

# maps-names is a name provider; prints-names is above it.
fs_mount --filter "$TEST_FILTERS/prints-names.conf" --filter "$TEST_FILTERS/maps-names.conf" || exit 1
cd "$MNT" || exit 1
is "a file is found under the name that a filter gives it" "$(cat top/shown/file)" content
is "and below it" "$(cat top/shown/dir/deep)" deep
is "its directory can be listed" "$(ls -x top/shown)" "dir  file"
is "under its own name it is hidden" "$(error_of cat real/file)" "No such file or directory"
is "and so is its directory" "$(error_of ls real)" "No such file or directory"
is "stat is asked of the file behind" "$(stat -c %i top/shown/file)" "$(stat -c %i "$SRC/real/file")"
echo more >>top/shown/file
echo new >top/shown/new
mkdir top/shown/made
ln -s file top/shown/link
mkfifo top/shown/pipe
is "what is written there is written behind" "$(cat "$SRC/real/file" "$SRC/real/new")" "content
more
new"
ok "directories are made behind" test -d "$SRC/real/made"
is "links are made behind" "$(readlink "$SRC/real/link")" file
ok "pipes are made behind" test -p "$SRC/real/pipe"
is "links can be read" "$(readlink top/shown/link) $(cat top/shown/link | head -1)" "file content"
mv top/shown/new top/shown/newer
is "renamed below" "$(cat "$SRC/real/newer")" new
mv top/shown/newer outside
is "renamed out of it" "$(cat "$SRC/outside")" new
mv outside top/shown/dir/inside
is "renamed into it" "$(cat "$SRC/real/dir/inside")" new
ln top/shown/file top/shown/hard
is "hard links" "$(stat -c %h "$SRC/real/hard")" 2
truncate -s 3 top/shown/file
is "truncated" "$(cat "$SRC/real/hard")" con
rm top/shown/hard top/shown/link top/shown/pipe top/shown/dir/inside
rmdir top/shown/made
is "deleted" "$(ls -x "$SRC/real" "$SRC/real/dir" | tr -s '\n ' ' ')" "$SRC/real: dir file $SRC/real/dir: deep "
is "there is no name at all in its place" "$(ls "$SRC/top")" ""
is "a name that nobody has is nobody's" "$(error_of cat top/other) $(error_of cat top/shown/other)" \
  "No such file or directory No such file or directory"
cd "$OLDPWD" || exit 1
: >"$LOG"
cat "$MNT/top/shown/dir/deep" >"$T/out"
is "who is above is told the shown name" "$(names)" '\top\shown\dir\deep '
ok "it goes away" "$FLTMC" unload prints-names
ok "the file is there under its name while mapped" test -e "$MNT/top/shown/file"
ok "the provider goes away" "$FLTMC" unload maps-names
is "and with it the name" "$(error_of cat "$MNT/top/shown/file")" "No such file or directory"
is "what it hid is back" "$(cat "$MNT/real/dir/deep")" deep
fs_umount

# redirects answers with STATUS_REPARSE and provides no names.
fs_mount --filter "$TEST_FILTERS/redirects.conf" --filter "$TEST_FILTERS/prints-names.conf" || exit 1
: >"$LOG"
is "a file is found where a filter redirects to" "$(cat "$MNT/from/moved/there")" there
is "who is above is told the real name of what is open" "$(names)" '\to\there '
is "directories too" "$(ls "$MNT/from/moved")" there
echo again >"$MNT/from/moved/again"
is "files are made there" "$(cat "$SRC/to/again")" again
rm "$MNT/from/moved/again"
is "and deleted" "$(ls "$SRC/to")" there
is "names that it does not redirect are not found" "$(error_of cat "$MNT/from/other")" "No such file or directory"
fs_umount
