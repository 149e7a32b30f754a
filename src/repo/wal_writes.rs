//! What transactions wrote to tables, row by row, by the archived WAL: pg_waldump prints it, and a
//! filter on the same host keeps where rows were written.

use jiff::Timestamp;

use super::error::{RepoError, Result, run};
use super::reach::Stretch;
use super::storage::Storage;
use super::wal_search::time;
use crate::host::{Host, Program};
use crate::pg::{Lsn, Segment, Xid};

/// What is to be read.
pub struct WritesSearch<'a> {
    /// The repo.
    pub repo: &'a dyn Storage,
    /// Where pg_waldump runs.
    pub host: &'a dyn Host,
    /// PostgreSQL's major version there.
    pub major: u32,
    /// The files of the tables: tablespace/database/file.
    pub files: &'a [String],
    /// From where on commits count.
    pub from: Lsn,
    /// The WAL to be read; it begins before that.
    pub stretches: &'a [Stretch],
    /// The segments in which it is.
    pub segments: &'a [Segment],
    /// The directory for segments that have to be fetched, which is not there yet; its parent is.
    pub scratch: String,
}

/// Where a row lies in its file: its block, and its number in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowPlace {
    /// The block.
    pub block: u32,
    /// The number of the row's pointer.
    pub offset: u16,
}

/// What a transaction did to one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowDeed {
    /// A new row.
    Insert(RowPlace),
    /// A new version of a row, and where the one before lay.
    Update(RowPlace, RowPlace),
    /// A row that is gone.
    Delete(RowPlace),
    /// New rows somewhere in this block: before 16 pg_waldump does not say where COPY wrote them.
    Somewhere(u32),
}

/// A transaction that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The transaction.
    pub xid: Xid,
    /// Its subtransactions.
    pub parts: Vec<Xid>,
    /// Where its commit record begins.
    pub lsn: Lsn,
    /// When it was committed, by the server's clock.
    pub at: Timestamp,
    /// What it did to rows, in order, with the file's place among those asked for.
    pub rows: Vec<(usize, RowDeed)>,
}

impl Commit {
    /// Its own number and those of its subtransactions.
    pub fn xids(&self) -> impl Iterator<Item = Xid> {
        [self.xid].into_iter().chain(self.parts.iter().copied())
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writes {
    /// The transactions, in the order of their commits.
    pub commits: Vec<Commit>,
    /// The oldest transaction that ran where reading began, and the next one: of those from the
    /// first to before the second not all may have been read. None if the WAL does not say.
    pub begun: Option<(Xid, Xid)>,
}

impl WritesSearch<'_> {
    /// What was read, and what pg_waldump complained of.
    ///
    /// # Errors
    /// With the complaints, too, if reading did not come to its end.
    pub async fn run(&self) -> Result<(Writes, String)> {
        const WHAT: &str = "reading the WAL";
        let wal = self.repo.wal_files(self.host, self.segments, &self.scratch).await?;
        let program = concat!(include_str!("scripts/wal_records.awk"), include_str!("scripts/wal_writes.awk"));
        // Before 15 it can print one kind of records or all of them.
        let only = if self.major >= 15 { "-r Transaction -r Heap -r Heap2 -r Standby" } else { "" };
        let scratch = if wal == self.scratch { wal.clone() } else { String::new() };
        let head = [wal, program.to_owned(), self.files.join(" "), self.from.to_string(), only.to_owned(), scratch];
        let stretches = self.stretches.iter().map(|one| format!("{} {} {}", one.timeline, one.from, one.to));
        let program = Program::script(include_str!("scripts/wal_writes.sh"), head.into_iter().chain(stretches));
        let output = run(self.host, WHAT, program).await?;
        match Writes::read(&output.text()) {
            Some(writes) => Ok((writes, output.stderr)),
            None => Err(RepoError::Failed { what: WHAT, status: output.status, said: output.stderr.trim().to_owned() }),
        }
    }
}

impl Writes {
    /// Reads what the filter prints. None if it did not come to its end.
    fn read(output: &str) -> Option<Self> {
        let xid = |text: &str| text.parse().ok().map(Xid);
        let (mut commits, mut rows) = (Vec::new(), Vec::new());
        for line in output.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[..] {
                ["row", number, file, what, old, new] => {
                    let file = file.parse::<usize>().ok()?.checked_sub(1)?;
                    rows.push((number.parse::<u64>().ok()?, (file, deed(what, old, new)?)));
                }
                ["commit", x, lsn, at, parts] => {
                    // Those of subtransactions stand beside each other.
                    rows.sort_by_key(|(number, _)| *number);
                    let parts: Option<Vec<Xid>> = parts.split_ascii_whitespace().map(xid).collect();
                    let rows = rows.drain(..).map(|(_, row)| row).collect();
                    commits.push(Commit { xid: xid(x)?, parts: parts?, lsn: lsn.parse().ok()?, at: time(at)?, rows });
                }
                ["end", next, oldest] => return Some(Writes { commits, begun: xid(oldest).zip(xid(next)) }),
                _ => return None,
            }
        }
        None
    }
}

fn deed(what: &str, old: &str, new: &str) -> Option<RowDeed> {
    Some(match what {
        "insert" => RowDeed::Insert(place(new)?),
        "update" => RowDeed::Update(place(old)?, place(new)?),
        "delete" => RowDeed::Delete(place(old)?),
        "somewhere" => RowDeed::Somewhere(place(new)?.block),
        _ => return None,
    })
}

/// Reads `block,offset`.
fn place(text: &str) -> Option<RowPlace> {
    let (block, offset) = text.split_once(',')?;
    Some(RowPlace { block: block.parse().ok()?, offset: offset.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_filter_prints_is_read() {
        let output = "row\t9\t1\tupdate\t0,2\t5,1\nrow\t7\t2\tinsert\t\t0,3\n\
            commit\t731\t0/05123700\t2026-11-22 18:04:41.651831 UTC\t732 733\n\
            row\t12\t1\tdelete\t5,1\t\nrow\t13\t1\tsomewhere\t\t6,0\n\
            commit\t734\t0/05123800\t2026-11-22 18:04:42 UTC\t\nend\t731\t730\n";
        let writes = Writes::read(output).expect("read");
        let at = |block, offset| RowPlace { block, offset };
        let [first, second] = &writes.commits[..] else { panic!("{writes:?}") };
        assert_eq!(first.rows, [(1, RowDeed::Insert(at(0, 3))), (0, RowDeed::Update(at(0, 2), at(5, 1)))]);
        assert_eq!((first.xid, &first.parts[..], first.lsn), (Xid(731), &[Xid(732), Xid(733)][..], Lsn(0x512_3700)));
        assert_eq!(second.rows, [(0, RowDeed::Delete(at(5, 1))), (0, RowDeed::Somewhere(6))]);
        assert_eq!(writes.begun, Some((Xid(730), Xid(731))));
        assert_eq!(Writes::read("end\t\t\n").expect("read").begun, None);
        // A filter that died has not read all of it, and one that garbles a place has read nothing.
        assert_eq!(Writes::read("row\t9\t1\tinsert\t\t0,2\n"), None);
        assert_eq!(Writes::read("row\t9\t1\tinsert\t\t0,\nend\t1\t1\n"), None);
    }
}
