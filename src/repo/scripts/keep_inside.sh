#!/bin/sh -eu
# Looks through the data directory $1 that somebody else's tool has restored: no link of it leads
# out of it any more but those of its tablespaces, which have to be below $2, and no file of it is
# a hard link to another one.
if [ -L "$1" ]; then echo "the data directory is a link to $(readlink "$1")" >&2; exit 1; fi
linked=$(find "$1" -type f -links +1 | head -n 1)
if [ -z "$linked" ] && [ -d "$2" ]; then linked=$(find "$2" -type f -links +1 | head -n 1); fi
if [ -n "$linked" ]; then
  echo "$linked is a hard link: a server would write to what it is linked with" >&2
  exit 1
fi
[ -f "$1/PG_VERSION" ] || { echo "there is no PG_VERSION in what was restored" >&2; exit 1; }
chmod 700 "$1"
if [ -f "$1/tablespace_map" ]; then
  while read -r oid to; do
    [ -e "$1/pg_tblspc/$oid" ] || { echo "its tablespace $oid, which was in $to, was not restored" >&2; exit 1; }
  done <"$1/tablespace_map"
fi
rm -f "$1/tablespace_map" "$1/postmaster.pid" "$1/postmaster.opts" "$1/recovery.signal" "$1/standby.signal"
for space in "$1"/pg_tblspc/*; do
  oid=${space##*/}
  if [ -L "$space" ]; then
    to=$(readlink "$space")
    case $to in
      */../* | */..) ;;
      "$2"/*) if [ -d "$to" ] && ! [ -L "$to" ]; then continue; fi ;;
    esac
    echo "its tablespace $oid links to $to, which is no place of the new server's own" >&2
    exit 1
  elif [ -d "$space" ]; then
    mkdir -p "$2"; chmod 700 "$2"
    mv "$space" "$2/$oid"
    ln -s "$2/$oid" "$space"
  fi
done
find "$1" -type l ! -path "$1/pg_tblspc/*" | while IFS= read -r link; do
  if [ -d "$link/." ]; then rm "$link"; mkdir -m 700 "$link"; else rm "$link"; fi
done
