#!/bin/sh -u
# Writes the file $2 of the WAL below $1, packed or not, to $3. Status 1 if it is not there; one
# that ends the recovery if it is, and cannot be read.
# barman may move it from where it has come in to where it is catalogued: so that is looked at last.
for from in "$1/incoming/$2" "$1/streaming/$2" "$1/wals/$2" "$1/wals/$(printf '%.16s' "$2")/$2" "$1"/wals/*/"$2"; do
  [ -f "$from" ] || continue
  start=$(head -c 6 "$from" | od -An -tx1 | tr -d ' \n') || exit 200
  case $start in
    1f8b*) set -- "$2" "$3" gzip -dc ;;
    425a68*) set -- "$2" "$3" bzip2 -dc ;;
    28b52ffd*) set -- "$2" "$3" zstd -dcq ;;
    04224d18*) set -- "$2" "$3" lz4 -dcq ;;
    fd377a585a00) set -- "$2" "$3" xz -dc ;;
    # What a page of WAL begins with, and a history in plain text.
    ??d0* | ??d1* | 3[0-9]*) set -- "$2" "$3" cat ;;
    *) echo "$from is no WAL, or is packed or encrypted in a way that is not known here" >&2; exit 200 ;;
  esac
  to=$2; shift 2
  "$@" <"$from" >"$to" || { echo "$from cannot be read" >&2; exit 200; }
  exit 0
done
exit 1
