#!/bin/sh -eu
# Prints the timeline and the position at which the WAL begins that the backup in $1 needs, plain or
# tar: its manifest knows, and its backup_label. In a second line comes where it ends, if there is a
# manifest.
found=
if [ -f "$1/backup_manifest" ]; then
  found=$(sed -n 's/.*"Timeline": \([0-9]*\), "Start-LSN": "\([^"]*\)".*/\1 \2/p' "$1/backup_manifest" | head -n 1)
fi
if [ -z "$found" ] && [ -f "$1/backup_label" ]; then
  lsn=$(sed -n 's/^START WAL LOCATION: \([^ ]*\) .*/\1/p' "$1/backup_label")
  timeline=$(sed -n 's/^START TIMELINE: //p' "$1/backup_label")
  [ -z "$lsn" ] || found="${timeline:-1} $lsn"
fi
echo "$found"
[ ! -f "$1/backup_manifest" ] || sed -n 's/.*"End-LSN": "\([^"]*\)".*/\1/p' "$1/backup_manifest" | tail -n 1
