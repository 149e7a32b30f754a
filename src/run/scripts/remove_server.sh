#!/bin/sh -eu
# Stops the server in $1 if it runs, and removes it with its log $2.
if [ -f "$1/postmaster.pid" ]; then pg_ctl -D "$1" -m immediate -w stop >/dev/null 2>&1 || true; fi
rm -rf "$1" "$1-tablespaces" "$2"
