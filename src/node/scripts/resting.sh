#!/bin/sh -eu
# Prints the control file of the server in $1, and which segments wait to be archived.
pg_controldata -D "$1"
for file in "$1"/pg_wal/archive_status/*.ready; do
  [ -e "$file" ] && file=${file##*/} && echo "ready: ${file%.ready}"
done
exit 0
