#!/bin/sh -eu
# Reads the WAL in the directory $1 with the awk program $2, which gets the settings $3 and $4; $5
# is what pg_waldump is to leave out, $6 a directory to be removed afterwards, or empty, and the
# rest are stretches as `timeline from to`. Whatever pg_waldump complains of is on standard error.
# shellcheck disable=SC2086  # a stretch, and what is left out, are several words
wal=$1 program=$2 files=$3 from=$4 only=$5 scratch=$6
shift 6
[ -z "$scratch" ] || trap 'rm -rf "$scratch"' EXIT
export TZ=UTC
for stretch in "$@"; do
  set -- $stretch
  pg_waldump -p "$wal" -t "$1" -s "$2" -e "$3" $only || true
done | LC_ALL=C awk -v files="$files" -v from="$from" "$program"
