#!/bin/sh -eu
# Fetches files of a backup of PostgreSQL $2 from a repository of pgBackRest to the directory $1.
# For each the arguments are its name, the program that unpacks it (or nothing) and its path in the
# repository, up to an argument `--`. What follows that is pgbackrest's own. Prints as
# server_files.sh does.
dir=$1 version=$2
shift 2
rm -rf "$dir"
mkdir -p "$dir/global"
chmod 700 "$dir"
echo "$version" >"$dir/PG_VERSION"
wanted=$dir/wanted
: >"$wanted"
while [ "$1" != -- ]; do
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$wanted"
  shift 3
done
shift
while IFS='	' read -r file unpack path; do
  [ -z "$unpack" ] || command -v "$unpack" >/dev/null ||
    { rm -rf "$dir"; echo "none $unpack is not installed here, by which it is packed"; exit; }
  pgbackrest "$@" repo-get "$path" >"$dir/packed"
  if [ -n "$unpack" ]; then "$unpack" -dc <"$dir/packed" >"$dir/$file"; else mv "$dir/packed" "$dir/$file"; fi
done <"$wanted"
rm -f "$wanted" "$dir/packed"
echo "some $dir"
