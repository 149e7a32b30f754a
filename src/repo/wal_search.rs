//! Looking for what became of a table, in archived WAL: pg_waldump prints it, and a filter on the
//! same host keeps what counts.
//!
//! The filter is awk, and not Rust, so that the text stays where it is. Of 686 MB of WAL, all of it
//! updates, pg_waldump and grep print 650 MB: in a container they take 3.4 s, 5.5 s with awk behind
//! them, and 8.3 s if the text is moved to this program instead.

use jiff::Timestamp;

use super::error::{RepoError, Result, run};
use super::lookup::Known;
use super::reach::Stretch;
use super::storage::Storage;
use crate::host::{Host, Program};
use crate::pg::{Lsn, Segment, Xid};

/// A table to be followed through the WAL of an archive.
pub struct Search<'a> {
    /// The repo.
    pub repo: &'a dyn Storage,
    /// Where pg_waldump runs.
    pub host: &'a dyn Host,
    /// PostgreSQL's major version there.
    pub major: u32,
    /// What is known of the table, and up to where.
    pub known: &'a Known,
    /// Whether the rows that were updated and deleted are counted.
    pub count: bool,
    /// From where on they are.
    pub since: Lsn,
    /// The WAL to be read.
    pub stretches: &'a [Stretch],
    /// The segments in which it is.
    pub segments: &'a [Segment],
    /// The directory for segments that have to be fetched, which is not there yet; its parent is.
    pub scratch: String,
}

impl Search<'_> {
    /// What was found, and what pg_waldump complained of.
    ///
    /// # Errors
    /// With the complaints, too, if the search did not come to its end.
    pub async fn run(&self) -> Result<(Found, String)> {
        let wal = self.repo.wal_files(self.host, self.segments, &self.scratch).await?;
        const WHAT: &str = "searching the WAL";
        let program = Program::script(include_str!("scripts/search_wal.sh"), self.arguments(wal));
        let output = run(self.host, WHAT, program).await?;
        match Found::read(&output.text()) {
            Some(found) => Ok((found, output.stderr)),
            None => Err(RepoError::Failed { what: WHAT, status: output.status, said: output.stderr.trim().to_owned() }),
        }
    }

    fn arguments(&self, wal: String) -> Vec<String> {
        let (known, stretches) = (self.known, self.stretches);
        let tables = known.relations.iter();
        let tables: Vec<String> = tables.map(|one| format!("{};{};{}", one.place, one.path, one.file)).collect();
        // Before 15 it can print one kind of records or all of them.
        let only = if self.major >= 15 { "-r Transaction -r Heap -r Storage" } else { "" };
        let scratch = if wal == self.scratch { wal.as_str() } else { "" };
        let arguments = [
            wal.as_str(),
            concat!(include_str!("scripts/wal_records.awk"), include_str!("scripts/wal_search.awk")),
            &known.class,
            &tables.join(" "),
            &known.until.to_string(),
            &self.since.to_string(),
            if self.count { "1" } else { "0" },
            only,
            scratch,
        ];
        let stretches = stretches.iter().map(|one| format!("{} {} {}", one.timeline, one.from, one.to));
        arguments.into_iter().map(str::to_owned).chain(stretches).collect()
    }
}

/// A transaction that did something to the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The transaction.
    pub xid: Xid,
    /// Where its commit record begins.
    pub commit: Lsn,
    /// Where that ends, at the latest.
    pub end: Lsn,
    /// When it was committed, by the server's clock.
    pub at: Timestamp,
    /// The table's place among those searched for: 0 is the table itself, the rest are its
    /// partitions.
    pub table: usize,
    /// How many rows it updated and deleted, if they were counted.
    pub rows: u64,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Transactions that dropped the table or a partition, in their order.
    pub dropped: Vec<Deed>,
    /// Transactions that dropped anything else that stands in pg_class, such as a table that was
    /// made later; and where each first wrote there.
    pub others: Vec<(Deed, Lsn)>,
    /// Transactions that truncated it.
    pub truncated: Vec<Deed>,
    /// Transactions that wrote all of it anew: VACUUM FULL, CLUSTER, some ALTER TABLE.
    pub rewritten: Vec<Deed>,
    /// Those that changed the most rows, the most first.
    pub changed: Vec<Deed>,
    /// How many transactions changed any rows.
    pub candidates: u64,
    /// How many commits there were.
    pub commits: u64,
    /// When the first and the last of them were.
    pub times: Option<(Timestamp, Timestamp)>,
}

