#!/bin/sh -eu
# Fills a new server, which runs, with the backup $1. Roles and tablespaces come from the dump of
# globals in it, or else from the one that matches the pattern $2 and was written nearest to the
# time $3; the directories of tablespaces are made below $4. $5 is `theirs` if the server that was
# dumped is somebody else's. Prepended are the functions of dump_forms.sh.
#
# Prints what was done, a word and a tab before each; all that went wrong goes to standard error,
# the first first, without the statements: there may be passwords in them.
IFS='
'
form='' toc='' wrong=''
backup=$1 pattern=$2 time=$3 spaces=$4 whose=$5
work=$(mktemp -d "${spaces%/*}/dump.XXXXXX")
trap 'rm -rf "$work"' EXIT
# No session here loads what a role or a database has set, and no statement gets into the log.
export PGOPTIONS="$PGOPTIONS -c session_preload_libraries= -c local_preload_libraries= -c log_min_error_statement=panic"
jobs=$(nproc 2>/dev/null || echo 1)
if [ "$jobs" -gt 4 ]; then jobs=4; fi
failed=

sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

# Says which errors there are in what a program wrote, whose exit status was $2; $1 is what it did.
errors() {
  awk -v what="$1" '
    /from TOC entry/ { sub(/.*from TOC entry [0-9]+; [0-9]+ [0-9]+ /, ""); entry = " (" $0 ")"; next }
    /ERROR:|FATAL:|PANIC:| error: / {
      sub(/^psql:[^:]*:[0-9]+: /, ""); sub(/^[a-z_]+: error: /, ""); sub(/^could not execute query: /, "")
      print what ": " $0 entry; entry = ""
    }' "$work/said" >"$work/errors"
  if [ -s "$work/errors" ]; then
    cat "$work/errors" >&2; failed=1
  elif [ "$2" != 0 ]; then
    echo "$1: exit status $2" >&2; failed=1
  fi
}

# Takes out of the globals what this server has already, and gives tablespaces places of their own.
own_globals() {
  awk -v spaces="$spaces" '
    body || /^\\connect / { body = 1; print; next }
    # Of pg_dumpall --clean: there is nothing of it yet.
    /^DROP (DATABASE|ROLE|TABLESPACE) / { next }
    /^CREATE ROLE postgres;$/ || /^ALTER ROLE postgres WITH / { next }
    /^CREATE TABLESPACE / && match($0, / LOCATION \047.*\047;$/) {
      dir = spaces "/" ++number
      system("mkdir -p -m 700 " dir)
      $0 = substr($0, 1, RSTART - 1) " LOCATION \047" dir "\047;"
    }
    { print }'
}

# Has psql read the text $1 in the database $2, to its first error if $3 is 1.
read_text() {
  rc=0
  own=own_globals
  if [ "$form" = plain ]; then own='cat'; fi
  { unpacked "$1" 2>"$work/unpacking" || echo "error: $1 cannot be unpacked" >>"$work/unpacking"; } | $own |
    PGDATABASE=$2 psql -Xq -v ON_ERROR_STOP="$3" -o /dev/null -f - 2>"$work/said" || rc=$?
  # At its first error psql reads no more, and whoever unpacks is stopped.
  if [ "$rc" = 0 ] && grep 'cannot be unpacked$' "$work/unpacking" >&2; then failed=1; fi
}

# The database in which one can work on the database $1.
beside() { if [ "$1" = postgres ]; then echo template1; else echo postgres; fi; }

# Removes one of the databases that every new server has.
remove() {
  case $1 in postgres | template1) ;; *) return 0 ;; esac
  sql -d "$(beside "$1")" -c "UPDATE pg_database SET datistemplate = false WHERE datname = '$1'"
  dropdb --force --if-exists --maintenance-db="$(beside "$1")" "$1"
}

# Restores an archive of pg_dump.
archive() {
  name=$(printf '%s\n' "$toc" | sed -n 's/^; *dbname: //p')
  printf '%s\n' "$toc" >"$work/toc"
  cp "$work/toc" "$work/wanted"
  # A library that has to be loaded when the server starts; its jobs would run. What an object is of
  # stands behind what it is, in capitals: other tables may be called so.
  if grep -q '^[0-9].* EXTENSION - pg_cron ' "$work/toc"; then
    sed -e '/ EXTENSION - pg_cron /d' -e '/ COMMENT - EXTENSION pg_cron /d' \
      -e '/^[0-9]*; [0-9]* [0-9]* [A-Z ]* cron [^ ]* [^ ]*$/d' -e '/^[0-9].* - SCHEMA cron /d' "$work/toc" >"$work/wanted"
    printf 'left_out\textension pg_cron in %s\n' "$name"
  fi
  remove "$name"
  set -- --create -d "$(beside "$name")" -L "$work/wanted" "$1"
  if [ "$form" != tar ]; then set -- -j "$jobs" "$@"; fi
  rc=0
  pg_restore "$@" 2>"$work/said" || rc=$?
  errors "$name" $rc
}

