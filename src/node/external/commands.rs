//! What a standby asks of production, behind the login: it receives WAL, and nothing else comes
//! through, but a base backup while drillyard takes one.
//!
//! A session of physical replication can also make slots, which hold WAL until the disk is full,
//! advance and drop those of others, and read all files (manual, 55.4 "Streaming Replication
//! Protocol").

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::pg::Lsn;

/// The longest command that is read: a position and a timeline are a line.
const LONGEST: u64 = 1024;

/// Passes on what a standby says, until it goes away. Why it may not say what it says, if so.
/// `is_copied` says whether drillyard takes a base backup at the moment.
pub(super) async fn pass_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    is_copied: impl Fn() -> bool,
) -> io::Result<Option<String>> {
    loop {
        let tag = match from.read_u8().await {
            Ok(tag) => tag,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        };
        let length = from.read_u32().await?;
        let body = u64::from(length.saturating_sub(4));
        let mut start = vec![tag];
        start.extend(length.to_be_bytes());
        match tag {
            // A password, what it has received, the end of that, and of the session.
            b'p' | b'd' | b'c' | b'X' => {
                to.write_all(&start).await?;
                tokio::io::copy(&mut (&mut *from).take(body), to).await?;
            }
            b'Q' if body <= LONGEST => {
                let mut text = vec![0; body as usize];
                from.read_exact(&mut text).await?;
                let command = String::from_utf8_lossy(&text);
                let command = command.trim_end_matches('\0');
                if !(receives(command) || is_copied() && copies(command)) {
                    return Ok(Some(refusal(command)));
                }
                start.extend(&text);
                to.write_all(&start).await?;
            }
            _ => return Ok(Some(refusal("something else"))),
        }
        to.flush().await?;
    }
    to.shutdown().await?;
    Ok(None)
}

fn refusal(what: &str) -> String {
    format!(
        "drillyard lets a copy receive WAL of production, without a replication slot, and nothing else: not `{what}`"
    )
}

/// Whether this is a command of a walreceiver that uses no slot.
fn receives(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    let is_number = |word: &str| word.parse::<u32>().is_ok();
    match words.as_slice() {
        ["IDENTIFY_SYSTEM"] => true,
        ["TIMELINE_HISTORY", timeline] => is_number(timeline),
        ["START_REPLICATION", place] => place.parse::<Lsn>().is_ok(),
        ["START_REPLICATION", place, "TIMELINE", timeline] => place.parse::<Lsn>().is_ok() && is_number(timeline),
        _ => false,
    }
}

/// Whether this is a command of pg_basebackup, whose slot goes with its session.
fn copies(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    let is_own = |slot: &str| slot.trim_matches('"').starts_with("pg_basebackup_");
    match words.as_slice() {
        ["SHOW", _] => true,
        ["BASE_BACKUP", ..] => !command.contains(';'),
        ["CREATE_REPLICATION_SLOT", slot, "TEMPORARY", "PHYSICAL", ..] => is_own(slot) && !command.contains(';'),
        ["START_REPLICATION", "SLOT", slot, place, "TIMELINE", timeline] => {
            is_own(slot) && place.parse::<Lsn>().is_ok() && timeline.parse::<u32>().is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(tag: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len() + 5).expect("short");
        [&[tag][..], &length.to_be_bytes(), text.as_bytes(), &[0]].concat()
    }

    async fn passed(said: &[Vec<u8>], is_copied: bool) -> (Vec<u8>, Option<String>) {
        let (all, mut through) = (said.concat(), vec![]);
        let refused = pass_on(&mut all.as_slice(), &mut through, || is_copied).await.expect("no error");
        (through, refused)
    }

    #[tokio::test]
    async fn a_walreceiver_gets_through() {
        let all = [
            said(b'p', "secret"),
            said(b'Q', "IDENTIFY_SYSTEM"),
            said(b'Q', "TIMELINE_HISTORY 2"),
            said(b'Q', "START_REPLICATION 1/EB000000 TIMELINE 1"),
            said(b'd', "r: received"),
            said(b'c', ""),
            said(b'X', ""),
        ];
        assert_eq!(passed(&all, false).await, (all.concat(), None));
    }

    #[tokio::test]
    async fn nothing_else_does() {
        for other in [
            "CREATE_REPLICATION_SLOT leak PHYSICAL RESERVE_WAL",
            "CREATE_REPLICATION_SLOT leak TEMPORARY PHYSICAL",
            "DROP_REPLICATION_SLOT standby1",
            "START_REPLICATION SLOT standby1 0/0 TIMELINE 1",
            "START_REPLICATION SLOT\"standby1\" 0/0",
            "IDENTIFY_SYSTEM; DROP_REPLICATION_SLOT standby1",
            "BASE_BACKUP",
            "SELECT 1",
            "",
        ] {
            let (through, refused) = passed(&[said(b'Q', "IDENTIFY_SYSTEM"), said(b'Q', other)], false).await;
            assert_eq!(through, said(b'Q', "IDENTIFY_SYSTEM"), "{other}");
            assert!(refused.is_some_and(|why| why.contains(other)), "{other}");
        }
        let (through, refused) = passed(&[said(b'P', "SELECT 1")], true).await;
        assert!(through.is_empty() && refused.is_some());
    }

    #[tokio::test]
    async fn a_base_backup_does_while_drillyard_takes_one() {
        let all = [
            "SHOW data_directory_mode",
            "CREATE_REPLICATION_SLOT \"pg_basebackup_7\" TEMPORARY PHYSICAL ( RESERVE_WAL)",
            "BASE_BACKUP ( LABEL 'pg_basebackup base backup',  CHECKPOINT 'fast',  WAIT 0)",
            "START_REPLICATION SLOT \"pg_basebackup_7\" 0/2000000 TIMELINE 1",
        ];
        let all = all.map(|command| said(b'Q', command));
        assert_eq!(passed(&all, true).await, (all.concat(), None));
        for other in [
            "CREATE_REPLICATION_SLOT leak PHYSICAL RESERVE_WAL",
            "DROP_REPLICATION_SLOT standby1",
            "START_REPLICATION SLOT standby1 0/0 TIMELINE 1",
            "BASE_BACKUP; DROP_REPLICATION_SLOT standby1",
        ] {
            assert!(passed(&[said(b'Q', other)], true).await.1.is_some(), "{other}");
        }
    }
}
