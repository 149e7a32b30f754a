#!/bin/sh -eu
# Says where the files lie that tell what server the backup in the directory $1 is of, plain or tar:
# `whole DIR` if it is all of its data directory, `some DIR` if a few were unpacked to the directory
# $2, or `none WHY`.
if [ -f "$1/global/pg_control" ]; then
  if [ -r "$1/global/pg_control" ]; then echo "whole $1"; else echo "none $(id -un) may not read its pg_control"; fi
  exit
fi
for tar in "$1"/base.tar*; do break; done
[ -f "$tar" ] || { echo "none there is no pg_control in it"; exit; }
case $tar in
*.gz) unpack=gzip ;; *.zst) unpack=zstd ;; *.lz4) unpack=lz4 ;; *.xz) unpack=xz ;; *.bz2) unpack=bzip2 ;; *) unpack= ;;
esac
if [ -n "$unpack" ]; then
  command -v $unpack >/dev/null || { echo "none $unpack is not installed here, by which it is packed"; exit; }
  # pg_control is the last file in there: all of it is read.
  [ "$(stat -c %s "$tar")" -le 268435456 ] ||
    { echo "none it would have to be unpacked to its end: more than 256 MB"; exit; }
fi
rm -rf "$2"
mkdir -p "$2"
chmod 700 "$2"
# Whatever is not in there is missing then.
tar ${unpack:+-I $unpack} -xf "$tar" -C "$2" PG_VERSION global/pg_control postgresql.conf postgresql.auto.conf 2>/dev/null || :
if [ -f "$2/global/pg_control" ]; then echo "some $2"; else rm -rf "$2"; echo "none there is no pg_control in its base.tar"; fi
