#!/bin/sh -eu
# Runs in network and mount namespaces of its own, from which servers of the drill reach nobody
# else: by no network, since there is none, and by no Unix socket, since each directory from $3 on
# is covered by one that holds what is in it but for sockets. $1 is an empty directory to make these
# in, $2 the directory to work in, by which it is found. It waits for a line when the namespaces are
# made: then users have numbers in them. They live for as long as standard input is open, and as
# anything runs in them.
echo made
read -r _
PATH=$PATH:/usr/sbin:/sbin
shade=$1 work=$2; shift 2
# Shows $2 at $3 as well, by the option $1. What somebody has removed meanwhile need not be shown.
show() { mount -n "$1" "$2" "$3" 2>"$work/mount" || [ ! -e "$2" ] || { cat "$work/mount" >&2; exit 1; }; }
for dir; do
  # One above it may be covered already, and have been closed to who is not root.
  [ -d "$dir" ] || continue
  mount -n -t tmpfs -o mode=0755 drillyard "$shade"
  # Without root, what is somebody else's stays so.
  chown --reference="$dir" "$shade" 2>/dev/null || :
  chmod --reference="$dir" "$shade" 2>/dev/null || :
  for entry in "$dir"/* "$dir"/.[!.]*; do
    if [ -L "$entry" ]; then
      cp -P "$entry" "$shade/" 2>/dev/null || [ ! -L "$entry" ]
    elif [ -d "$entry" ]; then
      mkdir "$shade/${entry##*/}"
      show --rbind "$entry" "$shade/${entry##*/}"
    elif [ -f "$entry" ]; then
      : >"$shade/${entry##*/}"
      show --bind "$entry" "$shade/${entry##*/}"
    fi
  done
  mount -n --move "$shade" "$dir" 2>"$work/mount" || [ ! -d "$dir" ] || { cat "$work/mount" >&2; exit 1; }
done
# Before 15 a server sends its statistics to itself.
ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || :
cd "$work"
echo ready
exec cat >/dev/null
