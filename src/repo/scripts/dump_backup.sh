#!/bin/sh -eu
# Dumps every database of a server that takes sessions, and its globals, to $1/$2; what follows are
# options for pg_dump. It is there when it is whole.
dir=$1/$2 part=$1/.$2.part; shift 2
rm -rf "$part"
mkdir -p "$part"
trap 'rm -rf "$part"' EXIT
pg_dumpall --globals-only -f "$part/globals.sql"
psql -XAtq -o "$part/list" -c "SELECT oid, datname FROM pg_database
  WHERE datallowconn AND datconnlimit <> -2 ORDER BY oid" -F ' '
while read -r oid name; do
  case $name in *[!a-zA-Z0-9_-]*) file=$oid ;; *) file=$name ;; esac
  PGDATABASE=$name pg_dump -Fc -f "$part/$file.dump" "$@"
done <"$part/list"
rm "$part/list"
mv "$part" "$dir"
