# What lines of pg_waldump say: functions for the programs that read them.

BEGIN { digits = "0123456789ABCDEF" }

# An LSN as a number.
function number(lsn,    half, i, value, k) {
    split(lsn, half, "/")
    value = 0
    for (k = 1; k <= 2; k++) {
        value = (k == 2) ? value * 4294967296 : value
        part_value = 0
        for (i = 1; i <= length(half[k]); i++) part_value = part_value * 16 + index(digits, toupper(substr(half[k], i, 1))) - 1
        value += part_value
    }
    return value
}

# What stands in `text` behind `before`, up to a space, a comma or a semicolon.
function behind(text, before,    at) {
    at = index(text, before)
    if (at == 0) return ""
    text = substr(text, at + length(before))
    match(text, /^ *[^ ,;]*/)
    text = substr(text, 1, RLENGTH)
    gsub(/ /, "", text)
    return text
}

# The length of a record.
function total_length(line) {
    match(line, /\(rec\/tot\): *[0-9]+\/ *[0-9]+/)
    line = substr(line, RSTART, RLENGTH)
    sub(/.*\/ */, "", line)
    return line
}

