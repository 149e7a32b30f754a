#!/bin/sh -eu
# Fetches WAL segments of the stanza $2 by the configuration $1 into the directory $4, for the
# cluster whose pg_control is in $3: those that follow. One that cannot be had is left out.
config=$1 stanza=$2 whose=$3 to=$4; shift 4
mkdir -p "$to"
for segment; do
  pgbackrest --config="$config" --stanza="$stanza" --pg1-path="$whose" archive-get "$segment" "$to/$segment" >/dev/null 2>&1 || :
done
