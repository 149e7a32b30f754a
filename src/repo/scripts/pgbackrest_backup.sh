#!/bin/sh -eu
# Takes a full backup by the configuration $1 into the stanza $2, of the server in $3 with its
# socket in $4; what follows are further options. It prints what is in the stanza then.
config=$1 stanza=$2 data=$3 sockets=$4; shift 4
pgbackrest --config="$config" --stanza="$stanza" --lock-path="$data-locks" --pg1-path="$data" \
  --pg1-socket-path="$sockets" --type=full "$@" backup
exec pgbackrest --config="$config" --stanza="$stanza" --output=json info
