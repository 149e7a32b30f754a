#!/bin/sh -eu
# Makes links to the WAL of the server in $1 in the directory $2: for the segments that follow, and
# are there.
from=$1 to=$2; shift 2
mkdir -p "$to"
for segment; do
  for file in "$from"/wals/*/"$segment" "$from/incoming/$segment"; do
    [ ! -f "$file" ] || { ln -sf "$file" "$to/$segment"; break; }
  done
done
