#!/bin/sh -eu
# Makes the stanza $2 of the repository $4 by the configuration $1 for the cluster in the data
# directory $3, which may run or not, unless there is one: two clusters that archive into one place
# are told by pgbackrest. $5 keeps the cluster's pg_control: archive-get gives WAL to nobody who
# cannot show that it is his.
[ ! -f "$4/archive/$2/archive.info" ] || exit 0
mkdir -p "$5/global"
cp "$3/global/pg_control" "$5/global/pg_control"
exec pgbackrest --config="$1" --stanza="$2" --pg1-path="$3" --no-online stanza-create
