#!/bin/sh -eu
# Prints which of the files and libraries that are named in pairs after the data directory $1 are
# not there. If it is not known in which directory the libraries lie, none is missing.
cd "$1"; shift
bin=$(dirname "$(readlink -f "$(command -v postgres)")")
lib=
for dir in "$(pg_config --pkglibdir 2>/dev/null || :)" "$bin/../lib" "$bin/../lib/postgresql"; do
  [ -n "$dir" ] && ls "$dir"/*.so >/dev/null 2>&1 && { lib=$dir; break; }
done
while [ $# -gt 1 ]; do
  name=$2
  case $1:$name in
    file:*) [ -r "$name" ] || echo "$name" ;;
    library:\$libdir/*) [ -z "$lib" ] || [ -e "$lib/${name#*/}.so" ] || [ -e "$lib/${name#*/}" ] || echo "$name" ;;
    library:/*) [ -e "$name" ] || [ -e "$name.so" ] || echo "$name" ;;
    library:*) [ -z "$lib" ] || [ -e "$lib/$name.so" ] || [ -e "$lib/$name" ] || echo "$name" ;;
  esac
  shift 2
done
