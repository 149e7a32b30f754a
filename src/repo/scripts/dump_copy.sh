#!/bin/sh -eu
# Copies the backup $1, a file or a directory, to the directory $2, under its own name. Prints where
# it lies then, and the size and the path of the largest file in it.
rm -rf "$2"; mkdir -m 700 "$2"
copy=$2/${1##*/}
cp -R --preserve=timestamps "$1" "$copy"
chmod -R u+rwX "$copy"
echo "$copy"
find "$copy" -type f -printf '%s %p\n' | sort -n | tail -n 1
