#!/bin/bash
# SPDX-License-Identifier: MIT
# fltsim --administrators: whom a port that is open to Administrators lets in, and that this is all they may do.
. "$(dirname "$0")/lib.sh"
need_fuse
need_root
need_program setpriv getent

group=daemon
gid=$(getent group "$group" | cut -d: -f3)
[ -n "$gid" ] || skip_all "there is no group $group"
other=$((gid + 4242))

# user GID SUPPLEMENTARY COMMAND...: as nobody in these groups.
user() { setpriv --reuid=65534 --regid="$1" --groups="$2" -- "${@:3}"; }

program=$SCANAGENT
# connect GID SUPPLEMENTARY: whether such an agent is let in; it stays.
connect() {
  printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=%s --groups=%s -- "%s" "$@"\n' "$1" "$2" "$program" >"$T/agent"
  chmod 755 "$T/agent"
  SCANAGENT=$T/agent
  : >"$AGENT_LOG"
  agent_start
  grep -q connected "$AGENT_LOG" && return 0
  wait "$AGENT"
  AGENT=
  return 1
}

eicar >"$SRC/eicar"
is "a group that does not exist" "$(fs_mount --administrators no-such-group 2>&1)" \
  "fltsim: --administrators no-such-group: there is no such group"

fs_mount --filter onaccess --administrators "$group" || exit 1
ok "who is not in the group is not let in" not connect "$other" "$other"
ok "a member by a supplementary group is" connect "$other" "$other,$gid"
is "and is asked" "$(error_of cat "$MNT/eicar")" "Permission denied"
agent_stop
ok "so is a member by the primary group" connect "$gid" "$other"
agent_stop
ok "a member sees what is loaded" user "$gid" "$gid" "$FLTMC" filters
ok "but unloads nothing" not user "$gid" "$gid" "$FLTMC" unload onaccess
ok "root does" "$FLTMC" unload onaccess
ok "umount" fs_umount

fs_mount --filter onaccess || exit 1
ok "without the option the group means nothing" not connect "$gid" "$gid"
ok "umount again" fs_umount
