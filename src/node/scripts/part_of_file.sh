#!/bin/sh -eu
# Prints $3 bytes of the file $1, from $2 on, in hexadecimal digits; nothing if there is no such
# file.
[ -f "$1" ] || exit 0
exec od -An -v -tx1 -j "$2" -N "$3" "$1"
