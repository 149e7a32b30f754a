#!/bin/sh
# Recovers the backup in the container that is the place for a new server.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

timeout 60 "$DRILLYARD" shell "$DRILLYARD_RUN/master" -- psql -c 'SELECT count(*) FROM items'
# As the handout says it.
# shellcheck disable=SC2016 # code in Markdown
place=$(sed -n 's/^- a shell there: `drillyard shell \(.*\) -- sh`$/\1/p' "$1"/handout.*)
timeout 100 "$DRILLYARD" shell "$place" -- sh -eu -s <"$here/in-container.sh"
finish
