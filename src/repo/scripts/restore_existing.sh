#!/bin/sh -eu
# Restores the base backup in $1, plain or tar, to the data directory $2; what lies there is
# removed. Its tablespaces go below $3. It is another server's: no link of it leads out of the new
# directory any more, so that nothing outside is written. An incremental one is put together with
# those that it goes on from: the other arguments, the full one first. Prepended are the functions
# of tablespaces.sh.
backup=$1 data=$2 spaces=$3
shift 3
for one in "$@" "$backup"; do
  [ -d "$one" ] || { echo "there is no backup at $one" >&2; exit 1; }
done
[ ! -e "$data/postmaster.pid" ] || {
  echo "there is a postmaster.pid in $data: a server may be running there; stop it first" >&2
  exit 1
}
if [ $# -gt 0 ] && ! command -v pg_combinebackup >/dev/null; then
  echo "$backup is incremental, and pg_combinebackup is not installed here, which comes with PostgreSQL 17" >&2
  exit 1
fi
rm -rf "$data" "$spaces"
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
# Lays the backup in $1 out as the data directory $2, with its tablespaces below $3.
lay_out() {
  mkdir -m 700 "$2"
  if [ -f "$1/PG_VERSION" ]; then
    plain_tablespaces "$1" | have_all || exit 1
    cp -a "$1/." "$2"
    for from in "$1"/pg_tblspc/*; do
      [ -L "$from" ] || continue
      oid=${from##*/}
      place "$@"
      cp -a "$from/." "$3/$oid"
      link "$@"
    done
  else
    for tar in "$1"/base.tar*; do unpack "$tar" "$2"; done
    if [ -f "$2/tablespace_map" ]; then
      packed_tablespaces "$1" <"$2/tablespace_map" | have_all || exit 1
      while read -r oid _; do
        place "$@"
        for tar in "$1/$oid".tar*; do unpack "$tar" "$3/$oid"; done
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
    case $to in "$3"/*) ;; *) echo "the backup lacks its tablespace ${link##*/}: it links to $to" >&2; exit 1 ;; esac
  done
  find "$2" -type l ! -path "$2/pg_tblspc/*" | while IFS= read -r link; do
    if [ -d "$link/." ]; then rm "$link"; mkdir -m 700 "$link"; else rm "$link"; fi
  done
}
# Whether pg_combinebackup reads the backup in $1 where it lies: plain, without links but those of
# its tablespaces, which are all there, and those absolute.
as_it_is() {
  [ -f "$1/PG_VERSION" ] || return 1
  [ -z "$(find "$1" -type l ! -path "$1/pg_tblspc/*" | head -n 1)" ] || return 1
  ! plain_tablespaces "$1" | grep -q '^lacks ' || return 1
  for from in "$1"/pg_tblspc/*; do
    [ -L "$from" ] || continue
    case $(readlink "$from") in *=*) return 1 ;; /*) ;; *) return 1 ;; esac
  done
}
if [ $# -eq 0 ]; then
  lay_out "$backup" "$data" "$spaces"
else
  parts=$data-parts
  trap 'rm -rf "$parts"' EXIT
  rm -rf "$parts"; mkdir -m 700 "$parts"
  set -- "$@" "$backup"
  count=$# number=0
  while [ $number -lt $count ]; do
    number=$((number + 1)) one=$1
    shift
    if ! as_it_is "$one"; then
      lay_out "$one" "$parts/$number" "$parts/spaces-$number"
      [ ! -f "$one/backup_manifest" ] || cp "$one/backup_manifest" "$parts/$number"
      one=$parts/$number
    fi
    set -- "$@" "$one"
  done
  for link in "$one"/pg_tblspc/*; do
    [ -L "$link" ] || continue
    mkdir -p "$spaces"; chmod 700 "$spaces"
    set -- -T "$(readlink "$link")=$spaces/${link##*/}" "$@"
  done
  pg_combinebackup --no-sync -o "$data" "$@"
  chmod 700 "$data"
  rm -f "$data/tablespace_map" "$data/postmaster.pid" "$data/postmaster.opts"
fi
