#!/bin/sh -eu
# Ends the postmaster of $1 whose postmaster.pid was removed, so that pg_ctl does not find it: the
# lock file of its socket, in $2, whose name has the number $3, knows it. $4 is the signal, $5 how
# many seconds it may take.
[ ! -e "$1/postmaster.pid" ] || exit 3
pid=
{ read -r pid <"$2/.s.PGSQL.$3.lock"; } 2>/dev/null || exit 3
kill "-$4" "$pid" 2>/dev/null || exit 0
left=$(($5 * 200))
while [ "$left" -gt 0 ]; do
  case $(cat "/proc/$pid/stat" 2>/dev/null) in "" | *") Z "*) exit 0 ;; esac
  left=$((left - 1)); sleep 0.005
done
exit 3
