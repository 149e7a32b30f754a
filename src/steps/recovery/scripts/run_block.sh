#!/bin/sh -eu
# Runs the commands in the file $2 by the shell $1, which ends with the first that fails, and at a
# variable that is not set. A pipe fails in bash if any of its commands does; not every sh can do
# that. The shell shows each line as it reads it, so that the last one shown is that of the command
# that failed. What they write goes to files: a server that is started among them would hold a pipe
# open for ever.
shell=$1 file=$2 rc=0
# psql ends with the first statement that fails, whether it reads them from a script or from a
# here-document, unless the command says otherwise: its own options come later.
if psql=$(command -v psql); then
    mkdir -p "$file.bin"
    printf '#!/bin/sh\nexec "%s" -v ON_ERROR_STOP=1 "$@"\n' "$psql" >"$file.bin/psql"
    chmod 755 "$file.bin/psql"
    export PATH="$file.bin:$PATH"
fi
set -- -euv
[ "$shell" != bash ] || set -- "$@" -o pipefail
"$shell" "$@" "$file" >"$file.out" 2>"$file.err" </dev/null || rc=$?
cat "$file.out"
cat "$file.err" >&2
exit "$rc"
