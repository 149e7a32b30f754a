#!/bin/sh -eu
# Prints what server the files in $1 are of, and what the programs here are made for: parts, each
# after a line `-- NAME`. $2 is a directory to be made and removed.
export LC_ALL=C
trap 'rm -rf "$2"' EXIT
show() { echo "-- $1"; if [ -r "$2/$1" ]; then cat "$2/$1"; echo; else echo missing; fi; }
here=$(pg_controldata -V | sed -n 's/.*(PostgreSQL) \([0-9]*\).*/\1/p')
show PG_VERSION "$1"
printf '%s\n' '-- here' "$here" '-- pg_control'
if [ -r "$1/global/pg_control" ]; then pg_controldata -D "$1" 2>&1 || :; else echo missing; fi
# It guesses what is in an empty control file: what it is made for itself. With -n it only prints.
rm -rf "$2"
mkdir -p "$2/global" "$2/pg_wal"
chmod 700 "$2"
echo "$here" >"$2/PG_VERSION"
: >"$2/global/pg_control"
echo '-- programs'
pg_resetwal -n -D "$2" 2>/dev/null || :
show postgresql.conf "$1"
show postgresql.auto.conf "$1"
echo '-- end'
