#!/bin/sh -eu
# Starts the server in $1, which logs to $2, and looks at most $3 times whether it accepts
# connections: the eighth line of postmaster.pid says so (LOCK_FILE_LINE_PM_STATUS in PostgreSQL's
# pidfile.h). A file that was there and is gone means that the server has ended; one that never
# comes, that it did not get as far. It prints the length of the log before the start.
#
# If $4 is `configure`, it configures the server first: $5 is appended to postgresql.conf, $6 is
# pg_hba.conf, $7 the name of a signal file, $8 a directory to make, $9 a postgresql.auto.conf that
# replaces the server's own. All of that is one trip to the host, since in a container each costs 50
# ms. If ${10} is given, it is the disk that pg_wal has to lie on; if ${11} is, the file that sets
# the clock of the server and of all that it starts.
#
# Exit status: 0 it accepts connections; 3 it has ended; 4 it was looked at often enough; 5 it could
# not be configured.
runs() {
  kill -0 "$1" 2>/dev/null || return 1
  # One that was killed stays as a zombie for as long as its parent looks away.
  { IFS= read -r state <"/proc/$1/stat"; } 2>/dev/null || state=
  case $state in *") Z "*) return 1 ;; esac
}
if [ "$4" = configure ]; then
  { rm -f "$1/standby.signal" "$1/recovery.signal" && printf '%s' "$5" >>"$1/postgresql.conf" &&
    printf '%s' "$6" >"$1/pg_hba.conf"; } || exit 5
  if [ -n "$9" ]; then printf '%s' "$9" >"$1/postgresql.auto.conf" || exit 5; fi
  if [ -n "$7" ]; then : >"$1/$7" || exit 5; fi
  if [ -n "$8" ]; then mkdir -p "$8" || exit 5; fi
fi
# Whatever made the data directory has made a pg_wal in it.
if [ -n "${10:-}" ] && [ -d "$1/pg_wal" ] && [ ! -L "$1/pg_wal" ]; then
  { rm -rf "${10}/pg_wal" && cp -a "$1/pg_wal" "${10}/pg_wal" && rm -rf "$1/pg_wal" && ln -s "${10}/pg_wal" "$1/pg_wal"; } || exit 5
fi
if [ -n "${11:-}" ]; then
  library=
  for place in /usr/lib/*/faketime /usr/lib/faketime /usr/local/lib/faketime; do
    if [ -e "$place/libfaketime.so.1" ]; then library=$place/libfaketime.so.1; fi
  done
  if [ -z "$library" ]; then
    echo "it has no clock of its own, since libfaketime is not there: install Debian's libfaketime where it runs" >&2
    exit 5
  fi
  clock=${11}
  if [ ! -e "$clock" ]; then echo +0 >"$clock" || exit 5; fi
  # Durations are measured by another clock, which never jumps. The file is read at every look. The
  # library keeps things in /dev/shm under the name that it gives them here: whoever removes the
  # server has to know it.
  pg_ctl() {
    LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 \
      sh -c 'echo "$FAKETIME_SHARED" >>"$FAKETIME_TIMESTAMP_FILE.memory"; exec pg_ctl "$@"' sh "$@"
  }
fi
if [ -f "$2" ]; then wc -c <"$2"; else echo 0; fi
# Reads the file: the process, the status, and all of it.
look() {
  pid=; status=; all=; number=0
  [ -f "$1" ] || return 1
  while read -r line; do
    number=$((number + 1)); all="$all|$line"
    case $number in 1) pid=$line ;; 8) status=$line ;; esac
  done <"$1" || :
}
seen=0; missing=0; left=$3; stale=
if look "$1/postmaster.pid" 2>/dev/null && ! runs "$pid"; then
  # That of one that was killed lies there until the new one takes its place.
  stale=$all
  # PostgreSQL would take a zombie for a server that runs, and refuses to start beside the last of a
  # killed one's children.
  # shellcheck disable=SC3013  # dash and busybox know -ef
  children() { for cwd in /proc/[0-9]*/cwd; do [ "$cwd" -ef "$1" ] && return 0; done; return 1; }
  while [ "$left" -gt 0 ] && { kill -0 "$pid" 2>/dev/null || children "$1"; }; do left=$((left - 1)); sleep 0.005; done
fi
pg_ctl -D "$1" -l "$2" -W start >/dev/null 2>&1 || exit 3
# Whoever has little patience still wants to know whether it has come so far as to write that file.
while [ "$left" -gt 0 ] || { [ $seen = 0 ] && [ $missing -le 400 ]; }; do
  left=$((left - 1))
  if look "$1/postmaster.pid" 2>/dev/null && [ "$all" != "$stale" ]; then
    seen=1
    case $status in ready*|standby*) exit 0 ;; esac
    if [ -n "$pid" ] && ! runs "$pid"; then exit 3; fi
  else
    missing=$((missing + 1))
    if [ $seen = 1 ] || [ $missing -gt 400 ]; then exit 3; fi
  fi
  sleep 0.005
done
exit 4
