#!/bin/sh
# The same, but for what `pg_dump --table` leaves out.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

recover
"$PGBIN/pg_dump" -p "$DRILLYARD_SCRATCH_PORT" --table shop.orders | sql -1 >/dev/null
say "done"
