#!/bin/sh -eu
# Prints what a restore of the last of these directories makes, each with a backup as pg_basebackup
# writes it, plain or tar, which goes on from those before it: lines `least BYTES` and `most BYTES`
# that it takes up, `tablespace NUMBER`, `lacks WHAT` is not in it, `unknown WHAT: WHY`. Prepended
# are the functions of tablespaces.sh.
kilobytes() { du -sk "$1" | cut -f 1; }
# The bytes of the plain backup in $1, with its tablespaces.
plain_bytes() {
  all=$(kilobytes "$1")
  for oid in $(plain_tablespaces "$1" | sed -n 's/^tablespace //p'); do
    [ ! -L "$1/pg_tblspc/$oid" ] || all=$((all + $(kilobytes "$1/pg_tblspc/$oid/.")))
  done
  echo $((all * 1024))
}
# What the tar file $1 begins with: pg_basebackup puts backup_label and tablespace_map in front.
begins() {
  case $1 in
  *.gz) unpack=gzip ;; *.zst) unpack=zstd ;; *.lz4) unpack=lz4 ;; *.xz) unpack=xz ;; *.bz2) unpack=bzip2 ;; *) unpack= ;;
  esac
  { if [ -n "$unpack" ]; then $unpack -dc "$1"; else cat "$1"; fi; } 2>/dev/null | head -c 1048576
}
tar_tablespaces() {
  for tar in "$1"/base.tar*; do break; done
  first=$(begins "$tar" | tar -tf - 2>/dev/null | head -n 1)
  map=
  if [ "$first" = backup_label ]; then
    map=$(begins "$tar" | tar -xOf - --occurrence=1 tablespace_map 2>/dev/null) || :
  elif [ ! -f "$1/backup_manifest" ]; then
    echo "unknown tablespaces: $tar does not begin with a backup_label, as pg_basebackup writes it"
  fi
  # Each with a line of its own: number, a blank, and the path if it is known.
  listed=
  if [ -f "$1/backup_manifest" ]; then
    listed=$(sed -n 's/^.*"Path": "pg_tblspc\/\([0-9]*\)\/.*/\1 /p' "$1/backup_manifest" | sort -u)
  fi
  printf '%s\n%s\n' "$map" "$listed" | awk 'NF && !seen[$1]++' | packed_tablespaces "$1"
}
# The bytes of the tar backup in $1 once it is unpacked; nothing where nobody says.
tar_bytes() {
  if [ -f "$1/backup_manifest" ]; then
    awk -F '"Size": ' 'NF > 1 { split($2, number, /[, }]/); all += number[1] } END { printf "%.0f\n", all }' "$1/backup_manifest"
    return
  fi
  all=0
  for file in "$1"/*; do
    case $file in *.tar) all=$((all + $(kilobytes "$file"))) ;; *.tar.*) return ;; esac
  done
  echo $((all * 1024))
}
# What is unpacked of a chain lies beside what is put together of it.
sum=0 beside=0
for dir; do
  if [ -f "$dir/PG_VERSION" ]; then
    plain_tablespaces "$dir"
    bytes=$(plain_bytes "$dir")
  else
    tar_tablespaces "$dir"
    bytes=$(tar_bytes "$dir")
    beside=$((beside + ${bytes:-0}))
  fi
  sum=$((sum + ${bytes:-0}))
  # What Barman copies has none, and its own list in place of it.
  [ -z "${DRILLYARD_BACKUPS-}" ] || [ -f "$dir/backup_manifest" ] ||
    echo "unknown whether all of its files are there: $dir has no backup_manifest, which lists them"
done
[ $# -gt 1 ] || beside=0
if [ -n "$bytes" ]; then echo "least $((bytes + beside))"
else echo "unknown room: it is packed, and has no manifest that says how large its files are"; fi
[ $# -eq 1 ] || echo "most $((sum + beside))"
