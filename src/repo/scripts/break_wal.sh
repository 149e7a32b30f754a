#!/bin/sh -eu
# Breaks the file of WAL $1: `short` cuts its second half off, `empty` all of it, `garbage` fills it
# with bytes at random, `foreign` puts the segment of that name of another cluster in its place.
# Prints from which offset on how many bytes are not as they were.
f=$1 at=0
[ -f "$f" ] || { echo "there is no file $f" >&2; exit 3; }
size=$(wc -c <"$f")
[ "$size" -gt 0 ] || { echo "the file $f is empty" >&2; exit 3; }
case $2 in
  short) at=$((size / 2)); dd if=/dev/null of="$f" bs=1 seek="$at" 2>/dev/null ;;
  empty) : >"$f" ;;
  garbage) head -c "$size" /dev/urandom | dd of="$f" conv=notrunc bs=65536 2>/dev/null ;;
  foreign)
    name=${f##*/}; name=${name%.partial}
    other=${f%/*}/.foreign.$$
    trap 'rm -rf "$other"' EXIT
    initdb -D "$other" -U postgres -A trust -N --wal-segsize=$((size / 1048576)) >/dev/null
    # Its first segment lies there; in any other it goes on from there.
    [ -f "$other/pg_wal/$name" ] || pg_resetwal -l "$name" "$other" >/dev/null
    [ -f "$other/pg_wal/$name" ] || { echo "no other cluster writes a segment $name" >&2; exit 3; }
    cat "$other/pg_wal/$name" >"$f"
    ;;
esac
echo "$at $((size - at))"
