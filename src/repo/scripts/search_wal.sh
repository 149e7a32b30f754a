#!/bin/sh -eu
# Searches the archive in the directory $1 with the awk program $2, which gets the settings $3 to
# $7; $8 is what pg_waldump is to leave out, $9 a directory to be removed afterwards, or empty, and
# the rest are stretches as `timeline from to`. Whatever pg_waldump complains of is on standard
# error.
# shellcheck disable=SC2086  # a stretch, and what is left out, are several words
wal=$1 program=$2 class=$3 tables=$4 known=$5 since=$6 count=$7 only=$8 scratch=$9
shift 9
[ -z "$scratch" ] || trap 'rm -rf "$scratch"' EXIT
rows=
[ "$count" = 0 ] || rows='-e UPDATE -e DELETE'
export TZ=UTC
for stretch in "$@"; do
  set -- $stretch
  pg_waldump -p "$wal" -t "$1" -s "$2" -e "$3" $only || true
done | LC_ALL=C grep -F -e "rel $class blk" -e 'rmgr: Transaction' -e 'rmgr: Storage' $rows |
  LC_ALL=C awk -v class="$class" -v tables="$tables" -v known="$known" -v since="$since" -v count="$count" "$program"
