#!/bin/sh -eu
# Prints as restored.sh does which of the tablespaces with these numbers are in the backup of Barman
# in the directory $1: each is a directory beside `data`, or a tar file in it; and the bytes of all,
# if none of them is packed.
dir=$1
shift
for oid; do
  found=
  for part in "$dir/$oid"/PG_*; do [ ! -d "$part" ] || found=1; done
  for tar in "$dir/data/$oid".tar*; do [ ! -f "$tar" ] || found=1; done
  if [ -n "$found" ]; then echo "tablespace $oid"
  else echo "lacks its tablespace $oid: there is nothing of it in $dir/$oid"; fi
done
[ ! -f "$dir/data/PG_VERSION" ] || echo "least $(($(du -sk "$dir" | cut -f 1) * 1024))"
