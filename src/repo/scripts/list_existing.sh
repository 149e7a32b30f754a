#!/bin/sh -eu
# Prints what matches the pattern $1, each in a line of fields with tabs between them: its path; why
# it is no base backup, if it is none; `manifest` or `none`; where its time comes from (`manifest`,
# `control`, `file`); the time.
IFS='
'
dir=${1%/*}
case $dir in *[*?[]*) dir=${1%%[*?[]*} dir=${dir%/*} ;; esac
[ -n "$dir" ] || dir=/
[ -d "$dir" ] || { echo "there is no directory $dir" >&2; exit 1; }
if ! [ -r "$dir" ] || ! [ -x "$dir" ]; then echo "$(id -un) may not read $dir" >&2; exit 1; fi
tell() { printf '%s\t%s\t%s\t%s\t%s\n' "$@"; }
# shellcheck disable=SC2086  # the pattern is to match
for path in $1; do
  [ -e "$path" ] || continue
  [ -d "$path" ] || { tell "$path" "it is no directory" none '' ''; continue; }
  if ! [ -r "$path" ] || ! [ -x "$path" ]; then tell "$path" "$(id -un) may not read it" none '' ''; continue; fi
  if ! [ -f "$path/PG_VERSION" ]; then
    for tar in "$path"/base.tar*; do break; done
    [ -f "$tar" ] || { tell "$path" "there is neither PG_VERSION nor base.tar in it" none '' ''; continue; }
  elif ! [ -f "$path/backup_label" ]; then
    tell "$path" "it has no backup_label: a data directory, or the copy of one" none '' ''; continue
  elif [ -f "$path/postmaster.pid" ]; then
    tell "$path" "a server runs in it, or did" none '' ''; continue
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
  tell "$path" '' $manifest $clock "$time"
done
