//! The write sites of all kinds of a workload, and what they make impossible together.

use super::columns::folded;
use super::footprint::{Footprint, MOST_SITES, WriteSite};
use super::kind::{Kind, Writes, may_be};
use super::terms::value;
use super::write_sites::{mixed, sites_in};
use crate::pg::sql::{Verb, Write};

/// Why a kind's ledger could not show a loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind, by its number.
    pub kind: usize,
    /// Which of its ledgers.
    pub ledger: usize,
    /// What is wrong.
    pub title: String,
    /// What to do.
    pub help: String,
}

/// The write sites of all kinds, and what else they do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprints {
    /// For each kind.
    pub sites: Vec<Vec<WriteSite>>,
    /// What the ledger will not see, and what will look like a loss.
    pub remarks: Vec<String>,
}

/// Reads the footprints of every kind from its SQL. All refusals are reported together.
pub fn footprints(kinds: &[Kind]) -> Result<Footprints, Vec<Refusal>> {
    let writes: Vec<Writes> = kinds.iter().map(Kind::writes).collect();
    let mut refused = vec![];
    let mut all = Footprints::default();
    for (number, (kind, writes)) in kinds.iter().zip(&writes).enumerate() {
        let mut sites: Vec<WriteSite> = vec![];
        for (ledger, columns) in kind.ledger.iter().enumerate() {
            match sites_in(columns, writes) {
                _ if kind.ledger[..ledger].iter().any(|other| other.is_at(columns)) => {
                    let title = "this ledger is named twice".to_owned();
                    let help = "one for each table that the transaction writes to".to_owned();
                    refused.push(Refusal { kind: number, ledger, title, help });
                }
                Ok(found) => sites.extend(found),
                Err((title, help)) => refused.push(Refusal { kind: number, ledger, title, help }),
            }
        }
        if sites.len() > MOST_SITES {
            let title = format!("at most {MOST_SITES} writes of a transaction can be looked for");
            let help = "leave some tables out of its ledger".to_owned();
            refused.push(Refusal { kind: number, ledger: MOST_SITES - 1, title, help });
        }
        all.sites.push(sites);
    }
    // What is wrong in itself is not held against the others.
    if refused.is_empty() {
        refused = contradictions(kinds, &all.sites);
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    all.remarks = remarks(kinds, &writes);
    Ok(all)
}

/// What several footprints in one place make impossible.
fn contradictions(kinds: &[Kind], sites: &[Vec<WriteSite>]) -> Vec<Refusal> {
    let every = || sites.iter().flatten();
    let mut refused = vec![];
    for (number, site) in sites.iter().enumerate().flat_map(|(number, sites)| sites.iter().map(move |p| (number, p))) {
        let columns = &site.columns;
        let table = &columns.table;
        let here = || every().filter(|other| other.columns.is_at(columns));
        let why = match site.footprint {
            Footprint::Last if here().any(|other| other.footprint != Footprint::Last) => Some(mixed(columns)),
            Footprint::Deletes(_) if !here().any(|other| other.footprint == Footprint::Row) => Some((
                format!("no transaction inserts into {table} what this one deletes: a loss could not be seen"),
                "let another transaction of the same users INSERT there, with the same ledger".to_owned(),
            )),
            Footprint::Deletes(_)
                if every().any(|other| may_be(&other.columns.table, table) && !other.columns.is_at(columns)) =>
            {
                Some((
                    format!("this DELETE removes rows of {table} in which another transaction is looked for"),
                    "use another table for what is looked for in other columns".to_owned(),
                ))
            }
            _ => None,
        };
        if let Some((title, help)) = why {
            let ledger = kinds[number].ledger.iter().position(|one| one.is_at(columns)).unwrap_or(0);
            refused.push(Refusal { kind: number, ledger, title, help });
        }
    }
    refused.dedup();
    refused
}

/// What the ledger will not see, and what will look like a loss.
fn remarks(kinds: &[Kind], writes: &[Writes]) -> Vec<String> {
    let mut remarks = vec![];
    for (kind, writes) in kinds.iter().zip(writes) {
        for (_, write) in writes.iter().filter(|(_, write)| !kind.names(&write.table)) {
            let name = &kind.name;
            let table = &write.table;
            let mut looked_for = kinds.iter().filter(|other| other.names(table)).map(|other| &other.name);
            let remark = match (write.verb, looked_for.next()) {
                (Verb::Delete, Some(other)) => {
                    format!(
                        "`{name}` deletes from {table}, where `{other}` is looked for: what it deletes of users' rows counts as lost"
                    )
                }
                (Verb::Update, Some(other)) if kinds.iter().any(|kind| writes_over(kind, write)) => {
                    format!(
                        "`{name}` writes over the marks in {table} by which `{other}` is found: what it writes over counts as lost"
                    )
                }
                (Verb::Insert, _) if !kind.ledger.is_empty() => {
                    format!(
                        "`{name}` writes to {table} as well, which its ledger does not name: a partial transaction there is not seen"
                    )
                }
                _ => continue,
            };
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
    }
    remarks
}

/// Whether an UPDATE sets the columns in which a kind is looked for.
fn writes_over(kind: &Kind, write: &Write) -> bool {
    kind.ledger.iter().any(|columns| {
        let set = |column: &str| value(write, &folded(column)).is_some();
        may_be(&columns.table, &write.table) && (set(&columns.client) || set(&columns.seq))
    })
}

#[cfg(test)]
mod tests {
    use super::super::footprint::Footprint;
    use super::super::kind::LedgerColumns;
    use super::*;

    fn kind(name: &str, sql: &str, tables: &[&str]) -> Kind {
        let columns = |table: &&str| LedgerColumns {
            table: table.parse().expect("a table"),
            client: "client".into(),
            seq: "SEQ".into(),
            rows: None,
        };
        let ledger = tables.iter().map(columns).collect();
        Kind { name: name.into(), sql: sql.into(), weight: 1, ledger, tolerate: vec![] }
    }

    fn footprints_of(sql: &str) -> Result<Vec<Footprint>, String> {
        // Somebody inserts, so that others may delete.
        let kinds = [kind("it", sql, &["t"]), kind("insert", "INSERT INTO t VALUES ($client, $seq)", &["t"])];
        match footprints(&kinds[..if sql.contains("DELETE") { 2 } else { 1 }]) {
            Ok(found) => Ok(found.sites[0].iter().map(|site| site.footprint).collect()),
            Err(refused) => Err(format!("{}; {}", refused[0].title, refused[0].help)),
        }
    }

    #[test]
    fn what_is_left_is_read_from_the_sql() {
        use super::super::footprint::Deletes::{Just, UpTo};
        use Footprint::{Deletes, Last, Row};
        for (sql, expected) in [
            ("INSERT INTO t (client, seq) VALUES ($client, $seq)", vec![Row]),
            ("INSERT INTO s.t VALUES ($client, $seq) ON CONFLICT DO NOTHING", vec![Row]),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (client, seq) DO UPDATE SET n = 1", vec![Row]),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (client) DO UPDATE SET seq = excluded.seq", vec![Last]),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (client) DO UPDATE SET seq = $seq::int", vec![Last]),
            ("UPDATE t SET seq = $seq WHERE client = $client", vec![Last]),
            ("UPDATE t x SET seq = $seq, n = n + 1 WHERE $client::int = x.client AND x.seq < $seq", vec![Last]),
            ("UPDATE t SET client = $client, seq = $seq WHERE seq IS NULL AND id = $seq % 10", vec![Row]),
            ("UPDATE t SET (client, seq) = ($client, $seq) WHERE id = 1 AND t.seq is null", vec![Row]),
            ("DELETE FROM t WHERE client = $client AND seq < $seq", vec![Deletes(UpTo(1))]),
            ("DELETE FROM t WHERE client = $client /* $seq */", vec![Deletes(UpTo(1))]),
            ("DELETE FROM t WHERE $seq - 3 >= seq AND client = $client", vec![Deletes(UpTo(3))]),
            ("DELETE FROM t WHERE client = $client AND seq < $seq::bigint - 10", vec![Deletes(UpTo(11))]),
            ("DELETE FROM t WHERE (client = $client) AND (seq = $seq - 1)", vec![Deletes(Just(1))]),
            (
                "DELETE FROM t WHERE client = $client AND seq < $seq; INSERT INTO t VALUES ($client, $seq)",
                vec![Deletes(UpTo(1)), Row],
            ),
            ("INSERT INTO t VALUES ($client, $seq); UPDATE t SET n = 1 WHERE seq = $seq", vec![Row]),
            ("SELECT order_one($client, $seq)", vec![Row]),
        ] {
            assert_eq!(footprints_of(sql), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn what_could_hide_a_loss_is_refused() {
        for (sql, site) in [
            ("UPDATE t SET client = $client, seq = $seq WHERE id = 7", "writes over what earlier ones left"),
            ("UPDATE t SET seq = $seq WHERE client = $client OR id = 7", "writes over"),
            ("UPDATE t SET seq = seq + 1 WHERE client = $client", "writes over"),
            ("UPDATE t SET client = 0, seq = $seq WHERE client = $client", "writes over"),
            ("UPDATE t SET seq = $seq WHERE seq IS NULL AND id = 7", "writes over"),
            ("UPDATE t SET seq = $seq WHERE id = (SELECT id FROM t WHERE client = $client)", "writes over"),
            ("UPDATE t SET n = $seq WHERE client = $client", "leaves nothing in t"),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (n) DO UPDATE SET seq = excluded.seq", "hides a loss"),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (client) DO UPDATE SET n = 1", "hides a loss"),
            ("DELETE FROM t WHERE id = $seq AND client = $client", "which rows of t this DELETE removes"),
            ("DELETE FROM t WHERE client = $client AND seq = $seq", "which rows"),
            ("DELETE FROM t WHERE client = $client AND seq <= $seq", "which rows"),
            ("DELETE FROM t WHERE client = $client AND seq > $seq", "which rows"),
            ("DELETE FROM t WHERE client = $client AND seq < $seq AND n = 1", "which rows"),
            ("DELETE FROM t WHERE seq < $seq", "which rows"),
            (
                "INSERT INTO t (client, seq) VALUES (1000 + $client, $seq)",
                "writes `1000 + $client` to `client` of t, where the ledger looks for $client",
            ),
            ("INSERT INTO t (client, seq) VALUES ($seq, $client)", "writes `$seq` to `client` of t"),
            ("INSERT INTO t (client, seq) VALUES ($client, $seq % 10)", "`$seq % 10`"),
            ("INSERT INTO t (client, seq) VALUES ($client, $seq::varchar(2))", "`$seq::varchar(2)`"),
            ("INSERT INTO t (client, seq) SELECT $client, md5($seq::text)", "`md5($seq::text)`"),
            ("INSERT INTO t VALUES (1000 + $client, $seq)", "writes $client to no column of t"),
            ("INSERT INTO t (client, n) VALUES ($client, $seq)", "does not write the ledger's column `SEQ`"),
            ("MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET seq = $seq", "MERGE"),
            ("INSERT INTO t VALUES ($client, $seq); UPDATE t SET seq = $seq WHERE client = $client", "one by one"),
        ] {
            let refused = footprints_of(sql).unwrap_err();
            assert!(refused.contains(site), "{sql}: {refused}");
        }
    }

    #[test]
    fn the_rows_of_a_transaction_are_counted_from_its_text() {
        let rows = |sql: &str, said: Option<u8>| {
            let mut kind = kind("it", sql, &["t"]);
            kind.ledger[0].rows = said;
            footprints(&[kind]).map(|found| found.sites[0][0].rows).map_err(|refused| refused[0].title.clone())
        };
        let one = "INSERT INTO t (n, client, seq) VALUES (1, $client, CAST($seq AS bigint))";
        assert_eq!(rows(one, None), Ok(1));
        assert_eq!(rows(&format!("{one}, (2, ($client), $seq::text), (3, 0, 0) RETURNING n"), None), Ok(2));
        assert_eq!(rows(&format!("{one}; {one}"), None), Ok(2));
        assert_eq!(rows("INSERT INTO t VALUES ($client, $seq, 1), ($client, $seq, 2)", None), Ok(2));
        assert_eq!(rows("INSERT INTO t SELECT $client, $seq, n FROM generate_series(1, 3) n", Some(3)), Ok(3));
        assert_eq!(rows("SELECT three_lines($client, $seq)", Some(3)), Ok(3));
        assert_eq!(rows("INSERT INTO t (client, seq) SELECT client, seq FROM beside", None), Ok(1));
        let title = "the ledger says `rows: 3`, and the transaction writes 1 to t";
        assert_eq!(rows(one, Some(3)), Err(title.to_owned()));
    }

    #[test]
    fn kinds_that_contradict_each_other_are_refused() {
        let insert = kind("insert", "INSERT INTO t VALUES ($client, $seq)", &["t"]);
        let update = kind("update", "UPDATE t SET seq = $seq WHERE client = $client", &["t"]);
        let delete = kind("delete", "DELETE FROM t WHERE client = $client AND seq < $seq", &["t"]);
        let mut mark = kind("mark", "UPDATE t SET paid = $seq WHERE client = $client AND paid IS NULL", &["t"]);
        mark.ledger[0].seq = "paid".into();
        let told = |kinds: &[&Kind]| {
            let kinds: Vec<Kind> = kinds.iter().map(|kind| (*kind).clone()).collect();
            footprints(&kinds).map(|footprints| footprints.remarks).map_err(|refused| {
                refused.into_iter().map(|one| format!("{}: {}", kinds[one.kind].name, one.title)).collect::<Vec<_>>()
            })
        };
        assert_eq!(told(&[&insert, &delete, &insert]), Ok(vec![]));
        assert_eq!(told(&[&insert, &mark]), Ok(vec![]));
        assert!(told(&[&insert, &update]).unwrap_err()[0].starts_with("update: rows of t are looked for one by one"));
        assert!(told(&[&delete]).unwrap_err()[0].starts_with("delete: no transaction inserts into t"));
        let removes = told(&[&insert, &delete, &mark]).unwrap_err();
        assert_eq!(removes, ["delete: this DELETE removes rows of t in which another transaction is looked for"]);
        let twice = kind("twice", "INSERT INTO t VALUES ($client, $seq)", &["t", "t"]);
        assert_eq!(told(&[&twice]).unwrap_err(), ["twice: this ledger is named twice"]);
    }

    #[test]
    fn what_the_ledger_will_not_see_is_remarked() {
        let told = |sql: &str, tables: &[&str]| {
            let kinds = [kind("it", sql, tables), kind("other", "INSERT INTO t VALUES ($client, $seq)", &["t"])];
            footprints(&kinds).map(|footprints| footprints.remarks.join("; ")).unwrap_or_default()
        };
        let both = "INSERT INTO u VALUES ($client, $seq); INSERT INTO v VALUES ($client, $seq)";
        assert!(told(both, &["u"]).contains("`it` writes to v as well, which its ledger does not name"));
        assert_eq!(told(both, &["u", "v"]), "");
        assert!(told("DELETE FROM t WHERE n = 1", &[]).contains("what it deletes of users' rows counts as lost"));
        assert!(told("UPDATE t SET seq = 0", &[]).contains("writes over the marks in t by which `other`"));
        assert_eq!(told("UPDATE t SET n = 0; SELECT 1", &[]), "");
    }
}
