#!/bin/sh
# The site is gone: makes a new server of what is off-site.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

export DRILLYARD_BACKUP="$DRILLYARD_BACKUP_OFFSITE"
export DRILLYARD_RESTORE_COMMAND="$DRILLYARD_RESTORE_COMMAND_OFFSITE"
restore <<END
archive_mode = off
unix_socket_directories = '$DRILLYARD_SCRATCH'
END
touch "$DRILLYARD_SCRATCH/recovery.signal"
begin
until_true -h "$DRILLYARD_SCRATCH" -p "$DRILLYARD_SCRATCH_PORT" -c 'SELECT NOT pg_is_in_recovery()'
finish
