#!/bin/sh -eu
# Fills the data directory $2 from the server at $1; its tablespaces come below $3, by the options
# that follow. A half-made directory must not be taken for a server, and one that is in use is not
# removed.
conninfo=$1 data=$2 places=$3; shift 3
[ -z "$(ls -A "$data" 2>/dev/null)" ] || {
  echo "$data is not empty: stop its server and move its data away before you copy another one there" >&2
  exit 1
}
rm -rf "$places"
pg_basebackup -d "$conninfo" -D "$data" -c fast -X stream --no-sync "$@" || {
  rc=$?
  rm -rf "$data" "$places"
  exit "$rc"
}
