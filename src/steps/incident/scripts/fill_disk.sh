#!/bin/sh -eu
# Fills the disk at $1, of $2 bytes, until $3 are left, and prints how many are. Whatever is not a
# disk in memory of that size, mounted from $4 at that very place, is somebody else's. If less than
# $5 bytes of memory would stay available, nothing is filled.
cd "$1"
df=$(df -Pk . | sed -n 2p)
size=$(echo "$df" | awk '{ print $2 }')
place=$(echo "$df" | sed 's/.*[0-9]% *//')
if [ "$(stat -f -c %T .)" != tmpfs ] || [ "${df%% *}" != "$4" ] || [ "$place" != "$(pwd -P)" ] || [ "$size" -ne $(($2 / 1024)) ]; then
  echo "$1 is not a disk of the drill's own" >&2
  exit 3
fi
left() { echo $(($(df -Pk . | awk 'NR == 2 { print $4 }') * 1024)); }
# The memory that programs can still have, in bytes: this machine's, or what the limit of the
# control group leaves, where what is cached of files can be had back.
available() {
  machine=$(awk '$1 == "MemAvailable:" { printf "%.0f", $2 * 1024 }' /proc/meminfo)
  group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
  limit=$(cat "$group/memory.max" 2>/dev/null) || limit=max
  [ "$limit" != max ] || { echo "$machine"; return; }
  cached=$(awk '/^(in)?active_file / { sum += $2 } END { printf "%.0f", sum }' "$group/memory.stat")
  more=$((limit - $(cat "$group/memory.current") + cached))
  echo $((more < machine ? more : machine))
}
# Segments that a server has are its own: copied or made as holes, they take their space now.
find . -path '*/pg_wal/????????????????????????' -type f | while read -r segment; do
  fallocate -l "$(stat -c %s "$segment")" "$segment" || :
done
# Others write and remove files meanwhile (a server that recovers from a crash, for seconds), and
# take memory: parts of it are filled one by one, and what becomes free within 10 s is filled, too.
tries=100
while more=$(($(left) - $3)); [ "$more" -gt 0 ] && [ "$tries" -gt 0 ]; do
  memory=$(available)
  if [ $((memory - more)) -lt "$5" ]; then
    rm -f old.tar
    echo "$((more >> 20)) MB are to be filled, $((memory >> 20)) MB of memory are available, and $(($5 >> 20)) MB have to stay so" >&2
    exit 4
  fi
  part=$((more < 64 << 20 ? more : 64 << 20))
  [ "$part" -lt "$more" ] || tries=$((tries - 1))
  head -c "$part" /dev/zero >>old.tar 2>/dev/null || :
  [ "$tries" -eq 100 ] || sleep 0.1
done
left
