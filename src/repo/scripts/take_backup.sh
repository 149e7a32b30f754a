#!/bin/sh -eu
# Takes a backup to $2, which lies in $1, and its tablespaces to $3; what follows are options for
# pg_basebackup. Its links to the tablespaces are relative, so that the repo can be copied.
dir=$1 backup=$2 spaces=$3; shift 3
mkdir -p "$dir"
pg_basebackup -D "$backup" -X stream --no-sync "$@" || { rc=$?; rm -rf "$backup" "$spaces"; exit $rc; }
for link in "$backup"/pg_tblspc/*; do
  [ -L "$link" ] || continue
  ln -sfn "../../../tablespaces/${backup##*/}/${link##*/}" "$link"
done
