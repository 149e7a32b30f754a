#!/bin/sh -eu
# Restores the base backup in $1, plain or tar, to the data directory $2; what lies there is
# removed. Its tablespaces go below $3. It is another server's: no link of it leads out of the new
# directory any more, so that nothing outside is written.
[ -d "$1" ] || { echo "there is no backup at $1" >&2; exit 1; }
[ ! -e "$2/postmaster.pid" ] || {
  echo "there is a postmaster.pid in $2: a server may be running there; stop it first" >&2
  exit 1
}
rm -rf "$2" "$3"
mkdir -m 700 "$2"
place() { mkdir -p "$3"; chmod 700 "$3"; mkdir -m 700 "$3/$oid"; }
link() { rm -rf "$2/pg_tblspc/$oid"; ln -s "$3/$oid" "$2/pg_tblspc/$oid"; }
# tar fails if the program that unpacks does, as a pipe would not: a wrong checksum is damage.
unpack() {
  case $1 in
    *.tar) tar -xf "$1" -C "$2" ;;
    *.gz) tar -I gzip -xf "$1" -C "$2" ;;
    *.zst) tar -I zstd -xf "$1" -C "$2" ;;
    *.lz4) tar -I lz4 -xf "$1" -C "$2" ;;
    *.xz) tar -I xz -xf "$1" -C "$2" ;;
    *.bz2) tar -I bzip2 -xf "$1" -C "$2" ;;
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
# A tar file that somebody made of a data directory has the original's links in it.
for link in "$2"/pg_tblspc/*; do
  [ -L "$link" ] || continue
  to=$(readlink "$link")
  case $to in "$3"/*) ;; *) echo "the backup lacks tablespace ${link##*/}: it links to $to" >&2; exit 1 ;; esac
done
find "$2" -type l ! -path "$2/pg_tblspc/*" | while IFS= read -r link; do
  if [ -d "$link/." ]; then rm "$link"; mkdir -m 700 "$link"; else rm "$link"; fi
done
