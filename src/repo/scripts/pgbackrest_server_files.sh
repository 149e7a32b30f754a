#!/bin/sh -eu
# Fetches files of a backup of PostgreSQL $2 from a repository of pgBackRest to the directory $1.
# For each the arguments are its name, the program that unpacks it (or nothing), the path of what it
# lies in, where it begins there and how long it is, up to an argument `--`. What follows that is
# pgbackrest's own. Prints as server_files.sh does.
dir=$1 version=$2
shift 2
rm -rf "$dir"
mkdir -p "$dir/global"
chmod 700 "$dir"
echo "$version" >"$dir/PG_VERSION"
wanted=$dir/wanted
: >"$wanted"
while [ "$1" != -- ]; do
  # A field may be empty, and tabs are one separator then.
  printf '%s:%s:%s:%s:%s\n' "$1" "$2" "$4" "$5" "$3" >>"$wanted"
  shift 5
done
shift
while IFS=: read -r file unpack offset size path; do
  [ -z "$unpack" ] || command -v "$unpack" >/dev/null ||
    { rm -rf "$dir"; echo "none $unpack is not installed here, by which it is packed"; exit; }
  pgbackrest "$@" repo-get "$path" >"$dir/holder"
  case $path in
    */bundle/*) tail -c "+$((offset + 1))" "$dir/holder" | head -c "$size" >"$dir/packed" ;;
    *) mv "$dir/holder" "$dir/packed" ;;
  esac
  if [ -n "$unpack" ]; then "$unpack" -dc <"$dir/packed" >"$dir/$file"; else mv "$dir/packed" "$dir/$file"; fi
done <"$wanted"
rm -f "$wanted" "$dir/packed" "$dir/holder"
echo "some $dir"
