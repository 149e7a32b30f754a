#!/bin/sh -eu
# Restores the backup $3 of the stanza $2 by the configuration $1 to the data directory $4; what
# lies there is removed. Its tablespaces go below $5: they are named by their numbers in what
# follows. Recovery settings are none of pgbackrest's business here: whoever starts the server
# writes them.
config=$1 stanza=$2 backup=$3 data=$4 spaces=$5; shift 5
[ ! -e "$data/postmaster.pid" ] || {
  echo "there is a postmaster.pid in $data: a server may be running there; stop it first" >&2
  exit 1
}
rm -rf "$data" "$spaces"
mkdir -m 700 "$data"
for oid; do
  mkdir -p "$spaces/$oid"; chmod 700 "$spaces" "$spaces/$oid"
  set -- "$@" "--tablespace-map=$oid=$spaces/$oid"
  shift
done
exec pgbackrest --config="$config" --stanza="$stanza" --lock-path="$data-locks" --pg1-path="$data" \
  --set="$backup" --type=none "$@" restore
