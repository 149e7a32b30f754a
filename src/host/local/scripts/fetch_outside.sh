#!/bin/sh -u
# A restore_command of a server that is cut off from the network: has drillyard, which listens at
# the pipe $1, fetch the file $2 to $3; $4 is the file with the last restart point. It says what the
# restore_command itself has said, and ends with its status. What goes wrong here ends with one that
# ends the recovery: 1 would be the end of the archive, which it is if nobody listens any more.
answer=$1.answers/$$
trap 'rm -f "$answer"' EXIT
rm -f "$answer"
mkfifo -m 600 "$answer" || exit 200
# Only so does it not wait for somebody to listen.
printf '%s %s %s %s\n' "$$" "$2" "$3" "$4" | dd of="$1" bs=4096 oflag=nonblock conv=notrunc,nocreat 2>/dev/null
case $? in 0) ;; 1) exit 1 ;; *) exit 200 ;; esac
command exec 3<"$answer" || exit 200
while IFS= read -r line <&3; do
  case $line in
    +*) printf '%s\n' "${line#+}" >&2 ;;
    *) exit "$line" ;;
  esac
done
exit 1
