#!/bin/sh -eu
# Recovers a copy of the backup $1 in the directory $2, with a server for one user and no
# connections (`postgres --single`), to the end of the WAL that the backup brings along, or to just
# before the LSN $5 with the restore_command $6 on the timeline $7, asks it $3 in the database $4,
# prints the answer and what its log says of the WAL, and removes the copy. Status 3 if there is no
# such backup.
#
# `hot_standby` is off: in 17 and later a server for one user cannot have it. Of large tables
# nothing is copied, as long as that does: their pages are not asked for, and WAL for pages that are
# not there is passed over (`ignore_invalid_pages`). What would take the server out of its directory
# (tablespaces, settings) is left behind. $8 is a directory to be removed, too, or empty.
trap 'rm -rf "$2"; [ -z "$8" ] || rm -rf "$8" "$8-tablespaces"' EXIT
[ -f "$1/PG_VERSION" ] || exit 3
umask 077
ask() {
  rm -rf "$2"; mkdir "$2"
  (cd "$1" && find . -type d ! -path './pg_tblspc/*') | (cd "$2" && xargs mkdir -p)
  (cd "$1" && find . -type f ! -path './base/1/*' ! -path './pg_tblspc/*' ! -path './pg_wal/archive_status/*' ! -path './pg_replslot/*' \
    ! -name '*_fsm' ! -name '*_vm' ! -name backup_manifest ! -name '*.signal' ! -name tablespace_map ! -name 'postgresql*.conf' \
    ! \( -path './base/*' -size "+$5" \)) | (cd "$1" && tar -cf - -T -) | (cd "$2" && tar -xf -)
  cat >"$2/postgresql.conf" <<END
shared_buffers = 32MB
huge_pages = off
dynamic_shared_memory_type = mmap
max_prepared_transactions = 1000
fsync = off
ignore_invalid_pages = on
lc_messages = C
archive_mode = off
END
  if [ -n "$6" ]; then
    cat >>"$2/postgresql.conf" <<END
restore_command = $7
recovery_target_lsn = '$6'
recovery_target_inclusive = off
recovery_target_action = promote
hot_standby = off
recovery_target_timeline = '$8'
END
    : >"$2/recovery.signal"
  fi
  printf "COPY (%s) TO '%s/answer';\n\n" "$3" "$2" | postgres --single -j -D "$2" "$4" >"$2/said" 2>&1 && [ -f "$2/answer" ]
}
ask "$1" "$2" "$3" "$4" 8192k "$5" "$6" "$7" || ask "$1" "$2" "$3" "$4" 999999999k "$5" "$6" "$7" || { tail -n 20 "$2/said" >&2; exit 4; }
cat "$2/answer"
grep -o 'redo done at [0-9A-F/]*' "$2/said" || { cat "$2/said" >&2; exit 4; }
