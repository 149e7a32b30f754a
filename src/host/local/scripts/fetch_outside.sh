#!/bin/sh -eu
# A restore_command of a server that is cut off from the network: has drillyard, which listens at
# the pipe $1, fetch the file $2 to $3; $4 is the file with the last restart point. It ends with the
# status that the restore_command itself ended with, and says what that said.
answer=$1.$$
trap 'rm -f "$answer" "$answer.said"' EXIT
mkfifo -m 600 "$answer"
exec 3<>"$answer"
printf '%s %s %s %s\n' "$$" "$2" "$3" "$4" >"$1"
read -r status <&3
cat "$answer.said" >&2
exit "$status"
