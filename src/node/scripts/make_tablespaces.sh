#!/bin/sh -eu
# Gives the server in $1 a link to a directory of its own, below $2, for each of the tablespaces
# that follow and that it has not.
data=$1 places=$2; shift 2
for oid; do
  if [ -e "$data/pg_tblspc/$oid" ] || [ -L "$data/pg_tblspc/$oid" ]; then continue; fi
  mkdir -p "$places/$oid"; chmod 700 "$places" "$places/$oid"
  ln -s "$places/$oid" "$data/pg_tblspc/$oid"
done
