#!/bin/sh -eu
# Reads the dumps of the backup $1 to their ends, and prints what is wrong with them. Prepended are
# the functions of dump_forms.sh.
IFS='
'
form='' wrong=''
bad=
need_unpackers "$1"
for dump in $(dumps_of "$1"); do
  form_of "$dump"
  look_at "$dump" "$form" to-its-end
  if [ -z "$wrong" ]; then
    case $form in
      custom | tar | directory)
        said=$(pg_restore --create -f /dev/null "$dump" 2>&1) || wrong=$(printf '%s\n' "$said" | head -n 1)
        ;;
      *) if is_packed "$dump"; then said=$(unpacked "$dump" 2>&1 >/dev/null) || wrong=$said; fi ;;
    esac
  fi
  if [ -n "$wrong" ]; then bad=1; echo "${dump##*/}: $wrong" >&2; fi
done
[ -z "$bad" ]
