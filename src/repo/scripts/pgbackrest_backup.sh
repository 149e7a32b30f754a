#!/bin/sh -eu
# Takes a backup by the configuration $1 into the stanza $2, of the server in $3 with its socket in
# $4, of the type $5; what follows are further options. It prints what is in the stanza then.
config=$1 stanza=$2 data=$3 sockets=$4 type=$5; shift 5
pgbackrest --config="$config" --stanza="$stanza" --lock-path="$data-locks" --pg1-path="$data" \
  --pg1-socket-path="$sockets" --type="$type" "$@" backup
exec pgbackrest --config="$config" --stanza="$stanza" --output=json info
