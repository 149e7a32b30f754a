#!/bin/sh -eu
# Prints the archive in $1 as list_wal.sh does: packed files under the names that they have when
# they are unpacked, with the size of the first one; an empty one stays empty. Behind it a line
# `unreadable SEGMENT WHO` for each that this user may not read.
[ -d "$1" ] || { echo "there is no directory $1" >&2; exit 1; }
cd "$1" 2>/dev/null || { echo "$(id -un) may not read $1" >&2; exit 1; }
unpack() {
  case $1 in
    *.gz) gzip -dc "$1" ;;
    *.zst) zstd -dcq "$1" ;;
    *.lz4) lz4 -dcq "$1" ;;
    *.xz) xz -dc "$1" ;;
    *.bz2) bzip2 -dc "$1" ;;
    *) cat "$1" ;;
  esac
}
size=
for file in ????????????????????????.*; do
  case $file in
    *.gz | *.zst | *.lz4 | *.xz | *.bz2) size=$(unpack "$file" | wc -c); break ;;
  esac
done
# shellcheck disable=SC2012  # names of WAL have nothing in them that ls would change
ls -lnt | awk -v size="$size" '
  size != "" && $5 > 0 && NF >= 9 && $NF ~ /^[0-9A-F]+\.(gz|zst|lz4|xz|bz2)$/ { sub(/\.[a-z0-9]+$/, "", $NF); $5 = size }
  { print }'
for file in *.history *.history.*; do
  [ -f "$file" ] || continue
  echo "history ${file%%.history*}.history"
  unpack "$file" | while IFS= read -r line || [ -n "$line" ]; do printf ' %s\n' "$line"; done || continue
done
find . -maxdepth 1 -type f ! -readable -name '????????????????????????*' | while IFS= read -r file; do
  file=${file#./}
  echo "unreadable ${file%%.*} $(id -un)"
done
