#!/bin/sh -eu
# Prints the archive in $1: the files with their sizes, the one that was written last first; then
# the history files of timelines, each with its lines behind a space. Nothing for an archive that is
# not there.
cd "$1" 2>/dev/null || exit 0
ls -lnt || :
for file in *.history; do
  [ -f "$file" ] || continue
  echo "history $file"
  while IFS= read -r line || [ -n "$line" ]; do printf ' %s\n' "$line"; done <"$file" || continue
done
