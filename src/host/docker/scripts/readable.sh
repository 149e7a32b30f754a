#!/bin/sh -eu
# Prints the first of these paths that may not be read, or in which nothing may be read, and ends
# with 1 then.
for path; do
  readable=$path
  for entry in "$path"/*; do
    if [ -r "$entry" ]; then readable=$path; break; fi
    if [ -e "$entry" ]; then readable=; unreadable=$entry; fi
  done
  if [ ! -r "$path" ]; then echo "$path"; exit 1; fi
  if [ -z "$readable" ]; then echo "$unreadable"; exit 1; fi
done
