//! What a standby asks of production, behind the login: it receives WAL, and nothing else comes
//! through.
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
pub(super) async fn pass_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
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
                if !receives(command) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(tag: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len() + 5).expect("short");
        [&[tag][..], &length.to_be_bytes(), text.as_bytes(), &[0]].concat()
    }

    async fn passed(said: &[Vec<u8>]) -> (Vec<u8>, Option<String>) {
        let (all, mut through) = (said.concat(), vec![]);
        let refused = pass_on(&mut all.as_slice(), &mut through).await.expect("no error");
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
        assert_eq!(passed(&all).await, (all.concat(), None));
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
            let (through, refused) = passed(&[said(b'Q', "IDENTIFY_SYSTEM"), said(b'Q', other)]).await;
            assert_eq!(through, said(b'Q', "IDENTIFY_SYSTEM"), "{other}");
            assert!(refused.is_some_and(|why| why.contains(other)), "{other}");
        }
        let (through, refused) = passed(&[said(b'P', "SELECT 1")]).await;
        assert!(through.is_empty() && refused.is_some());
    }
}
