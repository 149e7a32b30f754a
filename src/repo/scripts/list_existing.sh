#!/bin/sh -eu
# Prints what matches the pattern $1, each in a line of fields with tabs between them: its path; why
# it is no base backup, if it is none; `manifest` or `none`; where its time comes from (`manifest`,
# `control`, `file`); the time; how many seconds it took, if its backup history file is among the
# WAL in $2; where its WAL begins, `TIMELINE LSN`; where that begins of which it has the changes, if
# it is incremental; and the system identifier of its server, if its manifest has it.
IFS='
'
dir=${1%/*}
case $dir in *[*?[]*) dir=${1%%[*?[]*} dir=${dir%/*} ;; esac
[ -n "$dir" ] || dir=/
[ -d "$dir" ] || { echo "there is no directory $dir" >&2; exit 1; }
if ! [ -r "$dir" ] || ! [ -x "$dir" ]; then echo "$(id -un) may not read $dir" >&2; exit 1; fi
tell() { printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@" "$took" "$start" "$from" "$server"; }
wal=$2 took='' start='' from='' server=''
# Finds out what the backup in $1 goes on from. Before PostgreSQL 17, whose manifests are of version
# 2, there are full ones alone. backup_label is the first file in a tar file of pg_basebackup's.
goes_on() {
  start='' from='' server=''
  if [ -f "$1/backup_manifest" ]; then
    head -c 200 "$1/backup_manifest" | grep -q '"PostgreSQL-Backup-Manifest-Version": 1,' && return 0
    server=$(head -c 200 "$1/backup_manifest" | sed -n 's/^"System-Identifier": \([0-9]*\),.*/\1/p')
  fi
  if [ -f "$1/backup_label" ]; then
    label=$(cat "$1/backup_label")
  else
    case $tar in
    *.gz) unpack=gzip ;; *.zst) unpack=zstd ;; *.lz4) unpack=lz4 ;; *.xz) unpack=xz ;; *.bz2) unpack=bzip2 ;; *) unpack= ;;
    esac
    label=$({ if [ -n "$unpack" ]; then $unpack -dc "$tar"; else cat "$tar"; fi; } 2>/dev/null | head -c 65536 |
      tar -xOf - --occurrence=1 backup_label 2>/dev/null) || :
  fi
  said() { printf '%s\n' "$label" | sed -n "s/^$1: \\([0-9A-F/]*\\).*/\\1/p"; }
  start="$(said 'START TIMELINE') $(said 'START WAL LOCATION')"
  from="$(said 'INCREMENTAL FROM TLI') $(said 'INCREMENTAL FROM LSN')"
}
# How long the backup in $1 took. Its history file has its begin and its end in the time zone of the
# server's log, and only their difference is sure.
took() {
  took='' lsn=''
  if [ -f "$1/backup_label" ]; then
    lsn=$(sed -n 's/^START WAL LOCATION: \([^ ]*\) .*/\1/p' "$1/backup_label")
  elif [ -f "$1/backup_manifest" ]; then
    lsn=$(sed -n 's/.*"Start-LSN": "\([^"]*\)".*/\1/p' "$1/backup_manifest" | head -n 1)
  fi
  [ -n "$lsn" ] && [ -n "$wal" ] || return 0
  history=$(grep -l "^START WAL LOCATION: $lsn " "$wal"/*.backup 2>/dev/null | head -n 1) || :
  [ -n "$history" ] || return 0
  from=$(date -ud "$(sed -n 's/^START TIME: \([-0-9]* [0-9:]*\).*/\1/p' "$history")" +%s 2>/dev/null) || return 0
  to=$(date -ud "$(sed -n 's/^STOP TIME: \([-0-9]* [0-9:]*\).*/\1/p' "$history")" +%s 2>/dev/null) || return 0
  took=$((to - from))
}
# shellcheck disable=SC2086  # the pattern is to match
for path in $1; do
  if ! [ -e "$path" ]; then
    [ ! -L "$path" ] || tell "$path" "it links to $(readlink "$path"), which is not there" none '' ''
    continue
  fi
  [ -d "$path" ] || { tell "$path" "it is no directory" none '' ''; continue; }
  if ! [ -r "$path" ] || ! [ -x "$path" ]; then tell "$path" "$(id -un) may not read it" none '' ''; continue; fi
  if ! [ -f "$path/PG_VERSION" ]; then
    for tar in "$path"/base.tar*; do break; done
    [ -f "$tar" ] || { tell "$path" "there is neither PG_VERSION nor base.tar in it" none '' ''; continue; }
  elif ! [ -f "$path/backup_label" ]; then
    tell "$path" "it has no backup_label: a data directory, or the copy of one" none file "$(stat -c %Y "$path")"; continue
  elif [ -f "$path/postmaster.pid" ]; then
    tell "$path" "a server runs in it, or did" none file "$(stat -c %Y "$path")"; continue
  fi
  manifest=none clock=file time=
  if [ -f "$path/backup_manifest" ]; then
    manifest=manifest
    time=$(sed -n 's/.*"Path": "backup_label".*"Last-Modified": "\([^"]*\)".*/\1/p' "$path/backup_manifest")
    [ -z "$time" ] || clock=manifest
  fi
  if [ -z "$time" ] && [ -f "$path/global/pg_control" ]; then
    time=$(pg_controldata "$path" 2>/dev/null | sed -n 's/^Time of latest checkpoint: *//p')
    [ -z "$time" ] || clock=control
  fi
  [ -n "$time" ] || time=$(stat -c %Y "$path")
  took "$path"
  goes_on "$path"
  tell "$path" '' $manifest $clock "$time"
  took='' start='' from='' server=''
done
