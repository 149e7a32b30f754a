#!/bin/sh -eu
# Writes $2, so many seconds from the right time, into $1, the file that sets a server's clock: in
# one go, since it may be read at any moment. It prints what was there before.
cat "$1"
printf '%s\n' "$2" >"$1.new"
mv "$1.new" "$1"
