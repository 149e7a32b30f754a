#!/bin/sh -eu
# Lists the files of a repo: their sizes in bytes and their paths below it. Files that are still
# being written have names that begin with a dot.
cd "$1" 2>/dev/null || exit 0
find . -type f ! -name '.*' -printf '%s %P\n' | sort -k 2
