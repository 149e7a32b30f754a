#!/bin/sh -eu
# Compares the backup $1 with its manifest, and reads the WAL that it needs: its own, or that in $2
# if it brings none along; the rest are options of pg_verifybackup. Ends with 3 if it is tar files,
# which pg_verifybackup does not read together with WAL, and with 4 if it brings none along and $2
# is empty. With DRILLYARD_BACKUPS the functions of tablespaces.sh are prepended: what does not
# belong to the backup is not read. Ends with 5 if it has no manifest: nothing says what was taken.
backup=$1 wal=$2
shift 2
[ -d "$backup" ] || { echo "there is no backup at $backup" >&2; exit 1; }
[ -f "$backup/backup_manifest" ] || { echo "it has no backup_manifest, which says what was taken" >&2; exit 5; }
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
