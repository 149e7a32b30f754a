#!/usr/bin/env bash
# A small production for `ci/bench nightly`, with last night's backup and WAL since then; and the
# nightly drill by hand, with PostgreSQL's own programs.
#
#   ci/bench-nightly.sh make DIR SCALE     makes it, with `pgbench -i -s SCALE`, and starts it
#   ci/bench-nightly.sh by-hand DIR        restores, follows, throws it away
#   ci/bench-nightly.sh end DIR            stops it
#
# Environment: PGBIN (a directory). As root it runs itself again as the user postgres.
set -euo pipefail
PGBIN=${PGBIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)}
what=$1 W=$2
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$W"; chown postgres "$W"
  exec setpriv --reuid postgres --regid postgres --clear-groups env HOME="$W" PGBIN="$PGBIN" bash "$(readlink -f "$0")" "$@"
fi
export PATH=$PGBIN:$PATH PGUSER=postgres PGDATABASE=postgres PGHOST=$W PGPORT=6031
cd "$W"
q() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

case $what in
make)
  mkdir -p archive backups
  initdb -D m -A trust -k --no-sync >/dev/null
  cat >>m/postgresql.conf <<C
listen_addresses=''
unix_socket_directories='$W'
port=6031
fsync=off
max_wal_size=8GB
archive_mode=on
archive_command='test ! -f $W/archive/%f && cp %p $W/archive/%f'
C
  pg_ctl -D m -l m.log -w start >/dev/null
  pgbench -i -q -s "$3" >/dev/null 2>&1
  pg_basebackup -D backups/lastnight -c fast --no-sync
  pgbench -n -c 4 -t "$(( $3 * 400 ))" >/dev/null 2>&1
  q -c 'CHECKPOINT' -c 'SELECT pg_switch_wal()' >/dev/null
  last=$(q -c "SELECT pg_walfile_name(pg_current_wal_lsn() - 1)")
  until [ -f "archive/$last" ]; do sleep 0.1; done
  du -sk m archive | awk '{ printf "%s %d MB  ", $2, $1 / 1024 } END { print "" }'
  ;;
by-hand)
  cp -a backups/lastnight copy
  cat >copy/postgresql.conf <<C
listen_addresses=''
unix_socket_directories='$W'
port=6032
fsync=off
restore_command='cp $W/archive/%f %p'
primary_conninfo='host=$W port=6031 user=postgres application_name=byhand'
C
  : >copy/postgresql.auto.conf; : >copy/standby.signal
  end=$(q -c 'SELECT pg_current_wal_flush_lsn()')
  pg_ctl -D copy -l copy.log -w -t 600 start >/dev/null
  until [ "$(q -c "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'byhand' AND state = 'streaming' AND flush_lsn >= '$end'")" = 1 ]; do sleep 0.05; done
  until [ "$(q -p 6032 -c "SELECT pg_last_wal_replay_lsn() >= '$end'")" = t ]; do sleep 0.05; done
  pg_ctl -D copy -m immediate -w stop >/dev/null
  rm -rf copy copy.log
  ;;
end) pg_ctl -D m -m immediate -w stop >/dev/null ;;
esac
