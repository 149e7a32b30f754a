# Reads what pg_waldump prints, and follows a table and its partitions through it.
#
# A table is followed by the place of its row in pg_class: an UPDATE of that row by a transaction
# that commits gives the next place, a DELETE of it is the DROP of the table. A commit that removes
# the table's file, after such an UPDATE, has given it another one: TRUNCATE makes an empty file
# just before it updates the row; what copies the rows (VACUUM FULL, CLUSTER, ALTER TABLE) makes a
# new row in pg_class with a new file, and swaps the files of the two rows, first the table's and at
# once the other one's.
#
# Variables: `class` is pg_class (tablespace/database/file); `tables` lists place, path and file of
# each, with `;` between them; `known` is the LSN up to which all is known; `since` the one from
# which changes of rows count, where they are counted (`count`).

BEGIN {
    OFS = "\t"
    known = number(known)
    since = number(since)
    n = split(tables, list, " ")
    for (i = 1; i <= n; i++) {
        split(list[i], part, ";")
        at_place[part[1]] = i
        place[i] = part[1]
        path[i] = part[2]
        owner[part[3]] = i
    }
    most = 5
    oldest = 1
}

# A file as records name it: tablespace/database/file.
function file_of(path,    part) {
    n_parts = split(path, part, "/")
    if (part[1] == "base") return "1663/" part[2] "/" part[3]
    if (part[1] == "pg_tblspc") return part[2] "/" part[n_parts - 1] "/" part[n_parts]
    return ""
}

# Notes what a transaction does to a row of pg_class.
function class_record(line, x, what,    op, old, new, new_block, old_block, r, swapped) {
    op = what
    sub(/[ +].*/, "", op)
    if (op !~ /^(INSERT|UPDATE|HOT_UPDATE|DELETE)$/) return
    if (!(x in began)) began[x] = behind(line, ", lsn: ")
    swapped = own_step[x]
    delete own_step[x]
    match(what, /off:? [0-9]+/)
    old = substr(what, RSTART, RLENGTH)
    sub(/.* /, "", old)
    new_block = behind(line, "blkref #0: rel " class " blk ")
    old_block = behind(line, "blkref #1: rel " class " blk ")
    if (old_block == "") old_block = new_block
    old = old_block "," old
    if (op == "INSERT") {
        newborn[old] = last_made[x]
        born[x] = born[x] " " old
        return
    }
    if (op != "DELETE") {
        match(what, /new.off:? [0-9]+/)
        new = substr(what, RSTART, RLENGTH)
        sub(/.* /, "", new)
        new = new_block "," new
    }
    r = at_place[old]
    if (!r) r = moving[old]
    if (!r) {
        if (op == "DELETE" && !(old in newborn)) other[x] = 1
        if (op != "DELETE" && (old in newborn)) {
            newborn[new] = newborn[old]
            born[x] = born[x] " " new
            if (swapped) step_copy[swapped] = newborn[old]
        }
        return
    }
    steps++
    step_x[steps] = x
    step_r[steps] = r
    step_new[steps] = new
    step_file[steps] = last_made[x]
    if (new != "") {
        moving[new] = r
        own_step[x] = steps
    }
}

