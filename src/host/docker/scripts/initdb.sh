#!/bin/sh -eu
# A new cluster. $1 is PGDATA, the rest are options of initdb. An image without the locale C.UTF-8
# gets C, with the same encoding.
data=$1; shift; umask 077
printf %s "$DRILLYARD_PASSWORD" >"$data.password"
make() { locale=$1; shift; initdb -D "$data" -U postgres -E UTF8 --locale="$locale" --auth=scram-sha-256 \
  --pwfile="$data.password" --no-sync -k "$@"; }
if ! make C.UTF-8 "$@" >"$data.log" 2>&1; then
  if grep -q 'invalid locale' "$data.log"; then rm -rf "$data"; make C "$@" >"$data.log" 2>&1
  else false; fi
fi || { status=$?; cat "$data.log" >&2; rm -rf "$data" "$data.password" "$data.log"; exit $status; }
rm -f "$data.password" "$data.log"
