# shellcheck shell=bash
# shellcheck disable=SC2154
# What ci/drill and ci/test both need to know of the machine. Sourced, with $root set.

# Says what is missing, and ends: the lab failed.
missing() {
  echo "ci/${0##*/}: $1" >&2
  exit 4
}

# Runs a command, and shows what it wrote only where it fails. On a terminal cargo may show its
# progress.
quietly() {
  local log
  if [[ -t 2 && $1 = cargo ]]; then
    "$@" || missing "$* failed: see above"
    return
  fi
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    missing "$* failed: see above"
  fi
  rm -f "$log"
}

# Where cargo puts what it builds.
target_directory() {
  local dir=${CARGO_TARGET_DIR:-${CARGO_BUILD_TARGET_DIR:-target}}
  # A relative one is relative to where cargo is run: at the top of the project.
  [[ $dir = /* ]] && echo "$dir" || echo "$root/$dir"
}

need_cargo() {
  command -v cargo >/dev/null && return
  if [[ -x ${CARGO_HOME:-${HOME:-/root}/.cargo}/bin/cargo ]]; then
    PATH=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH
    return
  fi
  missing "cargo is missing (Rust 1.89 or newer): curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
}

has_linker() { command -v cc >/dev/null; }

# Whether there is OpenSSL to build with: sessions on external servers are encrypted by it, as
# libpq's are.
has_openssl() { command -v pkg-config >/dev/null && pkg-config --exists openssl; }

# Whether packages can be installed here without asking anybody.
can_apt() { [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; }

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  # The lists of a fresh machine are empty or old.
  apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 </dev/null && return
  quietly apt-get update -q
  quietly apt-get install -y --no-install-recommends "$@"
}

docker_answers() { command -v docker >/dev/null && timeout 10 docker version >/dev/null 2>&1; }

# Whether a daemon answers that has an image which drillyard finds by itself.
docker_image() {
  docker_answers &&
    docker image ls --format '{{.Repository}}:{{.Tag}}' 2>/dev/null | grep -qE '^(drillyard/)?postgres:[0-9]+'
}

# Whether there is an installation where drillyard looks: all the programs of one, in one directory.
local_postgres() {
  local dir program dirs=()
  IFS=: read -ra dirs <<<"$PATH"
  for dir in "${dirs[@]}" /usr/lib/postgresql/*/bin /usr/local/pgsql*/bin /usr/local/postgresql*/bin /opt/pgsql*/bin \
    /opt/postgresql*/bin /opt/homebrew/opt/postgresql*/bin /usr/pgsql*/bin "$(pg_config --bindir 2>/dev/null || true)"; do
    for program in postgres initdb pg_ctl pg_basebackup pg_dump psql; do
      [[ -n $dir && -x $dir/$program ]] || continue 2
    done
    return 0
  done
  return 1
}
