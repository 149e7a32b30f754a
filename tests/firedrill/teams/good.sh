#!/bin/sh
# Reads in the WAL which transaction dropped the table, recovers a server to just before it, and
# brings back the table with everything that hung on it.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

sql -c 'SELECT count(*) FROM shop.orders' && exit 1
say note --seen "the orders are gone"
recover
bring_back
finish
