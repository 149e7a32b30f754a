#!/bin/sh -eu
# Removes the segment $2 from the archive of the server in $1.
found=
for file in "$1"/wals/*/"$2" "$1/incoming/$2"; do
  [ ! -f "$file" ] || { rm "$file"; found=yes; }
done
[ -n "$found" ] || { echo "there is no segment $2" >&2; exit 1; }
