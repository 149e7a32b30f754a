#!/bin/sh -eu
# Compares the backup $1 with its manifest, and reads the WAL that it needs: its own, or that in $2
# if it brings none along. Ends with 3 if it is tar files, which
# pg_verifybackup does not read together with WAL.
[ -d "$1" ] || { echo "there is no backup at $1" >&2; exit 1; }
if ! [ -f "$1/PG_VERSION" ]; then
  for tar in "$1"/base.tar*; do
    [ -f "$tar" ] || continue
    exit 3
  done
fi
for segment in "$1"/pg_wal/????????????????????????; do
  [ ! -f "$segment" ] || exec pg_verifybackup --quiet "$1"
done
exec pg_verifybackup --quiet --wal-directory "$2" "$1"
