#!/bin/sh -eu
# Prints when the last transaction ended that stands in WAL segments, as 2026-11-29T09:08:51Z;
# nothing if there is none. They lie in the directory $1; $2 is a directory to be removed
# afterwards, or empty; $3 is how records are called that count; the rest are the names of the
# segments, the newest first.
wal=$1 scratch=$2 meant=$3
shift 3
[ -z "$scratch" ] || trap 'rm -rf "$scratch"' EXIT
export TZ=UTC LC_ALL=C
for segment; do
  [ -f "$wal/$segment" ] || continue
  # It complains where the segment ends.
  found=$(pg_waldump -r Transaction "$wal/$segment" "$wal/$segment" 2>/dev/null | grep -E "desc: ($meant) " |
    sed -n 's/.*desc: [A-Z]*\( PREPARED [^:]*:\)\{0,1\} *\([0-9-]*\) \([0-9:.]*\) UTC.*/\2T\3Z/p' | tail -n 1)
  [ -z "$found" ] || { echo "$found"; break; }
done
