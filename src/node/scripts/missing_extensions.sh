#!/bin/sh -eu
# Prints which of these extensions are not installed here; nothing if it is not known where they
# would be.
bin=$(dirname "$(readlink -f "$(command -v postgres)")")
for config in "$bin/pg_config" pg_config; do
  share=$("$config" --sharedir 2>/dev/null) && break || share=
done
[ -d "$share/extension" ] || { share=$bin/../share/postgresql; [ -d "$share/extension" ] || share=$bin/../share; }
[ -d "$share/extension" ] || exit 0
for name; do
  [ -e "$share/extension/$name.control" ] || echo "$name"
done
