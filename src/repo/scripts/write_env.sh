#!/bin/sh -eu
# Writes TEXT to env.sh in the directory $1, for nobody else to read; makes the directory $2, if
# there is one.
umask 077
mkdir -p "$1" ${2:+"$2"}
printf '%s' "$TEXT" >"$1/.env.sh.$$"
mv "$1/.env.sh.$$" "$1/env.sh"