impl Found {
    /// Adds what was done to another table that took this one's place.
    pub fn add(&mut self, later: Found) {
        self.dropped.extend(later.dropped);
        self.others = later.others;
        self.truncated.extend(later.truncated);
        self.rewritten.extend(later.rewritten);
        self.candidates += later.candidates;
        self.changed.extend(later.changed);
        self.changed.sort_by_key(|deed| std::cmp::Reverse((deed.rows, deed.commit)));
    }

    /// Reads what the filter prints. None if it did not come to its end.
    fn read(output: &str) -> Option<Self> {
        let mut found = Found::default();
        let mut whole = false;
        for line in output.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let deed = |table: usize, rows: u64| -> Option<Deed> {
                let [_, xid, commit, length, at, _] = fields[..] else { return None };
                let commit: Lsn = commit.parse().ok()?;
                let length: u64 = length.parse().ok()?;
                // Records begin at multiples of eight.
                let end = Lsn(commit.0 + length.next_multiple_of(8));
                Some(Deed { xid: Xid(xid.parse().ok()?), commit, end, at: time(at)?, table, rows })
            };
            let table = || fields.get(5)?.parse::<usize>().ok()?.checked_sub(1);
            match fields.first().copied()? {
                "dropped" => found.dropped.push(deed(table()?, 0)?),
                "other" => found.others.push((deed(0, 0)?, fields.get(5)?.parse().ok()?)),
                "truncated" => found.truncated.push(deed(table()?, 0)?),
                "rewritten" => found.rewritten.push(deed(table()?, 0)?),
                "changed" => found.changed.push(deed(0, fields.get(5)?.parse().ok()?)?),
                "end" => {
                    let [_, commits, first, last, candidates] = fields[..] else { return None };
                    found.commits = commits.parse().ok()?;
                    found.candidates = candidates.parse().ok()?;
                    found.times = time(first).zip(time(last));
                    whole = true;
                }
                _ => return None,
            }
        }
        whole.then_some(found)
    }
}

/// A time as pg_waldump prints it under `TZ=UTC`: `2026-11-22 18:04:41.651831 UTC`.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    format!("{}Z", text.strip_suffix(" UTC")?.replace(' ', "T")).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_filter_prints_is_read() {
        let output = "truncated\t732\t0/0512D318\t361\t2026-11-22 18:04:41.654424 UTC\t2\n\
            other\t730\t0/05123000\t34\t2026-11-22 18:04:41.65 UTC\t0/05122000\nchanged\t731\t0/05123700\t34\t2026-11-22 18:04:41.651831 UTC\t33333\nend\t5\t2026-11-22 18:04:41.6 UTC\t2026-11-22 18:04:42 UTC\t2\n";
        let found = Found::read(output).expect("read");
        let deed = &found.truncated[0];
        assert_eq!(
            (deed.xid, deed.commit, deed.end, deed.table),
            (Xid(732), Lsn(0x512_D318), Lsn(0x512_D318 + 368), 1)
        );
        assert_eq!(
            found.others.iter().map(|(one, began)| (one.xid, *began)).collect::<Vec<_>>(),
            [(Xid(730), Lsn(0x512_2000))]
        );
        assert_eq!((found.changed[0].rows, found.candidates, found.commits), (33333, 2, 5));
        assert_eq!(found.times.map(|(first, _)| first.to_string()).as_deref(), Some("2026-11-22T18:04:41.6Z"));
        assert_eq!(Found::read("end\t0\t\t\t0\n").expect("read").times, None);
        // A filter that died has not looked at all of it.
        assert_eq!(Found::read("truncated\t732\t0/0512D318\t361\t2026-11-22 18:04:41.654424 UTC\t2\n"), None);
        assert_eq!(Found::read(""), None);
    }
}
