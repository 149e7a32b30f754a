#!/bin/sh -eu
# Restores a backup to the data directory $1; what lies there is removed. Its tablespaces, whose
# numbers are in $3, go below $2. What follows are options that say where it is, which one, and
# where its tablespaces go. Recovery settings are none of pgbackrest's business here.
data=$1 spaces=$2 numbers=$3; shift 3
[ ! -e "$data/postmaster.pid" ] || {
  echo "there is a postmaster.pid in $data: a server may be running there; stop it first" >&2
  exit 1
}
rm -rf "$data" "$spaces"
mkdir -m 700 "$data"
for oid in $numbers; do
  mkdir -p "$spaces/$oid"; chmod 700 "$spaces" "$spaces/$oid"
done
exec pgbackrest "$@" --lock-path="$data-locks" --pg1-path="$data" --type=none restore
