#!/bin/sh -eu
# Takes a backup by the configuration $1 of the server $2, with the immediate checkpoint or not that
# $3 says, finishes the WAL segment in which it ends and waits until that is archived; the rest are
# further options. From PostgreSQL 17 on barman wants the segment after the backup's, too. $4 is the
# server's directory. What there is afterwards is printed by barman. A backup that failed, or whose
# WAL does not come, is removed: barman keeps it and calls it FAILED or WAITING_FOR_WALS.
config=$1 server=$2 checkpoint=$3 dir=$4; shift 4
barman() { command barman -c "$config" "$@"; }
archive() { barman -q switch-wal --force --archive --archive-timeout 60 "$server" >&2; }
# barman takes no backup of a server whose WAL has never come.
for file in "$dir"/wals/*/????????????????????????; do
  [ -f "$file" ] || archive
  break
done
rc=0
{ barman -q backup "$checkpoint" "$@" "$server" && archive && barman -q check-backup "$server" latest; } >&2 || rc=$?
if [ $rc != 0 ]; then
  for id in $(barman list-backup "$server" | grep -e FAILED -e WAITING_FOR_WALS | cut -d ' ' -f 2); do
    barman -q delete "$server" "$id" >&2
  done
  exit $rc
fi
barman -f json list-backup "$server"
