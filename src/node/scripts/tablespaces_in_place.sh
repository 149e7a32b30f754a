#!/bin/sh -eu
# Prints the tablespaces within the data directory $1: there is none where nothing is.
if [ -d "$1/pg_tblspc" ]; then find "$1/pg_tblspc" -mindepth 1 -maxdepth 1 -type d; fi
