#!/bin/sh -eu
# Prints the WAL of a repo in $1, as list_wal.sh does: of what was archived there, all that can be
# fetched with the restore_command $2.
cd "$1"
[ -f archived ] || exit 0
touch there
to=$1/fetched.$$
trap 'rm -f "$to"' EXIT
# What was there once is not fetched again.
awk '!seen[$0]++' archived | while read -r name; do
  case $name in *.backup | *.partial) continue ;; esac
  ! grep -q "^$name " there || continue
  rm -f "$to"
  command=$(printf '%s' "$2" | sed -e "s|%p|$to|g" -e "s|%f|$name|g")
  if sh -c "$command" >/dev/null 2>&1 </dev/null && [ -f "$to" ]; then
    case $name in *.history) cp "$to" "$name" ;; esac
    echo "$name $(wc -c <"$to" | tr -d ' ')" >>there
  fi
done
# The one that came last is the first.
awk '$1 !~ /history/ { line[NR] = "- - - - " $2 " " $1 } END { for (at = NR; at; at--) if (at in line) print line[at] }' there
for file in *.history; do
  [ -f "$file" ] || continue
  echo "history $file"
  while IFS= read -r line || [ -n "$line" ]; do printf ' %s\n' "$line"; done <"$file" || continue
done
