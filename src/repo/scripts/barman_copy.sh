#!/bin/sh -eu
# Copies from the server in $1 to the one in $2 whatever is not there yet. WAL first, then backups,
# and the catalogue of WAL last: nothing may be listed before it is there.
[ -d "$1/wals" ] || { echo "there is no server of barman at $1" >&2; exit 1; }
copy() {
  [ -e "$2" ] && return
  mkdir -p "${2%/*}"
  # Names that begin with a dot are nobody's yet.
  part=${2%/*}/.${2##*/}.part
  rm -rf "$part"
  cp -a "$1" "$part"
  mv "$part" "$2"
}
cd "$1"
# Newer ones keep what they know of a backup in `meta`, and call the catalogue by the server's name.
for file in wals/*/* wals/*.history incoming/* base/* meta/* identity.json; do
  [ -e "$file" ] || continue
  # A backup is one when barman has written that it is done.
  case $file in
    base/*) grep -q '^status=DONE' "$file/backup.info" "meta/${file##*/}-backup.info" 2>/dev/null || continue ;;
    meta/*-backup.info) grep -q '^status=DONE' "$file" || continue ;;
  esac
  copy "$file" "$2/$file"
done
for file in wals/*xlog.db; do
  [ -f "$file" ] || continue
  cp -a "$file" "$2/wals/.xlog.db.part"
  mv "$2/wals/.xlog.db.part" "$2/$file"
done
