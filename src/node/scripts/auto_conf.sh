#!/bin/sh -eu
# Prints the control file of the server in $1, the line $2, and its postgresql.auto.conf.
pg_controldata -D "$1" 2>/dev/null || :
echo "$2"
if [ -f "$1/postgresql.auto.conf" ]; then cat "$1/postgresql.auto.conf"; fi
