#!/bin/sh -eu
# Takes the lines between $2 and $3 out of the postgresql.conf in $1. If one of the settings $4 is
# set elsewhere in it, the server reads it again.
cd "$1" || exit 1
sed "/^$2\$/,/^$3\$/d" postgresql.conf >postgresql.conf.new || exit 1
if grep -Eq "^[[:space:]]*($4)[[:space:]=]" postgresql.conf.new; then
  cat postgresql.conf.new >postgresql.conf || exit 1
  if read -r pid <postmaster.pid 2>/dev/null; then kill -HUP "$pid" 2>/dev/null || :; fi
fi
rm -f postgresql.conf.new
