//! What `pgbackrest verify` says of a backup. Its exit status says nothing: it is 0 whatever was
//! found (2.45).

use crate::repo::storage::{Label, Verified};

/// What it says of one backup, when it has looked at all of them and at the WAL.
pub(super) fn judge(text: &str, backup: &Label) -> Verified {
    let said = format!("backup: {backup}, status: ");
    let status = text.lines().find_map(|line| line.trim_start().strip_prefix(&said));
    let status = status.map(|status| status.split(',').next().unwrap_or(status));
    let mut lines = match status {
        Some("valid") => return Verified::Intact,
        Some(status) => vec![format!("backup {backup} is {status}")],
        None => vec![format!("pgbackrest knows no backup {backup}")],
    };
    // `P01   INFO: invalid checksum '20261129-092056F/pg_data/base/5/3164.gz'`
    let of_this = |line: &&str| line.contains(&format!("{backup}/"));
    let found = text.lines().filter_map(|line| Some(line.split_once(": ")?.1)).filter(of_this);
    lines.splice(0..0, found.map(str::to_owned));
    // Newer ones name the bundle, once for each file in it.
    lines.dedup();
    Verified::Damaged(lines)
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
        let judged = |label: &str| judge(SAID, &Label::new(label));
        assert_eq!(judged("20261129-092307F"), Verified::Intact);
        let damaged =
            ["invalid checksum '20261129-092300F/pg_data/base/5/3164.gz'", "backup 20261129-092300F is invalid"];
        assert_eq!(judged("20261129-092300F"), Verified::Damaged(damaged.map(str::to_owned).to_vec()));
        let unknown = vec!["pgbackrest knows no backup nightly".to_owned()];
        assert_eq!(judged("nightly"), Verified::Damaged(unknown));
    }
}
