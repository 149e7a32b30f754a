#!/bin/sh -eu
# Prints what matches the pattern $1, each in a line of fields with tabs between them: its path; why
# it is no backup, if it is none; when it was begun, in seconds since 1970. Prepended are the
# functions of dump_forms.sh.
IFS='
'
form='' toc='' wrong=''
dir=${1%/*}
case $dir in *[*?[]*) dir=${1%%[*?[]*} dir=${dir%/*} ;; esac
[ -n "$dir" ] || dir=/
[ -d "$dir" ] || { echo "there is no directory $dir" >&2; exit 1; }
if ! [ -r "$dir" ] || ! [ -x "$dir" ]; then echo "$(id -un) may not read $dir" >&2; exit 1; fi
may_read() { [ -r "$1" ] && { [ ! -d "$1" ] || [ -x "$1" ]; }; }
# When a dump was begun: an archive says so, on the clock of where it was taken; where that is
# another one than here, it may seem to be later than its file.
begun() {
  written=$(stat -c %Y "$1")
  case $2 in custom | tar | directory) ;; *) echo "$written"; return ;; esac
  [ "$2" != directory ] || written=$(stat -c %Y "$1/toc.dat")
  said=$(printf '%s\n' "$toc" | sed -n 's/^; *Archive created at \([-0-9]* [0-9:]*\).*/\1/p')
  created=$(date -d "$said" +%s 2>/dev/null) || created=$written
  if [ "$created" -gt "$written" ]; then created=$written; fi
  echo "$created"
}
# shellcheck disable=SC2086  # the pattern is to match
for path in $1; do
  [ -e "$path" ] || continue
  first='' found='' why=''
  need_unpackers "$path"
  if ! may_read "$path"; then
    why="$(id -un) may not read it"
  else
    for dump in $(dumps_of "$path"); do
      name=''
      if [ "$dump" != "$path" ]; then name="${dump##*/}: "; fi
      if ! may_read "$dump"; then why="$name$(id -un) may not read it"; break; fi
      form_of "$dump"
      look_at "$dump" "$form"
      if [ -n "$wrong" ]; then why=$name$wrong; break; fi
      if [ "$form" = globals ]; then
        if [ -z "$name" ]; then why="it has roles and tablespaces, and no database"; fi
        continue
      fi
      found=1 time=$(begun "$dump" "$form")
      if [ -z "$first" ] || [ "$time" -lt "$first" ]; then first=$time; fi
    done
    if [ -z "$found$why" ]; then why="there is no dump of a database in it"; fi
  fi
  # Of a dump that is not whole it is told that a newer one is: other files may be anything.
  if [ -z "$first" ] && [ "$form" != other ] && [ "$form" != night ]; then first=$(stat -c %Y "$path"); fi
  printf '%s\t%s\t%s\n' "$path" "$why" "${first:-0}"
done
