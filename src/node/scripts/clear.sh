#!/bin/sh -eu
# Ends whatever server still works in $1, or holds the socket in $2, and removes $1. A server whose
# files are gone goes on for up to a minute, and keeps its socket; one that was killed leaves it
# behind. Prints the process that it ended.
works() { case $(readlink "/proc/$1/cwd" 2>/dev/null) in "$data"|"$data (deleted)") ;; *) return 1 ;; esac; }
data=$1
for file in "$data/postmaster.pid" "$2"/.s.PGSQL.*.lock; do
  pid=; { read -r pid <"$file"; } 2>/dev/null || [ -n "$pid" ] || continue
  works "$pid" || continue
  echo "$pid"
  kill -s QUIT "$pid" 2>/dev/null || continue
  left=1000
  while works "$pid"; do
    left=$((left - 1))
    [ $left -gt 0 ] || { kill -s KILL "$pid"; break; }
    sleep 0.005
  done
done
rm -rf "$data" "$data-tablespaces" "$2"/.s.PGSQL.*
