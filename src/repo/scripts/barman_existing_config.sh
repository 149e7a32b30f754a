#!/bin/sh -eu
# Prints the configuration files that barman reads: $1, or the one that it takes by itself, and
# those of the directory that this one names.
config=$1
may_read() { [ -r "$1" ] || { echo "$(id -un) may not read $1" >&2; exit 1; }; }
if [ -z "$config" ]; then
  for one in /etc/barman.conf /etc/barman/barman.conf; do
    [ ! -f "$one" ] || { config=$one; break; }
  done
  [ -n "$config" ] || { echo "there is no /etc/barman.conf: \`config\` names another file" >&2; exit 1; }
fi
[ -f "$config" ] || { echo "there is no file $config" >&2; exit 1; }
may_read "$config"
cat "$config"
echo
more=$(sed -n 's/^configuration_files_directory *[=:] *//p' "$config" | tail -n 1)
[ -n "$more" ] || exit 0
for file in "$more"/*.conf; do
  [ -f "$file" ] || continue
  may_read "$file"
  cat "$file"
  echo
done
