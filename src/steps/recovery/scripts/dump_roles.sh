#!/bin/sh -eu
# Dumps the roles of a cluster into the file $1: one that is there already is no error.
pg_dumpall --roles-only --no-password --file "$1.part"
awk '
  made { print; print "EXCEPTION WHEN duplicate_object THEN NULL; END $drillyard$;"; made = 0; next }
  /^CREATE ROLE .*;$/ { print "DO $drillyard$ BEGIN"; made = 1 }
  { print }
' "$1.part" >"$1"
rm "$1.part"
