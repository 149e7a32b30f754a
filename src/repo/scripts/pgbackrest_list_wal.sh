#!/bin/sh -eu
# Prints the archive of the stanza $2 of the repository $3, as list_wal.sh does: the segments, the
# one that was written last first, and the history files of timelines, which pgbackrest reads by the
# configuration $1. A segment appears under its name when it is whole, compressed or not: its size
# is that of all, which the cluster's pg_control in $4 has.
cd "$3/archive/$2" 2>/dev/null || exit 0
size=$(pg_controldata "$4" | sed -n 's/^Bytes per WAL segment: *//p')
# shellcheck disable=SC2012  # the names are pgbackrest's: digits, and a checksum
ls -t ./*/*/*-* 2>/dev/null | while IFS= read -r file; do
  name=${file##*/}
  case $name in *.pgbackrest.tmp) continue ;; esac
  echo "- - - - $size ${name%%-*}"
done
for file in */*.history; do
  [ -f "$file" ] || continue
  echo "history ${file##*/}"
  pgbackrest --config="$1" --stanza="$2" repo-get "archive/$2/$file" | sed 's/^/ /'
done
