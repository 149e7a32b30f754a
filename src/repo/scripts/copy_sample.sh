#!/bin/sh -eu
# Copies what lies in the directory $1 to the file $2, as much as it gets in two seconds and at most
# 64 MB, and removes it again. Prints how many bytes, and the milliseconds until the disk had them.
trap 'rm -f "$2"' EXIT
began=$(date +%s%N)
timeout 2 find "$1" -type f -exec cat {} + 2>/dev/null | head -c 67108864 | dd of="$2" bs=1M iflag=fullblock conv=fsync 2>/dev/null
ended=$(date +%s%N)
echo "$(stat -c %s "$2") $(((ended - began) / 1000000))"
