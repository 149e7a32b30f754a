#!/bin/sh
# All is as it was, but that nobody may write: so they kept users away while they worked, and forgot
# it. They are told, and let users in again.
set -eu
here=$(dirname "$0")
# shellcheck source=tests/firedrill/teams/lib.sh
. "$here/lib.sh"

recover
sql -c 'ALTER SYSTEM SET default_transaction_read_only = on' -c 'SELECT pg_reload_conf()' >/dev/null
export PGOPTIONS='-c default_transaction_read_only=off'
until_true -c "SELECT setting = 'on' FROM pg_file_settings WHERE name = 'default_transaction_read_only'"
bring_back
said=$(say "done" 2>&1) && { echo "it is done: $said" >&2; exit 1; }
case $said in *"users are not served: \`users\` are refused: read_only_sql_transaction"*) ;; *) echo "$said" >&2; exit 1 ;; esac
sql -c 'ALTER SYSTEM RESET default_transaction_read_only' -c 'SELECT pg_reload_conf()' >/dev/null
finish
