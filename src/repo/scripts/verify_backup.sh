#!/bin/sh -eu
# Compares the backup $1 with its manifest, and reads the WAL that it needs: its own, or that in $2
# if it brings none along; the rest are options of pg_verifybackup. Ends with 3 if it is tar files,
# which pg_verifybackup does not read together with WAL, and with 4 if it brings none along and $2
# is empty. With DRILLYARD_BACKUPS the functions of tablespaces.sh are prepended: what does not
# belong to the backup is not read.
backup=$1 wal=$2
shift 2
[ -d "$backup" ] || { echo "there is no backup at $backup" >&2; exit 1; }
if ! [ -f "$backup/PG_VERSION" ]; then
  for tar in "$backup"/base.tar*; do
    [ -f "$tar" ] || continue
    exit 3
  done
fi
[ -z "${DRILLYARD_BACKUPS-}" ] || plain_tablespaces "$backup" | have_all || exit 1
for segment in "$backup"/pg_wal/????????????????????????; do
  [ ! -f "$segment" ] || exec pg_verifybackup --quiet "$@" "$backup"
done
[ -n "$wal" ] || exit 4
exec pg_verifybackup --quiet --wal-directory "$wal" "$@" "$backup"
