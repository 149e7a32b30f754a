#!/bin/sh -eu
# Makes an empty directory for a server of people's own, and says where PostgreSQL's programs are.
mkdir -p "$1"
chmod 0700 "$1"
dirname "$(readlink -f "$(command -v postgres)")"
