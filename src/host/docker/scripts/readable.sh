#!/bin/sh -eu
# Prints the first of these paths that may not be read, or in which nothing or not the newest file
# may be read, and ends with 1 then.
for path; do
  readable=$path
  for entry in "$path"/*; do
    if [ -r "$entry" ]; then readable=$path; break; fi
    if [ -e "$entry" ]; then readable=; unreadable=$entry; fi
  done
  if [ ! -r "$path" ]; then echo "$path"; exit 1; fi
  if [ -z "$readable" ]; then echo "$unreadable"; exit 1; fi
  # What comes may have other permissions than what an administrator has once let read.
  newest=
  for file in "$path"/*; do
    # shellcheck disable=SC3013  # every sh of an image knows it
    if [ -f "$file" ] && { [ -z "$newest" ] || [ "$file" -nt "$newest" ]; }; then newest=$file; fi
  done
  if [ -n "$newest" ] && [ ! -r "$newest" ]; then echo "$newest"; exit 1; fi
done
