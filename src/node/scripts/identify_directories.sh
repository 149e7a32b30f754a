#!/bin/sh -eu
# Prints for each directory what identifies it on this machine, or `none`: it is made if that can be
# done.
for dir; do
  if [ -d "$dir" ]; then
    stat -Lc %d:%i "$dir"
  else
    if mkdir -p "$dir" 2>/dev/null; then chmod 700 "$dir" || :; fi
    echo none
  fi
done
