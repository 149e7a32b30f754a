#!/bin/sh -eu
# Makes the barman server $2 in the directory $1, with a configuration for the user who runs this.
# Whom it connects to, and with which password, is in the environment of each command.
mkdir -p "$1/$2/base" "$1/$2/incoming" "$1/$2/wals"
cat >"$1/barman.conf" <<END
# written by drillyard
[barman]
barman_user = $(id -un)
barman_home = $1
barman_lock_directory = $1
log_file = $1/barman.log
[$2]
description = $2
conninfo = dbname=postgres
streaming_conninfo = dbname=postgres
backup_method = postgres
archiver = on
streaming_archiver = off
create_slot = manual
END
