#!/bin/sh -eu
# Fetches WAL segments from a repository of pgBackRest to the directory $1. For each the arguments
# are its name, the program that unpacks it (or nothing), and the path of what it lies in, up to an
# argument `--`. What follows that is pgbackrest's own. One that cannot be had is left out. Prints
# the program that is missing here by which one is packed, if any is.
dir=$1
shift
mkdir -p "$dir"
wanted=$dir/wanted
: >"$wanted"
while [ "$1" != -- ]; do
  printf '%s:%s:%s\n' "$1" "$2" "$3" >>"$wanted"
  shift 3
done
shift
while IFS=: read -r name unpack path; do
  [ -z "$unpack" ] || command -v "$unpack" >/dev/null || { rm -rf "$dir"; echo "$unpack"; exit; }
  pgbackrest "$@" repo-get "$path" >"$dir/packed" 2>/dev/null || continue
  if [ -z "$unpack" ]; then mv "$dir/packed" "$dir/$name"
  else "$unpack" -dc <"$dir/packed" >"$dir/$name" 2>/dev/null || rm -f "$dir/$name"; fi
done <"$wanted"
rm -f "$wanted" "$dir/packed"
