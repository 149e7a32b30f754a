#!/bin/sh
# In a container that is the place for a new server: the variables of the handout are set.
cp -R "$DRILLYARD_BACKUP/." "$DRILLYARD_SCRATCH/"
cat >"$DRILLYARD_SCRATCH/postgresql.auto.conf" <<END
archive_mode = off
restore_command = '$DRILLYARD_RESTORE_COMMAND'
recovery_target = immediate
recovery_target_action = promote
END
touch "$DRILLYARD_SCRATCH/recovery.signal"
"$PGBIN/pg_ctl" -D "$DRILLYARD_SCRATCH" -l "$DRILLYARD_SCRATCH/log" -w -o "-p $DRILLYARD_SCRATCH_PORT" start >/dev/null
socket=$(sed -n 5p "$DRILLYARD_SCRATCH/postmaster.pid")
tries=0
until [ "$(psql -h "$socket" -p "$DRILLYARD_SCRATCH_PORT" -Atc 'SELECT pg_is_in_recovery()')" = f ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ]
  sleep 0.3
done
