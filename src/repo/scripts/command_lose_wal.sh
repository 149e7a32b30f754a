#!/bin/sh -eu
# Removes whatever has the segment $2 in its name from what the commands of the repo in $1 keep, and
# the note that it is there. Prints what it removes.
find "$1/repo" -type f -name "*$2*" -print -delete
[ ! -f "$1/there" ] || sed -i "/^$2 /d" "$1/there"