# The end of a transaction and of its subtransactions.
function ended(line, x, what,    i, k, n, sub_x, list, mine, commits, text, rels, when, total, r, empty, copy, dropped_other, first) {
    commits = (what ~ /^COMMIT/)
    if (match(what, /^[A-Z]+_PREPARED [0-9]+/)) { x = substr(what, 1, RLENGTH); sub(/.* /, "", x) }
    mine[x] = 1
    n = 0
    if (match(line, /; subxacts:[0-9 ]*/)) {
        text = substr(line, RSTART + 11, RLENGTH - 11)
        n = split(text, sub_x, " ")
        for (i = 1; i <= n; i++) mine[sub_x[i]] = 1
    }
    if (commits) {
        when = what
        sub(/^[A-Z_]+ ([0-9]+: )?/, "", when)
        sub(/;.*/, "", when)
        if (first_time == "") first_time = when
        last_time = when
        commit_count++
    }
    if (count) {
        total = 0
        for (i in mine) if (i in rows) { total += rows[i]; delete rows[i] }
        if (commits && total > 0) changed_rows(line, x, when, total)
    }
    if (oldest <= steps) {
        rels = ""
        if (commits && match(line, /; rels:[^;]*/)) rels = substr(line, RSTART + 7, RLENGTH - 7) " "
        for (i = oldest; i <= steps; i++) {
            if (!(step_x[i] in mine)) continue
            step_x[i] = ""
            delete moving[step_new[i]]
            if (!commits) continue
            r = step_r[i]
            delete at_place[place[r]]
            if (step_new[i] == "") {
                event("dropped", line, x, when, r)
                continue
            }
            place[r] = step_new[i]
            at_place[place[r]] = r
            if (!(r in empty)) empty[r] = ""
            if (empty[r] == "") empty[r] = step_file[i]
            if (step_copy[i] != "") copy[r] = step_copy[i]
        }
        while (oldest <= steps && step_x[oldest] == "") oldest++
        for (r in empty) {
            if (path[r] == "" || index(rels, " " path[r] " ") == 0) continue
            path[r] = (r in copy) ? copy[r] : empty[r]
            owner[file_of(path[r])] = r
            event((r in copy) ? "rewritten" : "truncated", line, x, when, r)
        }
    }
    for (i in mine) {
        if (commits && (i in other)) dropped_other = 1
        if ((i in began) && (first == "" || number(began[i]) < number(first))) first = began[i]
        delete other[i]
        delete began[i]
        delete own_step[i]
        delete last_made[i]
        if (i in born) {
            n = split(born[i], list, " ")
            for (k = 1; k <= n; k++) delete newborn[list[k]]
            delete born[i]
        }
    }
    if (dropped_other) event("other", line, x, when, first)
}

function event(what, line, x, when, r) {
    print what, x, behind(line, ", lsn: "), total_length(line), when, r
}

# Keeps the transactions that changed the most rows.
function changed_rows(line, x, when, total,    i, j) {
    candidates++
    if (top_count == most && total < top_rows[most]) return
    # Of two with as many rows the later one stands first.
    for (i = 1; i <= top_count && top_rows[i] > total; i++);
    for (j = (top_count < most) ? top_count : most - 1; j >= i; j--) { top_rows[j + 1] = top_rows[j]; top_line[j + 1] = top_line[j] }
    top_rows[i] = total
    top_line[i] = x OFS behind(line, ", lsn: ") OFS total_length(line) OFS when
    if (top_count < most) top_count++
}

{
    if (!beyond) {
        if (number(behind($0, ", lsn: ")) <= known) next
        beyond = 1
    }
    records++
    at = index($0, ", desc: ")
    what = substr($0, at + 8)
    x = behind($0, ", tx:")
    if (substr($0, 1, 11) == "rmgr: Heap ") {
        rel = behind($0, "blkref #0: rel ")
        if (rel == class) class_record($0, x, what)
        else if (count && (rel in owner) && what ~ /^(HOT_UPDATE|UPDATE|DELETE)/) {
            if (!counting) counting = (number(behind($0, ", lsn: ")) >= since)
            if (counting) rows[x]++
        }
    } else if (substr($0, 1, 18) == "rmgr: Transaction ") {
        if (what ~ /^(COMMIT|ABORT)/) ended($0, x, what)
    } else if (substr($0, 1, 14) == "rmgr: Storage " && what ~ /^CREATE /) {
        made_path = substr(what, 8)
        sub(/[ ,;].*/, "", made_path)
        last_made[x] = made_path
    }
}

END {
    for (i = 1; i <= top_count; i++) print "changed", top_line[i], top_rows[i]
    print "end", commit_count + 0, first_time, last_time, candidates + 0
}
