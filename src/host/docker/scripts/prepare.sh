#!/bin/sh
# What a container does at every start, before it sleeps: it finds PostgreSQL's programs, reports
# what it has found, and makes the directories belong to the server's user. $1 is the major version.
report() { printf 'drillyard: %s\n' "$1"; }
bin=
for dir in "/usr/lib/postgresql/$1/bin" "$(dirname "$(command -v postgres || echo /none/postgres)")" /usr/local/bin \
  /usr/local/pgsql/bin "/usr/pgsql-$1/bin" /opt/bitnami/postgresql/bin /usr/libexec/postgresql; do
  if [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ]; then bin=$dir; break; fi
done
if [ -z "$bin" ]; then
  report "lacks PostgreSQL's programs (postgres and initdb are looked for in PATH and /usr/lib/postgresql/$1/bin)"
elif ! id postgres >/dev/null 2>&1; then
  report "lacks a user named postgres"
else
  mkdir -p /drillyard/data /drillyard/repos /drillyard/shared /drillyard/log /drillyard/run
  chown postgres:postgres /drillyard /drillyard/* /drillyard/repos/* 2>/dev/null
  chmod 700 /drillyard/data
  report "bin $bin"
  report "ids $(id -u postgres):$(id -g postgres)"
  report "path $PATH"
  report "home $(getent passwd postgres 2>/dev/null | cut -d: -f6)"
  report "version $("$bin/postgres" --version 2>&1)"
fi
report ready
exec sleep 2147483647
