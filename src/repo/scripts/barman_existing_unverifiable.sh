#!/bin/sh -eu
# Prints why barman cannot verify the backup in $1, if it cannot.
for tar in "$1"/base.tar*; do
  [ ! -f "$tar" ] || echo 'is packed, and barman verifies plain files alone'
done
[ -f "$1/backup_manifest" ] || echo "has no backup_manifest: barman writes it with \`backup_method = postgres\`"
