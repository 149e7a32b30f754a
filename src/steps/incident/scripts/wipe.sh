#!/bin/sh -eu
# Removes $2 below the directory $1, or all that is in it if $2 is empty; prints how many files
# there were.
cd "$1"
if [ -n "$2" ]; then
  [ -e "./$2" ] || [ -L "./$2" ] || { echo "there is no $2 in the data directory" >&2; exit 3; }
  case $2 in */*) above=${2%/*} ;; *) above=. ;; esac
  case $(cd "./$above" && pwd -P)/ in
    "$(pwd -P)"/*) ;;
    *) echo "$2 lies outside of the data directory: $above leads there" >&2; exit 3 ;;
  esac
  set -- "./$2"
else
  set -- ./* ./.[!.]*
fi
count=$(find "$@" ! -type d 2>/dev/null | wc -l)
[ "$count" -gt 0 ] || { echo "there are no files" >&2; exit 3; }
# The server may put a file where one was just removed.
for _ in 1 2 3 4 5; do
  ! rm -rf "$@" 2>/dev/null || break
done
left=$(find "$@" ! -type d 2>/dev/null | wc -l)
[ "$left" -lt "$count" ] || { echo "none of $count files could be removed" >&2; exit 3; }
echo "$count"
