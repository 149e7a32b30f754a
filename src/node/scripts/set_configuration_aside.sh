#!/bin/sh -eu
# Sets the configuration files of the data directory $1 aside: the server that starts there has only
# what drillyard writes. Prints its version, and the lines of postgresql.conf and
# postgresql.auto.conf.
cat "$1/PG_VERSION" 2>/dev/null || echo
for name in postgresql.conf postgresql.auto.conf; do
  [ -f "$1/$name" ] || continue
  cat "$1/$name"
  echo
done
for name in postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf; do
  if [ -f "$1/$name" ]; then mv "$1/$name" "$1/$name.original"; fi
  : >"$1/$name"
  chmod 600 "$1/$name"
done
rm -f "$1/standby.signal" "$1/recovery.signal" "$1/current_logfiles"
