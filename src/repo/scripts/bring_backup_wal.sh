#!/bin/sh -eu
# Brings the WAL that the backup in $1 needs, and does not have, by the restore_command $2: from
# where its backup_label says that it begins to where the file that the server archived at its end
# says that it ends.
wal=$1/pg_wal
[ -f "$1/backup_label" ] || exit 0
start=$(sed -n 's/^START WAL LOCATION: \([^ ]*\) (file \([0-9A-F]*\)).*/\2 \1/p' "$1/backup_label")
name=${start% *} position=$((0x${start##*/}))
[ ! -f "$wal/$name" ] || exit 0
mkdir -p "$wal"
get() { sh -c "$(printf '%s' "$2" | sed -e "s|%p|$wal/$1|g" -e "s|%f|$1|g")" >/dev/null; }
size=$(pg_controldata "$1" | sed -n 's/^Bytes per WAL segment: *//p')
end=$(printf '%s.%08X.backup' "$name" $((position % size)))
last=$name
if get "$end" "$2" 2>/dev/null; then
  found=$(sed -n 's/^STOP WAL LOCATION: .* (file \([0-9A-F]*\)).*/\1/p' "$wal/$end")
  [ -z "$found" ] || last=$found
fi
rm -f "$wal/$end"
while :; do
  get "$name" "$2"
  [ "$name" != "$last" ] || break
  high=$((0x$(printf '%s' "$name" | cut -c 9-16))) low=$((0x$(printf '%s' "$name" | cut -c 17-24) + 1))
  if [ $low -ge $((0x100000000 / size)) ]; then high=$((high + 1)) low=0; fi
  name=$(printf '%.8s%08X%08X' "$name" $high $low)
done
