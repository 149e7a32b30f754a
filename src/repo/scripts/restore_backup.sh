#!/bin/sh -eu
# Copies the backup $1 to the data directory $2; what lies there is removed. Its tablespaces go
# below $3.
[ -d "$1" ] || { echo "there is no backup at $1" >&2; exit 1; }
rm -rf "$2" "$3"
# The WAL of a backup is filled up with zeros; not every cp can leave them out.
copy() { cp -a --sparse=always "$1" "$2" 2>/dev/null || { rm -rf "$2"; cp -a "$1" "$2"; }; }
copy "$1" "$2"
chmod 700 "$2"
# Tablespaces get places of this server's own: the paths in a backup are those of the server that it
# was taken from.
for link in "$1"/pg_tblspc/*; do
  [ -L "$link" ] || continue
  oid=${link##*/}
  [ -d "$link/." ] || { echo "the backup lacks tablespace $oid" >&2; exit 1; }
  mkdir -p "$3"; chmod 700 "$3"
  copy "$link/." "$3/$oid"
  ln -sfn "$3/$oid" "$2/pg_tblspc/$oid"
done
rm -f "$2/tablespace_map"
