#!/bin/sh -eu
# Restores the base backup in $1, plain or tar, to the data directory $2; what lies there is
# removed. Its tablespaces go below $3. It is another server's: no link of it leads out of the new
# directory any more, so that nothing outside is written.
[ -d "$1" ] || { echo "there is no backup at $1" >&2; exit 1; }
rm -rf "$2" "$3"
mkdir -m 700 "$2"
place() { mkdir -p "$3"; chmod 700 "$3"; mkdir -m 700 "$3/$oid"; }
link() { rm -rf "$2/pg_tblspc/$oid"; ln -s "$3/$oid" "$2/pg_tblspc/$oid"; }
unpack() {
  case $1 in
    *.tar) tar -xf "$1" -C "$2" ;;
    *.gz | *.tgz) gzip -dc "$1" | tar -xf - -C "$2" ;;
    *.zst) zstd -dcq "$1" | tar -xf - -C "$2" ;;
    *.lz4) lz4 -dcq "$1" | tar -xf - -C "$2" ;;
    *.xz) xz -dc "$1" | tar -xf - -C "$2" ;;
    *.bz2) bzip2 -dc "$1" | tar -xf - -C "$2" ;;
    *) echo "$1 is packed in a way that is not known here" >&2; exit 1 ;;
  esac
}
if [ -f "$1/PG_VERSION" ]; then
  # The WAL of a backup is filled up with zeros; not every cp can leave them out.
  cp -a --sparse=always "$1/." "$2" 2>/dev/null || { rm -rf "$2"; mkdir -m 700 "$2"; cp -a "$1/." "$2"; }
  for from in "$1"/pg_tblspc/*; do
    [ -L "$from" ] || continue
    oid=${from##*/}
    [ -d "$from/." ] || { echo "the backup lacks tablespace $oid: it links to $(readlink "$from")" >&2; exit 1; }
    place "$@"
    cp -a "$from/." "$3/$oid"
    link "$@"
  done
else
  for tar in "$1"/base.tar*; do unpack "$tar" "$2"; done
  if [ -f "$2/tablespace_map" ]; then
    while read -r oid _; do
      place "$@"
      found=
      for tar in "$1/$oid".tar*; do
        [ -f "$tar" ] || continue
        unpack "$tar" "$3/$oid"; found=1
      done
      [ -n "$found" ] || { echo "the backup lacks $oid.tar, its tablespace $oid" >&2; exit 1; }
      link "$@"
    done <"$2/tablespace_map"
  fi
  for tar in "$1"/pg_wal.tar*; do
    [ -f "$tar" ] || continue
    mkdir -p "$2/pg_wal"
    unpack "$tar" "$2/pg_wal"
  done
fi
chmod 700 "$2"
rm -f "$2/tablespace_map" "$2/postmaster.pid" "$2/postmaster.opts"
if [ -L "$2/pg_wal" ]; then
  rm "$2/pg_wal"
  mkdir -m 700 "$2/pg_wal"
  [ ! -d "$1/pg_wal/." ] || cp -a "$1/pg_wal/." "$2/pg_wal"
fi
find "$2" -type l ! -path "$2/pg_tblspc/*" | while IFS= read -r link; do
  if [ -d "$link/." ]; then rm "$link"; mkdir -m 700 "$link"; else rm "$link"; fi
done
