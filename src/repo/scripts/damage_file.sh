#!/bin/sh -eu
# Overwrites 512 bytes of the file $1 at the offset $2, and prints offset and length; at its
# beginning if it is shorter. With `wal` for an offset it is in the second page of a WAL segment, or
# in the first if the WAL in it ends there. The second byte is for a place that is already full of
# the first.
f=$1 at=$2 len=512
[ -f "$f" ] || { echo "there is no file $f" >&2; exit 3; }
size=$(wc -c <"$f")
[ "$size" -gt 0 ] || { echo "the file $f is empty" >&2; exit 3; }
if [ "$at" = wal ]; then
  at=8192
  [ "$(dd if="$f" bs=8192 skip=1 count=1 2>/dev/null | tr -d '\0' | wc -c)" -gt 0 ] || at=0
fi
[ $((at + len)) -le "$size" ] || at=0
[ "$len" -le "$size" ] || len=$size
look() { dd if="$f" bs=1 skip="$at" count="$len" 2>/dev/null | cksum; }
before=$(look)
for byte in '\333' '\244'; do
  head -c "$len" /dev/zero | tr '\0' "$byte" | dd of="$f" bs=1 seek="$at" conv=notrunc 2>/dev/null
  [ "$(look)" = "$before" ] || { echo "$at $len"; exit 0; }
done
echo "the file $f cannot be damaged" >&2; exit 3
