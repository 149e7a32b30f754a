#!/bin/sh -eu
# Copies from the repository $1 to the repository $2 whatever is not there yet, and the pg_control
# beside it from $3 to $4. WAL first, then backups, and what lists them last: nothing may be listed
# before it is there. The lists are those of the original, however many backups it has lost.
[ -d "$1/archive" ] || { echo "there is no repository at $1" >&2; exit 1; }
copy() {
  [ -e "$2" ] && return
  cp -a "$1" "$2.part"
  mv "$2.part" "$2"
}
mkdir -p "$4"
[ ! -d "$3/global" ] || copy "$3/global" "$4/global"
cd "$1"
for dir in archive/*/*/*/; do
  [ -d "$dir" ] || continue
  mkdir -p "$2/$dir"
  for file in "$dir"*; do
    case $file in *.pgbackrest.tmp) continue ;; esac
    [ ! -f "$file" ] || copy "$file" "$2/$file"
  done
done
# A full backup comes before those that go on from it.
for file in archive/*/*/*.history backup/*/[0-9]*; do
  # A backup that is not finished has no manifest yet.
  [ -f "$file" ] || [ -f "$file/backup.manifest" ] || continue
  mkdir -p "$2/${file%/*}"
  copy "$file" "$2/$file"
done
for file in archive/*/archive.info* backup/*/backup.info*; do
  [ -f "$file" ] || continue
  mkdir -p "$2/${file%/*}"
  cp -a "$file" "$2/$file.part"
  mv "$2/$file.part" "$2/$file"
done
