#!/bin/sh -eu
# Appends the lines $2 to the postgresql.conf in $1.
printf '%s\n' "$2" >>"$1/postgresql.conf"
