#!/bin/sh
# Recovers all there is into a server of its own, and leaves it at that.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

restore <<END
archive_mode = off
END
touch "$DRILLYARD_SCRATCH/recovery.signal"
begin
