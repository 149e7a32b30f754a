#!/bin/sh -eu
# Makes links in the directory $1 to the WAL of a server of barman: catalogued in $2, which has to
# be there, come in $3, streamed in $4.
[ -d "$2" ] || { echo "there is no directory $2" >&2; exit 1; }
if ! [ -r "$2" ] || ! [ -x "$2" ]; then echo "$(id -un) may not read $2" >&2; exit 1; fi
mkdir -p "$1"
ln -sfn "$2" "$1/wals"
ln -sfn "$3" "$1/incoming"
ln -sfn "$4" "$1/streaming"
