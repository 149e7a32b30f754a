#!/bin/sh -eu
# Prints how many kilobytes the files in the directory $1 take up, and in a line each those of the
# tablespaces to which it has links as a data directory.
du -sk "$1"
for link in "$1"/pg_tblspc/*; do
  if [ -L "$link" ] && [ -d "$link" ]; then du -sk "$link/."; fi
done
