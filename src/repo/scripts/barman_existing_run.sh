#!/bin/sh -eu
# Runs barman with a home of its own, $1, that is removed afterwards: there the server $2 has copies
# of what barman knows of the backups in $3 and $4, and links to their data. It has none of the WAL,
# no hooks, and nothing of barman's own directories: whatever barman writes, it writes here. `HOME`
# in the arguments that follow stands for it.
home=$1 server=$2 backups=$3 meta=$4; shift 4
command -v barman >/dev/null || exit 127
rm -rf "$home"
trap 'rm -rf "$home"' EXIT
trap 'exit 143' TERM INT HUP
for dir in base wals incoming streaming errors meta staging; do mkdir -p "$home/$server/$dir"; done
for dir in "$backups"/*; do
  if ! [ -d "$dir" ] || ! [ -r "$dir" ] || ! [ -x "$dir" ]; then continue; fi
  to=$home/$server/base/${dir##*/}
  mkdir "$to"
  for entry in "$dir"/*; do
    if [ -d "$entry" ]; then ln -s "$entry" "$to"; elif [ -r "$entry" ]; then cat "$entry" >"$to/${entry##*/}"; fi
  done
done
for info in "$meta"/*-backup.info; do
  [ ! -r "$info" ] || cat "$info" >"$home/$server/meta/${info##*/}"
done
cat >"$home/barman.conf" <<END
[barman]
barman_user = $(id -un)
barman_home = $home
barman_lock_directory = $home
log_file = $home/barman.log
[$server]
description = $server
conninfo = dbname=postgres
streaming_conninfo = dbname=postgres
backup_method = postgres
archiver = on
streaming_archiver = off
create_slot = manual
recovery_staging_path = $home/$server/staging
local_staging_path = $home/$server/staging
END
barman -q -c "$home/barman.conf" "$@" >&2
