//! Looking for a mistake in the archived WAL by hand.

use crate::host::quote_word;
use crate::pg::Segment;
use crate::repo::Repo;

/// Commands for `sh` that fetch these segments into the directory `scratch`, and print the
/// transactions that removed files, or, `by_rows`, how many rows each has updated or deleted.
pub(crate) fn by_hand(
    repo: &Repo,
    scratch: &str,
    segments: &[Segment],
    (first, last): (&str, &str),
    by_rows: bool,
) -> String {
    let scratch = quote_word(scratch);
    // As the server runs it: %p is relative to its working directory.
    let fetch = repo.restore_command().replace("%p", "$segment").replace("%f", "$segment");
    let names: Vec<String> = segments.iter().map(ToString::to_string).collect();
    let look = match by_rows {
        false => format!("pg_waldump -p . -r Transaction {first} {last} | grep -E 'COMMIT.*rels'"),
        true => format!(
            "pg_waldump -p . -r Heap {first} {last} | grep -E 'desc: (HOT_)?(UPDATE|DELETE)' | \\\n  \
             sed 's/.*tx: *//; s/,.*//' | sort -n | uniq -c | sort -n | tail"
        ),
    };
    format!("mkdir -p {scratch}\ncd {scratch}\nfor segment in {}; do\n  {fetch}\ndone\n{look}", names.join(" "))
}
