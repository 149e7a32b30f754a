#!/bin/sh -eu
# Takes back what `barman recover` writes into the data directory $1: the settings that it thinks
# dangerous, which nobody reads there any more.
for file in "$1"/*.origin; do [ ! -f "$file" ] || mv "$file" "${file%.origin}"; done
rm -f "$1/.barman-recover.info"
