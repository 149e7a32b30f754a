#!/bin/sh -eu
# Prints the links in $1/pg_tblspc whose directory is there: its number, what identifies the
# directory on this machine, and its path.
for link in "$1"/pg_tblspc/*; do
  if [ ! -L "$link" ] || [ ! -d "$link/." ]; then continue; fi
  echo "${link##*/} $(stat -Lc %d:%i "$link") $(readlink "$link")"
done
