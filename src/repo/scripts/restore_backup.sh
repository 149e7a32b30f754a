#!/bin/sh -eu
# Copies the backup $2 of the repo $1 to the data directory $3; what lies there is removed. Its
# tablespaces go below $4. An incremental one is put together with those that it goes on from.
repo=$1 label=$2 data=$3 spaces=$4
backup=$repo/backups/$label
[ -d "$backup" ] || { echo "there is no backup at $backup" >&2; exit 1; }
[ ! -e "$data/postmaster.pid" ] || {
  echo "there is a postmaster.pid in $data: a server may be running there; stop it first" >&2
  exit 1
}
chain=
while [ -f "$repo/parents/$label" ]; do
  parent=$(cat "$repo/parents/$label")
  [ -d "$repo/backups/$parent" ] || {
    echo "backup $parent is not in the repo: $label is incremental to it, and nothing without it" >&2
    exit 1
  }
  chain="$parent $chain" label=$parent
done
rm -rf "$data" "$spaces"
if [ -n "$chain" ]; then
  parts=$data-parts
  trap 'rm -rf "$parts"' EXIT
  rm -rf "$parts"; mkdir -m 700 "$parts"
  dirs=
  for one in $chain "$2"; do
    dir=$repo/backups/$one
    # pg_combinebackup follows no relative link.
    for link in "$dir"/pg_tblspc/*; do
      [ -L "$link" ] || continue
      [ "$dir" = "$parts/$one" ] || { cp -a "$dir" "$parts/$one"; dir=$parts/$one; }
      ln -sfn "$(readlink -f "$link")" "$dir/pg_tblspc/${link##*/}"
      [ "$one" != "$2" ] || set -- "$@" -T "$(readlink -f "$link")=$spaces/${link##*/}"
    done
    dirs="$dirs $dir"
  done
  [ $# -eq 4 ] || mkdir -m 700 "$spaces"
  shift 4
  # The names of backups are words, and the paths of repos have no blanks.
  # shellcheck disable=SC2086
  pg_combinebackup --no-sync -o "$data" "$@" $dirs
else
  cp -a "$backup" "$data"
  # Tablespaces get places of this server's own: the paths in a backup are those of the server that
  # it was taken from.
  for link in "$backup"/pg_tblspc/*; do
    [ -L "$link" ] || continue
    oid=${link##*/}
    [ -d "$link/." ] || { echo "the backup lacks tablespace $oid" >&2; exit 1; }
    mkdir -p "$spaces"; chmod 700 "$spaces"
    cp -a "$link/." "$spaces/$oid"
    ln -sfn "$spaces/$oid" "$data/pg_tblspc/$oid"
  done
fi
chmod 700 "$data"
rm -f "$data/tablespace_map"
