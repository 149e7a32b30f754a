#!/bin/sh -eu
# Prints as od does the first $1 bytes of the WAL segment at $3 in a repository of pgBackRest, which
# the program $2 unpacks (or nothing); nothing if it cannot be had. What follows is pgbackrest's
# own.
size=$1 unpack=$2 path=$3
shift 3
unpacked() { if [ -n "$unpack" ]; then "$unpack" -dc; else cat; fi; }
{ pgbackrest "$@" repo-get "$path" | unpacked; } 2>/dev/null | head -c "$size" | od -An -v -tx1 -w"$size"
