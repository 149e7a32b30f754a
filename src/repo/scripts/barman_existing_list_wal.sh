#!/bin/sh -eu
# Prints the WAL below $1, as list_wal.sh does: packed files with the size $2 of a whole segment.
# Which are packed, barman's own list says, and else how they begin; barman_existing_get_wal.sh in
# $3 unpacks histories.
cd "$1"
list=wals/xlog.db
[ -r "$list" ] || list=/dev/null
# barman moves WAL from the first two to the last: in this order nothing is missed meanwhile.
find -L incoming streaming wals -maxdepth 2 -type f -printf '%T@ %s %p\n' 2>/dev/null | sort -rn | awk -v size="$2" -v list="$list" '
  BEGIN { FS = "\t"; while ((getline <list) > 0) if ($4 != "" && $4 != "None") packed[$1] = 1; FS = " " }
  { name = $3; sub(/.*\//, "", name) }
  name !~ /^[0-9A-F]+$/ || length(name) != 24 { next }
  $2 > 0 && $2 != size && packed[name] { print "-", size, name, "-"; next }
  $2 > 0 && $2 != size { print "?", $2, name, $3; next }
  { print "-", $2, name, "-" }' | while read -r known bytes name path; do
  if [ "$known" = '?' ]; then
    case $(head -c 6 "$path" | od -An -tx1 | tr -d ' \n') in
      1f8b* | 425a68* | 28b52ffd* | 04224d18* | fd377a585a00) bytes=$2 ;;
    esac
  fi
  echo "- - - - $bytes $name"
done
for file in wals/*.history wals/*/*.history incoming/*.history streaming/*.history; do
  [ -f "$file" ] || continue
  echo "history ${file##*/}"
  sh "$3" "$1" "${file##*/}" /dev/stdout | while IFS= read -r line || [ -n "$line" ]; do printf ' %s\n' "$line"; done
done
