#!/bin/sh
# Recovers the backup in the container that is the place for a new server.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

timeout 60 "$DRILLYARD" shell "$DRILLYARD_RUN/master" -- psql -c 'SELECT count(*) FROM items'
timeout 100 "$DRILLYARD" shell "$DRILLYARD_RUN/rescue" -- sh -eu -s <"$here/in-container.sh"
finish
