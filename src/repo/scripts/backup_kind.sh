#!/bin/sh -eu
# Prints whether the backup in the directory $1, plain or tar, is `full` or `incremental`, as its
# backup_label says since PostgreSQL 17; nothing if it has none.
if [ -f "$1/backup_label" ]; then
  label=$(cat "$1/backup_label")
else
  for tar in "$1"/base.tar*; do break; done
  case $tar in
  *.gz) unpack=gzip ;; *.zst) unpack=zstd ;; *.lz4) unpack=lz4 ;; *.xz) unpack=xz ;; *.bz2) unpack=bzip2 ;; *) unpack= ;;
  esac
  # It is the first file in there. Whoever unpacks is told that the rest is not wanted.
  if [ -n "$unpack" ]; then
    label=$($unpack -dc "$tar" 2>/dev/null | tar -xOf - --occurrence=1 backup_label 2>/dev/null) || :
  else
    label=$(tar -xOf "$tar" --occurrence=1 backup_label 2>/dev/null) || :
  fi
fi
case $label in
*"INCREMENTAL FROM LSN"*) echo incremental ;;
*"START WAL LOCATION"*) echo full ;;
esac
