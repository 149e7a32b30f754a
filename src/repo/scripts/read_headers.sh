#!/bin/sh -eu
# Prints the first $2 bytes of each of the files $4, $5 ... in the directory $1: one line for each,
# which is empty where the file is too short or not there. $3 is a directory to be removed
# afterwards, or empty.
cd "$1"; size=$2 scratch=$3; shift 3
if head -qc "$size" "$@" 2>/dev/null | od -An -v -tx1 -w"$size" | grep -c . | grep -qx $#; then
  head -qc "$size" "$@" | od -An -v -tx1 -w"$size"
else
  for file in "$@"; do
    [ -f "$file" ] || { echo; continue; }
    od -An -v -N"$size" -tx1 -w"$size" "$file" 2>/dev/null || echo
  done
fi
[ -z "$scratch" ] || rm -rf "$scratch"
