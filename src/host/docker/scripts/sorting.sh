#!/bin/sh
# Prints what `ldd` says of itself and of the program postgres, and waits to be removed.
ldd --version 2>&1
echo 'drillyard: postgres'
for postgres in "$(command -v postgres)" /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres; do
  if [ -x "$postgres" ]; then ldd "$postgres" 2>&1; break; fi
done
echo 'drillyard: ready'
exec sleep 60