# Restores a text of pg_dump. One that was taken without --create does not say what it is of: the
# name of the file does.
text() {
  unpacked "$1" 2>/dev/null | head -n 300 >"$work/head" || :
  name=$(sed -n 's/^\\connect "*\([^" ]*\)"*$/\1/p' "$work/head" | head -n 1)
  at=template1
  if [ -z "$name" ]; then
    name=$(basename "$1" | sed -E -e 's/\.(gz|zst|lz4|xz|bz2)$//' -e 's/\.[a-z]+$//' -e 's/[-_.]?20[0-9]{2}[-_.]?[01][0-9][-_.]?[0-3][0-9].*$//')
    encoding=$(sed -n "s/^SET client_encoding = '\([^']*\)';.*/\1/p" "$work/head" | head -n 1)
    remove "$name"
    rc=0
    createdb --maintenance-db="$(beside "$name")" -T template0 -E "${encoding:-UTF8}" --locale=C "$name" 2>"$work/said" || rc=$?
    errors "$name" $rc
    at=$name
  else
    remove "$name"
  fi
  # After an error rows would be taken for statements.
  read_text "$1" "$at" 1
  errors "$name" $rc
}

mkdir -p "$spaces"
need_unpackers "$backup"
globals=
for dump in $(dumps_of "$backup"); do
  form_of "$dump"
  case $form in
    globals) globals=$dump ;;
    # It has its own.
    cluster) pattern='' ;;
  esac
done
nearest=
# shellcheck disable=SC2086  # the pattern is to match
[ -n "$globals" ] || for path in $pattern; do
  [ -f "$path" ] || continue
  apart=$(($(stat -c %Y "$path") - time))
  apart=${apart#-}
  if [ -z "$nearest" ] || [ "$apart" -lt "$nearest" ]; then nearest=$apart globals=$path; fi
done
if [ -n "$globals" ]; then
  need_unpackers "$globals"
  form_of "$globals"
  look_at "$globals" "$form" to-its-end
  case $form in globals | cluster) ;; *) wrong="it is no dump of pg_dumpall" ;; esac
  if [ -n "$wrong" ]; then echo "$globals: $wrong" >&2; exit 1; fi
  printf 'globals\t%s\n' "$globals"
  read_text "$globals" postgres 0
  errors "$globals" $rc
elif [ -n "$pattern" ]; then
  echo "there is no dump of globals: nothing matches $pattern" >&2; exit 1
fi
for dump in $(dumps_of "$backup"); do
  form_of "$dump"
  [ "$form" != globals ] || continue
  look_at "$dump" "$form" to-its-end
  if [ -n "$wrong" ]; then echo "$dump: $wrong" >&2; failed=1; continue; fi
  case $form in
    custom | tar | directory) archive "$dump" ;;
    plain) text "$dump" ;;
    cluster) name=; read_text "$dump" postgres 1; errors "${dump##*/}" $rc ;;
  esac
done
[ -z "$failed" ] || exit 1

sql -d template1 -c "SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1" >"$work/databases"
sed 's/^/database	/' "$work/databases"
if [ "$whose" = theirs ]; then
  harmful="FROM pg_db_role_setting, unnest(setconfig) one WHERE split_part(one, '=', 1) IN
    ('session_preload_libraries', 'local_preload_libraries')"
  sql -d template1 -c "SELECT 'left_out' || chr(9) || split_part(one, '=', 1) $harmful"
  sql -d template1 -o /dev/null <<EOF
SELECT concat('ALTER ', CASE setrole WHEN 0 THEN '' ELSE format('ROLE %s', setrole::regrole) END,
  (SELECT CASE setrole WHEN 0 THEN format('DATABASE %I', datname) ELSE format(' IN DATABASE %I', datname) END
     FROM pg_database WHERE oid = setdatabase),
  ' RESET ', split_part(one, '=', 1)) $harmful
\gexec
EOF
fi
while read -r name; do
  PGDATABASE=$name sql <<'EOF'
SELECT format('ALTER SUBSCRIPTION %I DISABLE', subname) FROM pg_subscription
  WHERE subenabled AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
\gexec
SELECT format(E'subscription\t%s', subname) FROM pg_subscription
  WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database());
SELECT format(E'foreign_server\t%s in %s', srvname, current_database()) FROM pg_foreign_server;
EOF
done <"$work/databases"
