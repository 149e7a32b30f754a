#!/bin/sh -eu
# Kills the postmaster of $1, and waits until it is gone; a zombie is.
read -r pid <"$1/postmaster.pid"
kill -9 "$pid"
while kill -0 "$pid" 2>/dev/null; do
  case $(cat "/proc/$pid/stat" 2>/dev/null) in *") Z "*) break ;; esac
  sleep 0.002
done
