#!/bin/sh -eu
# Copies from the repo in $1 to the one in $2 what its commands keep there, as it is now, and adds
# to the lists of backups and WAL what has come with it. The lists are read first: what they name
# later may not have been copied.
from=$1 to=$2
if [ -z "$(ls -A "$from/repo" 2>/dev/null)" ]; then
  echo "there is nothing in its \$DRILLYARD_REPO: what its commands keep elsewhere nobody else can copy" >&2; exit 3
fi
for list in backups archived; do
  cat "$to/$list" "$from/$list" 2>/dev/null | awk '!seen[$0]++' >"$to/.$list.new"
done
cp -au "$from/repo/." "$to/repo/"
for list in backups archived; do mv "$to/.$list.new" "$to/$list"; done
