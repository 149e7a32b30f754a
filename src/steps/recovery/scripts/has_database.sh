#!/bin/sh -eu
# Ends with 0 if the data directory $1 has the files of the database with the number $2, in whatever
# tablespace.
for version in "$1/base/$2/PG_VERSION" "$1"/pg_tblspc/*/PG_*/"$2/PG_VERSION"; do
  if [ -f "$version" ]; then exit 0; fi
done
exit 1
