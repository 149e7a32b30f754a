#!/bin/sh
# What the teams have in common. Each is given the directory of the handout, and finds the program
# in $DRILLYARD.

# shellcheck source=/dev/null # it is written by the firedrill
. "$1/env"
say() { timeout 100 "$DRILLYARD" "$@" "$DRILLYARD_RUN"; }
sql() { timeout 60 psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# Servers' files belong to the servers' user.
owner() {
  if [ "$(id -u)" = 0 ]; then
    timeout 100 setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
  else
    timeout 100 "$@"
  fi
}

# The transaction that removed files of tables last, as the archive tells it.
dropped() {
  switched=$(sql -c 'SELECT pg_walfile_name(pg_switch_wal())')
  until_true -c "SELECT last_archived_wal >= '$switched' FROM pg_stat_archiver"
  segments=$(find "$DRILLYARD_ARCHIVE" -name '0*' ! -name '*.*' -printf '%f\n' | sort | sed -n '1p;$p')
  # shellcheck disable=SC2086 # the first one and the last one
  "$PGBIN/pg_waldump" --path "$DRILLYARD_ARCHIVE" --rmgr Transaction $segments |
    sed -n 's/.* tx: *\([0-9]*\),.* COMMIT \(.*\); rels: .*/\1 \2/p' | tail -n 1
}

# A server as it was just before the table was dropped.
recover() {
  xid=$(dropped | cut -d ' ' -f 1)
  [ -n "$xid" ]
  recover_to "recovery_target_xid = '$xid'"
}

# A server as it was just before a target, which is a line of its configuration.
recover_to() {
  restore <<END
archive_mode = off
$1
recovery_target_inclusive = off
recovery_target_action = promote
END
  touch "$DRILLYARD_SCRATCH/recovery.signal"
  begin
  until_true -p "$DRILLYARD_SCRATCH_PORT" -c 'SELECT NOT pg_is_in_recovery()'
}

# The standby takes over, once the primary is down.
promote() {
  until_down
  sql -d service=standby -c 'SELECT pg_promote()' >/dev/null
  until_true -d service=standby -c 'SELECT NOT pg_is_in_recovery()'
}

# Copies the newest backup to the place for a new server. What is added to its settings is read from
# standard input.
restore() {
  owner mkdir -p -m 0700 "$DRILLYARD_SCRATCH"
  owner cp -R "$DRILLYARD_BACKUP/." "$DRILLYARD_SCRATCH/"
  { echo "restore_command = '$DRILLYARD_RESTORE_COMMAND'"; cat; } >"$DRILLYARD_SCRATCH/postgresql.auto.conf"
}

# Starts it.
begin() {
  owner "$PGBIN/pg_ctl" -D "$DRILLYARD_SCRATCH" -l "$DRILLYARD_SCRATCH/log" -w -t 60 \
    -o "-p $DRILLYARD_SCRATCH_PORT" start >/dev/null
}

# Waits until a query on a server says `t`.
until_true() {
  tries=0
  until [ "$(sql "$@" 2>/dev/null)" = t ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "in vain: $*" >&2; exit 1; }
    sleep 0.2
  done
}

# Brings back the table from there, with whatever is called after it and the foreign key that refers
# to it. The publication is there.
bring_back() {
  work=$(mktemp -d)
  "$PGBIN/pg_dump" -p "$DRILLYARD_SCRATCH_PORT" -Fc -f "$work/dump"
  "$PGBIN/pg_restore" -l "$work/dump" | grep -E 'orders|order_id' | grep -v ' PUBLICATION - ' >"$work/list"
  "$PGBIN/pg_restore" -L "$work/list" -f "$work/dump.sql" "$work/dump"
  sql -1 -f "$work/dump.sql" >/dev/null
  rm -r "$work"
}

# Waits until the first server does not answer any more.
until_down() {
  tries=0
  while sql -c 'SELECT 1' >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "it does not go down" >&2; exit 1; }
    sleep 0.2
  done
}

# Says that they are done, until it is accepted. When everything holds it ends by itself, too.
finish() {
  tries=0
  until said=$(say "done" 2>&1); do
    case $said in
      *"is held"* | *"is over"* | *"does not answer"*) return 0 ;;
    esac
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || { echo "$said" >&2; exit 1; }
    sleep 1
  done
  echo "$said"
}
