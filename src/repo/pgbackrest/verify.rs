//! What `pgbackrest verify` says of a backup. Its exit status says nothing: it is 0 whatever was
//! found (2.45).

use crate::pg::is_segment;
use crate::repo::begin::Begin;
use crate::repo::listed::Label;
use crate::repo::storage::Verified;

/// The length of a segment's name.
const SEGMENT_NAME: usize = 24;

/// What it says of one backup, when it has looked at all of them and at the WAL. WAL that is
/// damaged from where the backup `begins` on counts, although the backup is called valid: without
/// it the backup is not consistent, or a recovery ends there. All of it counts where nobody says
/// where that is.
pub(super) fn judge(text: &str, backup: &Label, begins: Option<&Begin>) -> Verified {
    let said = format!("backup: {backup}, status: ");
    let status = text.lines().find_map(|line| line.trim_start().strip_prefix(&said));
    let status = status.map(|status| status.split(',').next().unwrap_or(status));
    let found: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
    let wal = found.iter().filter(|line| damaged_segment(line).is_some_and(|segment| needs(begins, segment)));
    let wal: Vec<String> = wal.map(|line| (*line).to_owned()).collect();
    let verdict = match status {
        Some("valid") if wal.is_empty() => return Verified::Intact,
        Some("valid") => "WAL that a recovery from it needs is damaged".to_owned(),
        Some(status) => format!("backup {backup} is {status}"),
        None => format!("pgbackrest knows no backup {backup}"),
    };
    // `P01   INFO: invalid checksum '20261129-092056F/pg_data/base/5/3164.gz'`
    let of_this = found.iter().filter(|line| line.contains(&format!("{backup}/")));
    let mut lines: Vec<String> = of_this.map(|line| (*line).to_owned()).chain(wal).collect();
    // Newer ones name the bundle, once for each file in it.
    lines.dedup();
    lines.push(verdict);
    Verified::Damaged(lines)
}

/// The segment that a line is about: `invalid checksum '15-1/0000000100000000/SEGMENT-SUM.gz'`.
fn damaged_segment(line: &str) -> Option<&str> {
    let name = line.strip_prefix("invalid ")?.split('/').nth(2)?.get(..SEGMENT_NAME)?;
    is_segment(name).then_some(name)
}

/// Whether a recovery from a backup that begins there may need a segment, of whatever timeline.
fn needs(begins: Option<&Begin>, segment: &str) -> bool {
    /// The digits of a timeline, with which a name begins.
    const TIMELINE: usize = 8;
    match begins {
        Some(Begin::Segment(first)) => segment.get(TIMELINE..) >= first.get(TIMELINE..),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
P00   INFO: verify command begin 2.45: --stanza=main --verbose
P01   INFO: invalid result 15-1/0000000100000000/000000010000000000000001-e3.gz: [29] raised from local-1 protocol
P01   INFO: invalid checksum '20261129-092300F/pg_data/base/5/3164.gz'
P00   INFO: stanza: main
            status: error
              archiveId: 15-1, total WAL checked: 4, total valid WAL: 3
              backup: 20261129-092300F, status: invalid, total files checked: 970, total valid files: 969
                missing: 0, checksum invalid: 1, size invalid: 0, other: 0
              backup: 20261129-092307F, status: valid, total files checked: 971, total valid files: 971
P00   INFO: verify command end: completed successfully
";

    #[test]
    fn one_backup_is_judged_among_several() {
        let begins = |segment: &str| Begin::Segment(segment.to_owned());
        let after = begins("000000010000000000000002");
        let judged = |label: &str| judge(SAID, &Label::new(label), Some(&after));
        assert_eq!(judged("20261129-092307F"), Verified::Intact);
        let damaged =
            ["invalid checksum '20261129-092300F/pg_data/base/5/3164.gz'", "backup 20261129-092300F is invalid"];
        assert_eq!(judged("20261129-092300F"), Verified::Damaged(damaged.map(str::to_owned).to_vec()));
        // The first segment is damaged, which is on another timeline than this backup begins on.
        for begins in [Some(begins("000000020000000000000001")), None] {
            let judged = judge(SAID, &Label::new("20261129-092307F"), begins.as_ref());
            let Verified::Damaged(lines) = judged else { panic!("{judged:?}") };
            assert!(
                lines[0].starts_with("invalid result 15-1/0000000100000000/000000010000000000000001-"),
                "{lines:?}"
            );
            assert_eq!(lines[1..], ["WAL that a recovery from it needs is damaged"]);
        }
        let unknown = vec!["pgbackrest knows no backup nightly".to_owned()];
        assert_eq!(judged("nightly"), Verified::Damaged(unknown));
    }
}
