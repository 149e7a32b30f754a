#!/bin/sh -eu
# Copies the backup $2 of the server in $1 to $3 as pg_basebackup writes it, its tablespaces left
# out, and with it the WAL that it needs. Status 3 if there is no such backup.
backup=$1/base/$2/backup.info
# Newer ones keep it elsewhere.
[ -f "$backup" ] || backup=$1/meta/$2-backup.info
[ -f "$backup" ] || exit 3
rm -rf "$3"
cp -a "$1/base/$2/data" "$3"
value() { sed -n "s/^$1=//p" "$backup"; }
first=$(value begin_wal) last=$(value end_wal)
for file in "$1"/wals/*/* "$1"/incoming/*; do
  name=${file##*/}
  case $name in *.*) continue ;; esac
  # expr compares names that are no numbers as text.
  if [ -f "$file" ] && expr "x$name" '>=' "x$first" '&' "x$name" '<=' "x$last" >/dev/null; then
    cp "$file" "$3/pg_wal/$name"
  fi
done
