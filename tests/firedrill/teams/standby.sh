#!/bin/sh
# Makes a standby of the first server from last night's backup.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

restore <<END
archive_mode = off
primary_conninfo = 'host=$PGHOST port=$PGPORT user=$PGUSER password=$PGPASSWORD'
END
touch "$DRILLYARD_SCRATCH/standby.signal"
begin
until_true -p "$DRILLYARD_SCRATCH_PORT" -c "SELECT count(*) > 0 FROM pg_stat_wal_receiver WHERE status = 'streaming'"
finish
