#!/bin/sh
# Says that it is at work, and removes what was left.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

sql -c "SELECT 'someone is at work'" >/dev/null
sql -c 'DROP TABLE items'
