#!/bin/sh
# Breaks what can be broken beside the incident, and recovers after all.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

rm -r "$1"
owner rm -r "$DRILLYARD_SCRATCH"
data=$(sql -c 'SHOW data_directory')
sql -c 'DROP SCHEMA IF EXISTS drillyard CASCADE'
owner kill -9 "$(sql -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1")"
until_true -c 'SELECT NOT pg_is_in_recovery()'
owner "$PGBIN/pg_ctl" -D "$data" -m fast -w stop >/dev/null
say judge && exit 1
owner "$PGBIN/pg_ctl" -D "$data" -l "$data/../people.log" -w start >/dev/null
recover
bring_back
finish
