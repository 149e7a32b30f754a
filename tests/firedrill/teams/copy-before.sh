#!/bin/sh
# Recovers a server to the end of the backup: all rows were there then.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

restore <<END
archive_mode = off
recovery_target = immediate
recovery_target_action = promote
END
touch "$DRILLYARD_SCRATCH/recovery.signal"
begin
until_true -p "$DRILLYARD_SCRATCH_PORT" -c 'SELECT NOT pg_is_in_recovery()'
finish
