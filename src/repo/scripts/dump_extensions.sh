#!/bin/sh -eu
# Prints the extensions in the dumps of the backup $1, each in a line. pg_cron is left out, as the
# restore does. Prepended are the functions of dump_forms.sh.
IFS='
'
form='' toc=''
need_unpackers "$1"
for dump in $(dumps_of "$1"); do
  form_of "$dump"
  case $form in
    custom | tar | directory)
      toc=$(pg_restore -l "$dump")
      printf '%s\n' "$toc" | sed -n 's/^[0-9].* EXTENSION - \([^ ]*\) *$/\1/p'
      ;;
    plain | cluster) unpacked "$dump" | sed -n 's/^CREATE EXTENSION \(IF NOT EXISTS \)\{0,1\}"\{0,1\}\([^ ";]*\).*/\2/p' ;;
  esac
done | { grep -vx pg_cron || :; } | sort -u
