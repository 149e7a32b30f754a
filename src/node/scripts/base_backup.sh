#!/bin/sh -eu
# Fills the data directory $2 from the server at $1; its tablespaces come below $3, by the options
# that follow. A half-made directory must not be taken for a server.
conninfo=$1 data=$2 places=$3; shift 3
rm -rf "$places"
pg_basebackup -d "$conninfo" -D "$data" -c fast -X stream --no-sync "$@" || {
  rc=$?
  rm -rf "$data" "$places"
  exit "$rc"
}
