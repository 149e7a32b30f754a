#!/bin/sh -eu
# Prints how many kilobytes the files in the directory $1 take up, and in a line each those of the
# tablespaces to which it has links as a data directory. Prepended are the functions of
# tablespaces.sh.
du -sk "$1"
plain_tablespaces "$1" | sed -n 's/^tablespace //p' | while read -r oid; do
  [ ! -L "$1/pg_tblspc/$oid" ] || du -sk "$1/pg_tblspc/$oid/."
done
