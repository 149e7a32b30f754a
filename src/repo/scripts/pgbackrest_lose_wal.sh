#!/bin/sh -eu
# Removes the segment $2 from the archive in $1.
cd "$1"
for file in */*/"$2"-*; do
  [ -f "$file" ] || { echo "there is no segment $2" >&2; exit 1; }
  rm "$file"
done
