#!/bin/sh -eu
# Prints of the server that runs in the data directory $1 its port, the directory of its socket and
# the file that it logs to, a line each; the last is empty if that is no file. Exits with 3 if no
# server accepts connections there, and with 4 if it has no socket.
[ -f "$1/postmaster.pid" ] || exit 3
pid=; port=; sockets=; status=; number=0
while read -r line; do
  number=$((number + 1))
  case $number in 1) pid=$line ;; 4) port=$line ;; 5) sockets=$line ;; 8) status=$line ;; esac
done <"$1/postmaster.pid" || :
kill -0 "$pid" 2>/dev/null || exit 3
# A copy brings the file of its original along.
[ "$(readlink "/proc/$pid/cwd")" = "$(cd "$1" && pwd -P)" ] || exit 3
case $status in ready* | standby*) ;; *) exit 3 ;; esac
[ -n "$sockets" ] || exit 4
log=$(readlink "/proc/$pid/fd/2" 2>/dev/null) || log=
[ -f "$log" ] || log=
printf '%s\n%s\n%s\n' "$port" "$sockets" "$log"
