#!/bin/sh
# Frees the disk that has run full, and starts the server.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

until_down
owner rm "$(dirname "$DRILLYARD_DATA_MASTER")/old.tar"
owner "$PGBIN/pg_ctl" -D "$DRILLYARD_DATA_MASTER" -l "$DRILLYARD_DATA_MASTER/by-hand.log" -w start >/dev/null
finish
