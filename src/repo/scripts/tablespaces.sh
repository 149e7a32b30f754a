#!/bin/sh -eu
# Functions that know whether the tablespaces of a backup as pg_basebackup writes it are there.

# Whether the link $2 of the backup in $1 leads out of what was backed up: elsewhere than below the
# directory in DRILLYARD_BACKUPS or the backup itself, or to where the backup says that its server
# has the tablespace. A data directory that was copied with its links has those, and what is there
# is at work. It says so in `why`.
leads_out() {
  [ -n "${DRILLYARD_BACKUPS-}" ] && [ -L "$2" ] || return 1
  to=$(readlink "$2")
  why="where its tablespace_map says that the server has it"
  [ ! -f "$1/tablespace_map" ] || ! grep -qxF "${2##*/} $to" "$1/tablespace_map" || return 0
  why="which is outside of $DRILLYARD_BACKUPS, with which \`backups\` begins"
  within=$(cd "$DRILLYARD_BACKUPS" && pwd -P) || within=$DRILLYARD_BACKUPS
  own=$(cd "$1" && pwd -P) || own=$1
  case $(readlink -f "$2") in "${within%/}"/* | "$own"/*) return 1 ;; esac
}
# Prints of each tablespace of the plain backup in $1 `tablespace NUMBER`, or `lacks WHAT: WHY`.
plain_tablespaces() {
  for space in "$1"/pg_tblspc/*; do
    oid=${space##*/} found=
    [ -e "$space" ] || [ -L "$space" ] || continue
    # CREATE TABLESPACE makes a directory of its version there, and pg_basebackup copies it.
    for part in "$space"/PG_*; do [ ! -d "$part" ] || found=1; done
    if [ -n "$found" ] && leads_out "$1" "$space"; then
      echo "lacks its tablespace $oid: its link leads to $to, $why"
    elif [ -n "$found" ]; then echo "tablespace $oid"
    elif [ -d "$space/." ]; then echo "lacks its tablespace $oid: it links to $(readlink "$space"), where nothing of it is"
    else echo "lacks its tablespace $oid: it links to $(readlink "$space"), which is not there"; fi
  done
  [ -f "$1/tablespace_map" ] || return 0
  while read -r oid to; do
    [ -e "$1/pg_tblspc/$oid" ] || [ -L "$1/pg_tblspc/$oid" ] ||
      echo "lacks its tablespace $oid, which was in $to: there is no pg_tblspc/$oid"
  done <"$1/tablespace_map"
}
# The same of the backup of tar files in $1: lines with number and, if it is known, path of each
# come from standard input.
packed_tablespaces() {
  while read -r oid to; do
    found=
    for tar in "$1/$oid".tar*; do [ ! -f "$tar" ] || found=1; done
    if [ -n "$found" ]; then echo "tablespace $oid"
    else echo "lacks its tablespace $oid${to:+, which was in $to}: there is no $oid.tar"; fi
  done
}
# Ends with an error if one of them is not there.
have_all() {
  lacking=$(sed -n 's/^lacks //p' | head -n 1)
  [ -z "$lacking" ] || { echo "the backup lacks $lacking" >&2; exit 1; }
}
