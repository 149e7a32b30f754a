#!/bin/sh
# Recovers a server to a time, makes the table by hand, and copies its rows through postgres_fdw: a
# way that no drill knows.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

recover_to "recovery_target_time = '$(dropped | cut -d ' ' -f 2-)'"
sql -1 -v host="$PGHOST" -v port="$DRILLYARD_SCRATCH_PORT" -v user="$PGUSER" -v password="$PGPASSWORD" \
  -v database="$PGDATABASE" -f "$here/by-hand.sql" >/dev/null
finish
