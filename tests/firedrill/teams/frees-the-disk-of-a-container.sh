#!/bin/sh
# Frees the disk of a container that has run full, and starts the server.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

in_master() { timeout 60 "$DRILLYARD" shell "$DRILLYARD_RUN/master" -- "$@"; }
tries=0
while in_master psql -Atc 'SELECT 1' >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ]
  sleep 0.3
done
# shellcheck disable=SC2016 # its own arguments
in_master sh -euc 'rm "$(dirname "$1")/old.tar"
  pg_ctl -D "$1" -l "$1/by-hand.log" -w start >/dev/null' - "$DRILLYARD_DATA_MASTER"
finish
