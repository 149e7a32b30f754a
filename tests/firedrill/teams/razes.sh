#!/bin/sh
# Is quicker than the drill, removes the archive when it is not needed any more, and brings back the
# table all the same.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

recover
owner rm -rf "$DRILLYARD_ARCHIVE"
bring_back
finish
