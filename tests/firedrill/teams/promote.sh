#!/bin/sh
# Promotes the standby.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

promote
finish
