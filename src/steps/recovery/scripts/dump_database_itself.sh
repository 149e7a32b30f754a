#!/bin/sh -eu
# Writes into the file $2 what makes the database itself: $1 is how it is connected to.
pg_dump --format=custom --schema-only --no-password --dbname "$1" --file "$2.part"
pg_restore --create --list "$2.part" |
  grep -E '^[0-9]+; [0-9]+ [0-9]+ ((ACL|COMMENT|SECURITY LABEL) - DATABASE|DATABASE( PROPERTIES)? -) ' >"$2.list"
pg_restore --create --use-list "$2.list" --file "$2" "$2.part"
rm "$2.part" "$2.list"
