#!/bin/sh -eu
# What a path is that may be a dump of pg_dump or pg_dumpall: functions for the scripts that follow.

# Prints the file $1, unpacked.
unpacked() {
  case $1 in
    *.gz) gzip -dc "$1" ;;
    *.zst) zstd -dcq "$1" ;;
    *.lz4) lz4 -dcq "$1" ;;
    *.xz) xz -dc "$1" ;;
    *.bz2) bzip2 -dc "$1" ;;
    *) cat "$1" ;;
  esac
}

# Ends the script if the program is not here that unpacks the file $1, or a file in the night $1:
# nobody knows then what it is.
need_unpackers() {
  if [ -d "$1" ]; then
    # Those of an archive of pg_dump it unpacks itself.
    [ ! -f "$1/toc.dat" ] || return 0
    for member in "$1"/*; do if [ -f "$member" ] && ! is_beside "$member"; then need_unpackers "$member"; fi; done
    return
  fi
  case $1 in
    *.gz) tool=gzip ;;
    *.zst) tool=zstd ;;
    *.lz4) tool=lz4 ;;
    *.xz) tool=xz ;;
    *.bz2) tool=bzip2 ;;
    *) return 0 ;;
  esac
  command -v $tool >/dev/null || { echo "$tool is not installed here, and $1 is packed with it" >&2; exit 127; }
}

is_packed() {
  case $1 in *.gz | *.zst | *.lz4 | *.xz | *.bz2) return 0 ;; *) return 1 ;; esac
}

# Sets `form` of the path $1: `custom`, `tar` and `directory` are pg_dump's archives, `plain` is its
# text; `globals` is pg_dumpall's text of roles and tablespaces, `cluster` that of everything;
# `night` is a directory with other files in it, `other` whatever is no dump.
form_of() {
  form=other
  if [ -d "$1" ]; then
    if [ -f "$1/toc.dat" ]; then form=directory; else form=night; fi
    return
  fi
  case $(unpacked "$1" 2>/dev/null | head -c 2000 | tr -d '\000\200-\377') in
    PGDMP*) form=custom ;;
    toc.dat*) form=tar ;;
    *"-- PostgreSQL database cluster dump"*)
      form=globals
      if unpacked "$1" 2>/dev/null | grep -q '^-- PostgreSQL database dump$'; then form=cluster; fi
      ;;
    *"-- PostgreSQL database dump"*) form=plain ;;
  esac
}

# Whether the text $1 ends as pg_dump ends its texts.
is_complete() {
  if is_packed "$1"; then unpacked "$1" 2>/dev/null | tail -n 20; else tail -n 20 "$1"; fi |
    grep -q '^-- PostgreSQL database.* dump complete$'
}

# Sets `wrong` if a file of rows in the archive directory $1 is cut off: pg_restore takes the end of
# a file for that of its rows. pg_dump ends each with the end of COPY data and two empty lines, or
# one of INSERTs with an empty line (`dumpTableData_copy`, `dumpTableData_insert`); of a packed one
# the program that unpacks it knows, unless nothing is left.
have_ends() {
  for rows in "$1"/[0-9]*.dat "$1"/[0-9]*.dat.*; do
    [ -f "$rows" ] || continue
    if ! [ -s "$rows" ]; then wrong="it was cut off: ${rows##*/} in it is empty"; return; fi
    case $rows in *.dat) ;; *) continue ;; esac
    case $(tail -c 5 "$rows"; echo .) in
      '\.


.') continue ;;
      *'

.') case $(head -c 7 "$rows"; echo .) in 'INSERT .' | '

.') continue ;; esac ;;
    esac
    wrong="it was cut off: ${rows##*/} in it has no end"
    return
  done
}

# Sets `wrong` to why the dump $1 of the form $2 cannot be restored, or to nothing. With a third
# argument packed texts are read to their end, too.
look_at() {
  wrong=
  case $2 in
    custom | tar | directory)
      if is_packed "$1"; then
        wrong="it is an archive of pg_dump in a packed file: unpack it"
      elif [ "$2" = tar ] && ! said=$(tar -tf "$1" 2>&1 >/dev/null); then
        # pg_restore reads one that was cut off for ever.
        wrong="it was cut off: $(printf '%s\n' "$said" | head -n 1)"
      elif ! toc=$(pg_restore --create -l "$1" 2>&1); then
        wrong=$(printf '%s\n' "$toc" | grep 'error:' | head -n 1)
        wrong=${wrong:-pg_restore does not read it}
      elif [ "$2" = directory ]; then
        have_ends "$1"
      fi
      ;;
    plain | globals | cluster)
      if is_packed "$1" && [ $# -lt 3 ]; then return; fi
      is_complete "$1" || wrong="it was cut off: it does not end with \`dump complete\`"
      ;;
    *) wrong="it is no dump of pg_dump or pg_dumpall" ;;
  esac
}

# Whether a file beside dumps need not be one, by its name: notes and checksums.
is_beside() {
  case $1 in
    *.log | *.txt | *.md | *.md5 | *.sha1 | *.sha256 | *.sha512 | *.sum | *.asc | *.sig | *.json | *.out | *.err) return 0 ;;
    *) return 1 ;;
  esac
}

# Prints the dumps that the backup $1 is made of: itself, or the paths in a night's directory.
dumps_of() {
  form_of "$1"
  if [ $form != night ]; then echo "$1"; return; fi
  for member in "$1"/*; do
    if [ -e "$member" ] && ! is_beside "$member"; then echo "$member"; fi
  done
}
