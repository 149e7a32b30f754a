#!/bin/sh -eu
# Prints what barman has written of each backup in $1, or of it in $2, as newer versions do: a line
# `== ID`, and its backup.info. A backup that is none has a line `$trouble=`.
[ -d "$1" ] || { echo "there is no directory $1" >&2; exit 1; }
if ! [ -r "$1" ] || ! [ -x "$1" ]; then echo "$(id -un) may not read $1" >&2; exit 1; fi
# shellcheck disable=SC2016  # it is the word
trouble() { printf '$trouble=%s\n' "$1"; }
for dir in "$1"/*; do
  [ -d "$dir" ] || continue
  id=${dir##*/}
  info=$2/$id-backup.info
  [ -f "$info" ] || info=$dir/backup.info
  printf '== %s\n' "$id"
  if ! [ -r "$dir" ] || ! [ -x "$dir" ]; then trouble "$(id -un) may not read it"
  elif ! [ -f "$info" ]; then trouble "it has no backup.info"
  elif ! [ -r "$info" ]; then trouble "$(id -un) may not read its backup.info"
  else
    cat "$info"
    echo
    if [ -d "$dir/data" ] && ! [ -r "$dir/data" ]; then trouble "$(id -un) may not read its data"; fi
  fi
done
