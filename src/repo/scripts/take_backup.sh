#!/bin/sh -eu
# Takes a backup to $2, which lies in $1, and its tablespaces to $3; $4 is the backup beside it that
# it goes on from, or empty. What follows are options for pg_basebackup. Its links to the
# tablespaces are relative, so that the repo can be copied.
dir=$1 backup=$2 spaces=$3 parent=$4; shift 4
mkdir -p "$dir" "$dir/../parents"
[ -z "$parent" ] || {
  set -- "--incremental=$dir/$parent/backup_manifest" "$@"
  echo "$parent" >"$dir/../parents/${backup##*/}"
}
pg_basebackup -D "$backup" -X stream --no-sync "$@" || {
  rc=$?
  rm -rf "$backup" "$spaces" "$dir/../parents/${backup##*/}"
  exit $rc
}
for link in "$backup"/pg_tblspc/*; do
  [ -L "$link" ] || continue
  ln -sfn "../../../tablespaces/${backup##*/}/${link##*/}" "$link"
done
