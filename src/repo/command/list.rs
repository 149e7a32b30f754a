//! What the command `list` of a repo prints.

use jiff::Timestamp;

use crate::repo::listed::{Label, Listed};

/// A backup, as a line says it: `LABEL`, a tab, when it was begun; and, if it says more, each after
/// a tab, how many bytes it takes up, and why it cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) listed: Listed,
    pub(super) bytes: Option<u64>,
}

/// The backups, the oldest first.
///
/// # Errors
/// If a line is not one of a backup: what is wrong with it.
pub(super) fn read(text: &str) -> Result<Vec<Line>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut all: Vec<Line> = lines
        .map(|(at, line)| self::line(line).map_err(|why| format!("line {}, `{line}`: {why}", at + 1)))
        .collect::<Result<_, _>>()?;
    all.sort_by(|a, b| a.listed.age().cmp(&b.listed.age()));
    let twice =
        all.iter().enumerate().find(|(at, one)| all[..*at].iter().any(|other| other.listed.label == one.listed.label));
    match twice {
        Some((_, one)) => Err(format!("two backups are called `{}`", one.listed.label)),
        None => Ok(all),
    }
}

fn line(line: &str) -> Result<Line, &'static str> {
    let mut fields = line.split('\t');
    let label = fields.next().filter(|label| !label.is_empty()).ok_or("it has no label")?;
    let time = fields.next().ok_or("after the label comes a tab, and when the backup was begun")?;
    let taken: Timestamp = time.trim().parse().map_err(|_| "its time is not of RFC 3339: 2026-11-29T14:00:00Z")?;
    let bytes = match fields.next().map(str::trim) {
        None | Some("") => None,
        Some(bytes) => Some(bytes.parse().map_err(|_| "after the time comes a number of bytes")?),
    };
    let wrong = fields.next().map(str::trim).filter(|wrong| !wrong.is_empty()).map(str::to_owned);
    match fields.next() {
        Some(_) => Err("it has more than four fields"),
        None => Ok(Line { listed: Listed { label: Label::new(label), taken, ended: None, wrong }, bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_backup_and_one_that_is_none_is_an_error() {
        let text = "b\t2026-11-29T14:00:00+01:00\t7\n\na\t2026-11-28T14:00:00Z\n\
            half\t2026-11-29T15:00:00Z\t\tit was interrupted\n";
        let all = read(text).expect("backups");
        let told: Vec<(&str, Option<u64>, Option<&str>)> =
            all.iter().map(|one| (one.listed.label.as_str(), one.bytes, one.listed.wrong.as_deref())).collect();
        assert_eq!(told, [("a", None, None), ("b", Some(7), None), ("half", None, Some("it was interrupted"))]);
        for (wrong, why) in [
            ("BACKUP TIME", "after the label comes a tab"),
            ("a\t2026-11-29 14:00", "its time is not of RFC 3339"),
            ("a\t2026-11-29T14:00:00Z\tbig", "a number of bytes"),
            ("\t2026-11-29T14:00:00Z", "it has no label"),
            ("a\t2026-11-29T14:00:00Z\t1\tx\ty", "more than four fields"),
            ("a\t2026-11-29T14:00:00Z\na\t2026-11-29T15:00:00Z", "two backups are called `a`"),
        ] {
            let said = read(wrong).expect_err("no backup");
            assert!(said.contains(why), "{said}");
        }
    }
}
