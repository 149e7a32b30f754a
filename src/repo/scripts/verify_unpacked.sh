#!/bin/sh -eu
# Compares the backup $1, which is tar files and was unpacked to $2, with its manifest, and reads
# the WAL that it needs: its own, or that in $3 if it brings none along.
cp "$1/backup_manifest" "$2"
for segment in "$2"/pg_wal/????????????????????????; do
  [ ! -f "$segment" ] || exec pg_verifybackup --quiet --ignore=tablespace_map "$2"
done
exec pg_verifybackup --quiet --ignore=tablespace_map --wal-directory "$3" "$2"
