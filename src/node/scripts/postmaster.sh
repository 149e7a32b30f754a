#!/bin/sh -eu
# Exits with 0 if a postmaster runs in $1, with 6 if it is there and was stopped by a signal, and
# with 3 if there is none.
#
# `pg_ctl status` takes one that was killed for running until its parent has taken notice, which can
# take seconds. One whose postmaster.pid was removed is still known by the lock file of its socket,
# in $2, whose name has the number $3. A process id may have become somebody else's, who works
# elsewhere.
pid=
{ read -r pid <"$1/postmaster.pid"; } 2>/dev/null || { read -r pid <"$2/.s.PGSQL.$3.lock"; } 2>/dev/null || exit 3
kill -0 "$pid" 2>/dev/null || exit 3
data=$(cd "$1" 2>/dev/null && pwd -P) || data=$1
case $(readlink "/proc/$pid/cwd" 2>/dev/null) in "$data" | "$data (deleted)") ;; *) exit 3 ;; esac
case $(cat "/proc/$pid/stat" 2>/dev/null) in *") Z "*) exit 3 ;; *") T "*) exit 6 ;; esac
