# Reads what pg_waldump prints, and keeps what committed transactions wrote to the files of tables:
# which places of rows they filled and left.
#
# Variables: `files` are the files (tablespace/database/file), with spaces between them; `from` is
# the LSN from which commits count.

BEGIN {
    OFS = "\t"
    from = number(from)
    n = split(files, list, " ")
    for (i = 1; i <= n; i++) owner[list[i]] = i
}

# Keeps one thing that a transaction did to a row: what, and the places before and after it.
function keep(x, what, file, old, new) {
    done[x]++
    deed[x, done[x]] = NR OFS file OFS what OFS old OFS new
}

# The number behind a word that ends in `off`.
function offset(what, word) {
    if (!match(what, word ":? [0-9]+")) return ""
    what = substr(what, RSTART, RLENGTH)
    sub(/.* /, "", what)
    return what
}

function heap_record(line, x, what,    op, rel, file, new, old, i, n, list) {
    rel = behind(line, "blkref #0: rel ")
    if (!(rel in owner)) return
    file = owner[rel]
    op = what
    sub(/[ +].*/, "", op)
    new = behind(line, "blkref #0: rel " rel " blk ")
    if (op == "INSERT") keep(x, "insert", file, "", new "," offset(what, "off"))
    else if (op == "DELETE") keep(x, "delete", file, new "," offset(what, "off"), "")
    else if (op ~ /^(HOT_)?UPDATE$/) {
        old = behind(line, "blkref #1: rel " rel " blk ")
        if (old == "") old = new
        keep(x, "update", file, old "," offset(what, "off"), new "," offset(what, "new.off"))
    } else if (op == "MULTI_INSERT") {
        if (match(what, /offsets: \[[0-9, ]*\]/)) {
            n = split(substr(what, RSTART + 10, RLENGTH - 11), list, ", *")
            for (i = 1; i <= n; i++) keep(x, "insert", file, "", new "," list[i])
        } else if (what ~ /^MULTI_INSERT\+INIT/ && match(what, /ntuples: [0-9]+|[0-9]+ tuples/)) {
            n = substr(what, RSTART, RLENGTH)
            gsub(/[^0-9]/, "", n)
            for (i = 1; i <= n; i++) keep(x, "insert", file, "", new "," i)
        } else keep(x, "somewhere", file, "", new ",0")
    }
}

# The end of a transaction and of its subtransactions.
function ended(line, x, what,    i, k, n, sub_x, mine, text, when, counts) {
    if (match(what, /^[A-Z]+_PREPARED [0-9]+/)) { x = substr(what, 1, RLENGTH); sub(/.* /, "", x) }
    counts = (what ~ /^COMMIT/ && number(behind(line, ", lsn: ")) >= from)
    mine[x] = 1
    text = ""
    if (match(line, /; subxacts:[0-9 ]*/)) {
        text = substr(line, RSTART + 11, RLENGTH - 11)
        n = split(text, sub_x, " ")
        for (i = 1; i <= n; i++) mine[sub_x[i]] = 1
    }
    for (i in mine) {
        for (k = 1; k <= done[i]; k++) {
            if (counts) print "row", deed[i, k]
            delete deed[i, k]
        }
        delete done[i]
    }
    if (!counts) return
    when = what
    sub(/^[A-Z_]+ ([0-9]+: )?/, "", when)
    sub(/;.*/, "", when)
    print "commit", x, behind(line, ", lsn: "), when, text
}

{
    at = index($0, ", desc: ")
    what = substr($0, at + 8)
    if (substr($0, 1, 14) == "rmgr: Standby ") {
        if (begun == "" && what ~ /^RUNNING_XACTS/) {
            begun = behind(what, "nextXid ")
            oldest = behind(what, "oldestRunningXid ")
        }
    } else if (substr($0, 1, 10) == "rmgr: Heap") heap_record($0, behind($0, ", tx:"), what)
    else if (substr($0, 1, 18) == "rmgr: Transaction " && what ~ /^(COMMIT|ABORT)/) ended($0, behind($0, ", tx:"), what)
}

END { print "end", begun, oldest }
