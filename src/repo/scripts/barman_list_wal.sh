#!/bin/sh -eu
# Prints the archive of the server in $1, as list_wal.sh does: what is catalogued, and what has come
# and waits for the next `barman archive-wal`. `barman get-wal` gives either.
cd "$1" 2>/dev/null || exit 0
# shellcheck disable=SC2012  # the names are PostgreSQL's: digits
ls -lnt wals/*/* incoming/* 2>/dev/null | sed 's#[^ ]*/##'
for file in wals/*.history wals/*/*.history incoming/*.history; do
  [ -f "$file" ] || continue
  echo "history ${file##*/}"
  while IFS= read -r line || [ -n "$line" ]; do printf ' %s\n' "$line"; done <"$file" || continue
done
