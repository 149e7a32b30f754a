#!/bin/sh -eu
# Brings every segment that is late in the directory $1 into the archive by the command $2, in which
# $f is its file and $data the data directory of its server, which is $3, and prints its name.
# shellcheck disable=SC2034  # the command knows it
data=$3
cd "$1" 2>/dev/null || exit 0
for f in *; do
  [ -e "$f" ] || continue
  eval "$2" || exit 1
  echo "$f"
done
