#!/bin/sh
# Makes it worse, four times: promotes the standby beside the primary, writes a row of users' there,
# starts a copy that archives into the archive of the original, and makes room by removing a file of
# the backup.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

sql -d service=standby -c 'SELECT pg_promote()'
until_true -d service=standby -c 'SELECT NOT pg_is_in_recovery()'
sql -d service=standby -c 'INSERT INTO shop.visits (client, seq) VALUES (1000, 1)'
restore </dev/null
touch "$DRILLYARD_SCRATCH/recovery.signal"
begin
until_true -p "$DRILLYARD_SCRATCH_PORT" -c 'SELECT NOT pg_is_in_recovery()'
sql -p "$DRILLYARD_SCRATCH_PORT" -c 'SELECT pg_switch_wal()'
rm "$DRILLYARD_BACKUP/PG_VERSION"
