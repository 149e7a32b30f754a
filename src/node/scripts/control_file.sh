#!/bin/sh -eu
# Prints the control file of the server in $1, and the history files in its pg_wal.
LC_ALL=C pg_controldata -D "$1" || exit 1
for file in "$1"/pg_wal/*.history; do
  [ -f "$file" ] || continue
  echo "history: ${file##*/}"
  sed 's/^/ /' "$file"
done
exit 0
