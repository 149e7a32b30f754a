//! Reading every page of a server for its checksum, as a base backup does.

use std::sync::LazyLock;

use regex::Regex;

use crate::data::{Damage, REINDEX};
use crate::harness::{Context, Finding};
use crate::node::{Node, Purpose, SqlError};

/// A file with a page whose checksum is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BadPage {
    /// Below the data directory: `base/5/16384`.
    file: String,
    /// Its place in the file.
    block: u32,
    /// What a base backup says of it.
    said: String,
}

/// Reads the files of all relations of all databases from the disk, past the server's buffers, and
/// gives what is damaged.
///
/// It is a base backup that is thrown away: nothing else looks at the checksums of a server that
/// runs. A server that writes meanwhile is no trouble to it: what was written since it began is
/// covered by the WAL, and left out.
pub(crate) async fn read_checksums(cx: &Context<'_>, node: &Node) -> Result<Vec<Damage>, Box<Finding>> {
    /// So often a checkpoint may take away the WAL that was written meanwhile, and that a base
    /// backup ends with.
    const TRIES: usize = 3;
    // From 15 on the server can throw it away itself.
    let script = match node.version().major {
        15.. => "exec pg_basebackup -t blackhole -X fetch -c fast --no-manifest",
        _ => "exec pg_basebackup -D - -Ft -X fetch -c fast --no-manifest >/dev/null",
    };
    let mut output = None;
    for _ in 0..TRIES {
        let found = node.host()?.run(node.client_program("sh", Purpose::Own)?.with_args(["-euc", script])).await?;
        let again = !found.success() && found.stderr.contains("WAL") && !found.stderr.contains("checksum");
        output = Some(found);
        if !again {
            break;
        }
    }
    let Some(output) = output else { return Ok(vec![]) };
    let bad = BadPage::read(&output.stderr);
    if !bad.is_empty() {
        return describe(node, bad).await.map_err(Into::into);
    }
    if output.success() {
        return Ok(vec![]);
    }
    let said = output.stderr.trim();
    let unreadable = said.lines().find(|line| {
        ["could not open", "could not read", "could not stat", "could not access"]
            .iter()
            .any(|words| line.contains(words))
    });
    match unreadable {
        Some(line) => Ok(vec![Damage { relation: "data directory".to_owned(), what: line.to_owned(), reindex: None }]),
        None => Err(Finding::errored(format!("the checksums of `{}` cannot be read", node.name()))
            .note("said", said)
            .help(
                "they are read by a base backup: wal_level has to be replica, and max_wal_senders enough for one more",
            )
            .note("log", if cx.left().is_zero() { String::new() } else { node.log_tail().await })),
    }
}

impl BadPage {
    /// Reads what pg_basebackup says (`verify_page_checksum` in PostgreSQL's basebackup.c): five
    /// pages of a file at most.
    fn read(said: &str) -> Vec<Self> {
        static PAGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
            Regex::new(r#"(checksum verification failed in file "(?:\./)?([^"]+)", block (\d+): .*)"#).ok()
        });
        let captures = PAGE.iter().flat_map(|pattern| pattern.captures_iter(said));
        let page = |c: regex::Captures<'_>| {
            let (said, file) = (c.get(1)?.as_str().trim().to_owned(), c.get(2)?.as_str().to_owned());
            Some(BadPage { file, block: c.get(3)?.as_str().parse().ok()?, said })
        };
        captures.filter_map(page).collect()
    }

    /// The database and the number of its file.
    fn place(&self) -> Option<(u32, u32)> {
        let mut parts = self.file.rsplit('/');
        // `16384`, `16384.1`, `16384_vm`: the number comes first.
        let file = parts.next()?.split(['.', '_']).next()?.parse().ok()?;
        Some((parts.next()?.parse().ok()?, file))
    }
}

/// Names the relations of damaged files.
async fn describe(node: &Node, bad: Vec<BadPage>) -> Result<Vec<Damage>, SqlError> {
    const NAME: &str = "
        SELECT CASE c.relkind WHEN 'i' THEN 'index ' || c.oid::regclass || ' of ' || i.indrelid::regclass
                              WHEN 't' THEN 'toast table of ' || coalesce((SELECT o.oid::regclass::text FROM pg_class o
                                                                          WHERE o.reltoastrelid = c.oid LIMIT 1), 'nothing')
                              ELSE 'table ' || c.oid::regclass END, {REINDEX}
        FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
        WHERE pg_relation_filenode(c.oid) = $1";
    let client = node.client().await?;
    let mut told = Vec::new();
    for page in bad {
        // A database whose catalogs are damaged has no names to give.
        let relation = async {
            let (database, file) = page.place()?;
            let row = client.query_opt("SELECT datname FROM pg_database WHERE oid = $1", &[&database]).await.ok()??;
            let there = node.connect_to(&row.get::<_, String>(0)).await.ok()?;
            let row = there.query_opt(&NAME.replace("{REINDEX}", REINDEX), &[&file]).await.ok()??;
            Some((row.get::<_, String>(0), row.get::<_, Option<String>>(1)))
        };
        let (relation, reindex) = relation.await.unwrap_or_else(|| (format!("file {}", page.file), None));
        told.push(Damage { relation, what: page.said, reindex });
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_base_backup_says_is_read() {
        let said = "\
WARNING:  checksum verification failed in file \"./base/5/16384\", block 3: calculated 4E12 but expected 3B47
WARNING:  checksum verification failed in file \"./base/5/16390.1\", block 131072: calculated 1 but expected 2
WARNING:  checksum verification failed in file \"./global/1260\", block 0: calculated 1 but expected 2
pg_basebackup: error: checksum error occurred
";
        let bad = BadPage::read(said);
        assert_eq!(bad.iter().map(BadPage::place).collect::<Vec<_>>(), [Some((5, 16384)), Some((5, 16390)), None]);
        assert_eq!(
            bad[0].said,
            "checksum verification failed in file \"./base/5/16384\", block 3: calculated 4E12 but expected 3B47"
        );
        assert_eq!((bad[0].file.as_str(), bad[0].block), ("base/5/16384", 3));
        assert!(BadPage::read("pg_basebackup: error: could not connect").is_empty());
    }
}
