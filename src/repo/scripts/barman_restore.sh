#!/bin/sh -eu
# Restores the backup $3 of the server $2 by the configuration $1 to the data directory $4; what
# lies there is removed. What follows are the names of its tablespaces, each with the directory that
# it gets. WAL that has come is catalogued first, as barman's cron does. With `get-wal` no WAL is
# copied, and the settings that barman writes for recovery are taken back: whoever starts the server
# writes them.
config=$1 server=$2 backup=$3 data=$4 spaces=$5; shift 5
[ ! -e "$data/postmaster.pid" ] || {
  echo "there is a postmaster.pid in $data: a server may be running there; stop it first" >&2
  exit 1
}
rm -rf "$data" "$spaces"
for space; do
  mkdir -p "$spaces"; chmod 700 "$spaces"
  set -- "$@" --tablespace "$space"
  shift
done
barman -q -c "$config" archive-wal "$server" >&2
barman -q -c "$config" recover --get-wal "$@" "$server" "$backup" "$data" >&2
for file in "$data"/*.origin; do [ ! -f "$file" ] || mv "$file" "${file%.origin}"; done
rm -f "$data/.barman-recover.info" "$data/recovery.signal" "$data/standby.signal"
chmod 700 "$data"
