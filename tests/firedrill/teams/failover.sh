#!/bin/sh
# Promotes the standby, and makes a standby of what was the primary.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

promote
sql -d service=standby -c CHECKPOINT
source="host=$(sql -d service=standby -c 'SHOW unix_socket_directories') user=$PGUSER password=$PGPASSWORD dbname=$PGDATABASE"
tries=0
until owner "$PGBIN/pg_rewind" -D "$DRILLYARD_DATA_MASTER" -R --source-server "$source"; do
  # Its machine may be off still.
  tries=$((tries + 1))
  [ "$tries" -lt 30 ]
  sleep 1
done
# Its configuration has come from the other server.
owner "$PGBIN/pg_ctl" -D "$DRILLYARD_DATA_MASTER" -l "$DRILLYARD_DATA_MASTER/people.log" -w \
  -o "-c unix_socket_directories='$PGHOST' -c primary_slot_name=" start >/dev/null
finish
