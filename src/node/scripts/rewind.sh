#!/bin/sh -eu
# Rewinds the server in $1 onto the one at $2. $3 is a restore_command or empty, $4 the LSN at which
# the two parted or empty, $5 the timeline that was left there, $6 the segment.
#
# pg_rewind brings the source's postgresql.conf and postgresql.auto.conf: the server gets its own
# back. A server that was killed leaves a zombie, and processes that end a moment later: PostgreSQL
# waits for neither.
if [ -n "$4" ] && [ -f "$1/pg_wal/$6" ]; then
  echo "commits: $(pg_waldump -p "$1/pg_wal" -t "$5" -s "$4" -r Transaction 2>/dev/null | grep -c 'desc: COMMIT' || :)"
fi
for file in postgresql.conf postgresql.auto.conf; do cp -p "$1/$file" "$1-$file" || :; done
if [ -n "$3" ]; then
  printf "restore_command = '%s'\n" "$3" >>"$1/postgresql.conf"
  set -- "$1" "$2" -c
else
  set -- "$1" "$2"
fi
data=$1 source=$2; shift 2
left=60
while :; do
  rc=0
  # A restore_command runs in the data directory, as the server has it.
  said=$(cd "$data" && pg_rewind -D "$data" --source-server "$source" --no-sync "$@" 2>&1) || rc=$?
  left=$((left - 1))
  case $rc:$said in
    0:*) break ;;
    *"is still in use"*|*'lock file "postmaster.pid" already exists'*) [ $left -gt 0 ] || break; sleep 0.05 ;;
    *) break ;;
  esac
done
for file in postgresql.conf postgresql.auto.conf; do [ ! -f "$data-$file" ] || mv "$data-$file" "$data/$file"; done
printf '%s\n' "$said"
exit "$rc"
