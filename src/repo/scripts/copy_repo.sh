#!/bin/sh -eu
# Copies from the repo $1 to the repo $2 whatever is not there yet. WAL and tablespaces first: a
# backup must not arrive before what it needs.
for part in wal tablespaces parents backups; do
  [ -d "$1/$part" ] || continue
  mkdir -p "$2/$part"
  for item in "$1/$part"/*; do
    [ -e "$item" ] || continue
    name=${item##*/}
    [ -e "$2/$part/$name" ] && continue
    cp -a "$item" "$2/$part/.$name.part"
    mv "$2/$part/.$name.part" "$2/$part/$name"
  done
done
