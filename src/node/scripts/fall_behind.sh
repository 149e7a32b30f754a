#!/bin/sh -eu
# Appends the line $2 to the postgresql.conf of the server in $1, which runs, and has it read that
# again.
printf '%s\n' "$2" >>"$1/postgresql.conf"
pg_ctl -D "$1" reload
