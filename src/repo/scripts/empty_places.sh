#!/bin/sh -eu
# Removes the data directory $1 and its tablespaces in $2, and makes places in $2 for those whose
# numbers follow.
data=$1 spaces=$2; shift 2
rm -rf "$data" "$spaces"
for oid; do
  mkdir -p "$spaces/$oid"; chmod 700 "$spaces" "$spaces/$oid"
done
