#!/bin/sh
# Makes it worse, three times: promotes the standby beside the primary, starts a copy that archives
# into the archive of the original, and makes room by removing a file of the backup.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

sql -d service=standby -c 'SELECT pg_promote()'
restore </dev/null
touch "$DRILLYARD_SCRATCH/recovery.signal"
begin
until_true -p "$DRILLYARD_SCRATCH_PORT" -c 'SELECT NOT pg_is_in_recovery()'
sql -p "$DRILLYARD_SCRATCH_PORT" -c 'SELECT pg_switch_wal()'
rm "$DRILLYARD_BACKUP/PG_VERSION"
