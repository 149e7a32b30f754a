#!/bin/sh -eu
# Removes the lock files of the server in $1 and of its sockets in $2 if the process that they name
# works elsewhere. When a host comes back, process ids begin anew, and PostgreSQL takes any process
# of its own user for the server that was killed: it does not start (`lock file "postmaster.pid"
# already exists`; CreateLockFile in miscinit.c). In a container that process is drillyard's own.
data=$(cd "$1" 2>/dev/null && pwd -P) || data=$1
works() { case $(readlink "/proc/$1/cwd" 2>/dev/null) in "$data"|"$data (deleted)") ;; *) return 1 ;; esac; }
for file in "$1/postmaster.pid" "$2"/.s.PGSQL.*.lock; do
  pid=; { read -r pid <"$file"; } 2>/dev/null || continue
  # Of one that nobody has PostgreSQL knows it.
  kill -0 "$pid" 2>/dev/null || continue
  works "$pid" || rm -f "$file"
done
