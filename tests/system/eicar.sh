#!/bin/bash
# SPDX-License-Identifier: MIT
# An infected file is refused however one gets at it; everything else is untouched.
. "$(dirname "$0")/lib.sh"
need_fuse

eicar >"$SRC/virus.com"
chmod 755 "$SRC/virus.com"
ln "$SRC/virus.com" "$SRC/hard"
ln -s virus.com "$SRC/soft"
printf 'clean\n' >"$SRC/clean"
{ eicar; head -c 200 /dev/zero | tr '\0' x; } >"$SRC/contains"
mkdir "$SRC/sub"

fs_mount --filter onaccess || exit 1
agent_start --json

denied='Permission denied'
is "a clean file is read" "$(cat "$MNT/clean")" clean
is "cat is refused" "$(error_of cat "$MNT/virus.com")" "$denied"
is "open(2) is refused" "$(error_of "$TEST_HELPERS/open-file" "$MNT/virus.com")" "$denied"
is "open for reading and writing is refused" "$(error_of "$TEST_HELPERS/open-file" -w "$MNT/virus.com")" "$denied"
is "mmap gets no descriptor" "$(error_of "$TEST_HELPERS/open-file" -m "$MNT/virus.com")" "$denied"
is "cp is refused" "$(LC_ALL=C cp "$MNT/virus.com" "$T/copy" 2>&1 | sed 's/.*: //')" "$denied"
is "execution is refused" "$(error_of "$MNT/virus.com")" "$denied"
is "a hard link is refused" "$(error_of cat "$MNT/hard")" "$denied"
is "a symbolic link is refused" "$(error_of cat "$MNT/soft")" "$denied"
ok "it can be renamed" mv "$MNT/virus.com" "$MNT/sub/other"
is "under its new name it is refused" "$(error_of cat "$MNT/sub/other")" "$denied"
ok "its attributes can be read" stat "$MNT/sub/other"
ok "a file that contains the string is none" cmp "$SRC/contains" "$MNT/contains"

eicar 2>/dev/null >"$MNT/written"
is "written through the mount, it is refused to the next opener" "$(error_of cat "$MNT/written")" "$denied"
printf clean >"$MNT/behind"
cat "$MNT/behind" >/dev/null
eicar >"$SRC/behind"
is "written behind the mount's back, it is refused" "$(error_of cat "$MNT/behind")" "$denied"
printf 'clean again' >"$SRC/behind"
is "and readable when it is clean again" "$(cat "$MNT/behind")" "clean again"
"$TEST_HELPERS/open-file" -M "$MNT/mapped" <<<"$(eicar)"
is "written by a shared mapping, it is refused" "$(error_of cat "$MNT/mapped")" "$denied"

for f in hard soft sub/other written mapped; do
  ok "rm of $f" rm "$MNT/$f"
done
is "nothing infected is left" "$(ls "$SRC" "$SRC/sub" | grep -cE 'virus|hard|soft|other|written|mapped')" 0
ok "the mount is gone" fs_umount
agent_stop
ok "the log names the file" grep -q 'virus.com' "$AGENT_LOG"
ok "the log names the signature" grep -qi 'eicar' "$AGENT_LOG"
ok "the log names the process" grep -qE '"process(_name|)": *"[^"]*cat' "$AGENT_LOG"
