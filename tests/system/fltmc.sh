#!/bin/bash
# SPDX-License-Identifier: MIT
# fltmc: what is loaded and attached, and changing it under way.
. "$(dirname "$0")/lib.sh"
need_fuse

printf text >"$SRC/file"
fs_mount || exit 1

ok "no filter yet" not grep -q onaccess <("$FLTMC" filters)
ok "load" "$FLTMC" load onaccess
ok "it is listed with its altitude" grep -qE 'onaccess +1 +328200 +0' <("$FLTMC" filters)
ok "loading it again is an error" not "$FLTMC" load onaccess
ok "its instance is listed" grep -q 'onaccess' <("$FLTMC" instances)
ok "the volume is listed" grep -q 'HarddiskVolume1' <("$FLTMC" volumes)
ok "detach" "$FLTMC" detach onaccess C:
is "no instance is left" "$("$FLTMC" instances | grep -c 328200)" 0
ok "attach" "$FLTMC" attach onaccess C:
ok "attaching twice is an error" not "$FLTMC" attach onaccess C:
is "the mount works all the while" "$(cat "$MNT/file")" text
ok "unload" "$FLTMC" unload onaccess
ok "it is gone" not grep -q onaccess <("$FLTMC" filters)
ok "unloading it again is an error" not "$FLTMC" unload onaccess
ok "and it can be loaded again" "$FLTMC" load onaccess
for i in 1 2 3 4 5 6 7 8 9 10; do
  "$FLTMC" unload onaccess && "$FLTMC" load onaccess || break
done
is "ten times" "$i" 10
ok "umount" fs_umount
