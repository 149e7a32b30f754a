#!/bin/sh -eu
# Says where the files lie that tell what server the backup in the directory $1 is of, plain or tar:
# `whole DIR` if it is all of its data directory, `some DIR` if a few were unpacked to the directory
# $2, `none WHY` if nobody can tell, or `damaged WHY` if no server can be had from it.
if [ -f "$1/global/pg_control" ]; then
  if [ -r "$1/global/pg_control" ]; then echo "whole $1"; else echo "none $(id -un) may not read its pg_control"; fi
  exit
fi
if [ -f "$1/PG_VERSION" ]; then
  if [ ! -d "$1/global" ] || { [ -r "$1/global" ] && [ -x "$1/global" ]; }; then
    echo "damaged there is no global/pg_control in it"
  else echo "none $(id -un) may not read its pg_control"; fi
  exit
fi
for tar in "$1"/base.tar*; do break; done
[ -f "$tar" ] || { echo "none there is no pg_control in it"; exit; }
[ -r "$tar" ] || { echo "none $(id -un) may not read its ${tar##*/}"; exit; }
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
wanted='^(\./)?(PG_VERSION|global/pg_control|postgresql\.conf|postgresql\.auto\.conf)$'
{ LC_ALL=C tar ${unpack:+-I $unpack} -tf "$tar" 2>"$2/said" && : >"$2/read"; } | grep -E "$wanted" >"$2/names" || :
if [ ! -f "$2/read" ]; then
  why=$(sed -n '/./{p;q;}' "$2/said")
  rm -rf "$2"
  [ -n "$why" ] || { echo "none its ${tar##*/} could not be listed"; exit; }
  echo "damaged its ${tar##*/} cannot be read to its end: $why"
elif ! grep -q 'global/pg_control$' "$2/names"; then
  rm -rf "$2"
  echo "damaged there is no global/pg_control in its ${tar##*/}"
else
  # shellcheck disable=SC2046  # these names have no blanks
  if tar ${unpack:+-I $unpack} -xf "$tar" -C "$2" $(cat "$2/names") 2>/dev/null; then echo "some $2"
  else rm -rf "$2"; echo "none its ${tar##*/} could not be unpacked here"; fi
fi
