#!/bin/sh -eu
# Lets the server in $1 have tablespaces within its data directory. A configuration that the drill
# has removed is not made again, and a last line without an end stays what it is.
conf="$1/postgresql.conf"
line='allow_in_place_tablespaces = on'
[ -f "$conf" ] || exit 0
if ! grep -qx "$line" "$conf"; then printf '\n%s\n' "$line" >>"$conf"; fi
