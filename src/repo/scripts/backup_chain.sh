#!/bin/sh -eu
# Prints the backups in the repo $1 that the backup $2 is made of, the full one first: one that is
# not incremental is all there is.
cd "$1"
label=$2 chain=$2
while [ -f "parents/$label" ]; do
  parent=$(cat "parents/$label")
  [ -d "backups/$parent" ] || {
    echo "backup $parent is not in the repo: $label is incremental to it, and nothing without it" >&2
    exit 3
  }
  chain=$parent$(printf '\n%s' "$chain")
  label=$parent
done
printf '%s\n' "$chain"
