//! Archive commands that do not archive, as drills need them.

use std::time::Duration;

use super::error::{Result, run};
use super::storage::Storage;
use crate::host::{Host, Program};

/// How an `archive_command` is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It exits with 1.
    Fails,
    /// It exits with 0 and keeps nothing.
    Lies,
    /// It exits with 0, and the segment is in the repo only so much later.
    Lags(Duration),
}

/// Where a command that fails copies to, below the repo: nothing is there, as if a file system were
/// not mounted.
const NOT_THERE: &str = "archivedir";

/// Where a command that lies copies to, below the repo: nothing is there either, and it is not
/// looked whether the copy came about.
const NOT_LOOKED_AT: &str = "wal_archive";

/// Where segments wait that come late: beside PGDATA, which is the working directory of an
/// `archive_command`. On the host, so that they go with it.
const SPOOL: &str = "../spool";

/// What a line of the server's log begins with that a command wrote which brings segments late.
const SPOOLED: &str = "spooled ";

impl Broken {
    /// As scenarios write it.
    pub fn word(self) -> &'static str {
        match self {
            Broken::Fails => "fails",
            Broken::Lies => "lies",
            Broken::Lags(_) => "lags",
        }
    }

    /// Whether a line of the server's log was written by this command.
    pub fn wrote(self, line: &str, repo: &dyn Storage) -> bool {
        match self {
            Broken::Fails | Broken::Lies => line.starts_with("cp: ") && line.contains(&self.target(repo)),
            Broken::Lags(_) => line.starts_with(SPOOLED),
        }
    }

    /// How the command is broken, by its text; `None` for one that `break_archive` has not touched.
    pub fn of(archive_command: &str, repo: &dyn Storage) -> Option<&'static str> {
        let all = [Broken::Fails, Broken::Lies, Broken::Lags(Duration::ZERO)];
        let is = |one: &Broken| match one {
            Broken::Fails | Broken::Lies => archive_command == one.command(repo),
            Broken::Lags(_) => archive_command.starts_with(&format!("echo \"{SPOOLED}%f\" ")),
        };
        all.into_iter().find(is).map(Broken::word)
    }

    /// Where its copies go, with the slash before the segment's name.
    fn target(self, repo: &dyn Storage) -> String {
        let directory = match self {
            Broken::Fails => format!("{}/{NOT_THERE}", repo.place().path),
            Broken::Lies => format!("{}/{NOT_LOOKED_AT}", repo.place().path),
            Broken::Lags(_) => SPOOL.to_owned(),
        };
        directory + "/"
    }

    /// An `archive_command` for a repo that is broken so. It looks as one does that broke by
    /// itself, in the server's configuration and in its log, where its standard error goes: people
    /// may have to find out what is wrong with it.
    pub fn command(self, repo: &dyn Storage) -> String {
        let target = self.target(repo);
        match self {
            Broken::Fails => format!("cp %p {target}%f"),
            Broken::Lies => format!("cp %p {target}%f || true"),
            Broken::Lags(by) => {
                let (by, deliver) = (by.as_secs_f64(), repo.deliver("%f", r#""$data""#));
                let later = repo.unless_archived(&format!(
                    "mkdir -p {SPOOL} && cp %p {target}%f && {{ data=$PWD; (sleep {by:.3}; cd {SPOOL} && {deliver}) </dev/null >/dev/null 2>&1 & }}"
                ));
                format!(r#"echo "{SPOOLED}%f" >&2; {later}"#)
            }
        }
    }
}

/// Archives every segment that waits on a host whose server has its data directory in `data`, and
/// says how many there were.
pub async fn bring_late_wal(repo: &dyn Storage, host: &dyn Host, data: &str) -> Result<usize> {
    let args = [format!("{data}/{SPOOL}"), repo.deliver(r#""$f""#, r#""$data""#), data.to_owned()];
    let script = Program::script(include_str!("scripts/bring_late_wal.sh"), args);
    Ok(run(host, "archiving late WAL", script).await?.text().lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::{Place, default_kind};

    #[test]
    fn a_broken_command_is_known_by_its_text_and_says_nothing_of_who_broke_it() {
        let repo = default_kind().at(Place { name: "onsite".to_owned(), path: "/repo".to_owned(), ..Place::default() });
        let lags = Broken::Lags(Duration::from_millis(2500));
        for broken in [Broken::Fails, Broken::Lies, lags] {
            let command = broken.command(&*repo);
            assert_eq!(Broken::of(&command, &*repo), Some(broken.word()));
            assert!(!command.contains('\n'), "ALTER SYSTEM takes one line");
            for tells in ["drillyard", "break", "late", "lie"] {
                assert!(!command.contains(tells), "{tells}: {command}");
            }
        }
        assert!(lags.command(&*repo).contains("sleep 2.500"));
        assert_eq!(Broken::of(&repo.archive_command(), &*repo), None);
    }

    /// What programs write when a broken command runs is told from that of another one.
    #[test]
    fn calls_are_counted_by_what_they_write() {
        let repo = default_kind().at(Place { name: "onsite".to_owned(), path: "/repo".to_owned(), ..Place::default() });
        let wrote = |command: &str| {
            let command = command.replace("%p", "pg_wal/000000010000000000000003");
            let command = command.replace("%f", "000000010000000000000003");
            let output = std::process::Command::new("sh").args(["-c", &command]).env("LC_ALL", "C").output();
            let output = output.expect("sh runs");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_owned())
        };
        let dir = tempfile::tempdir().expect("a directory");
        let segment = dir.path().join("000000010000000000000003");
        std::fs::write(&segment, "WAL").expect("written");
        let command = |broken: Broken| broken.command(&*repo).replace("%p", &segment.display().to_string());
        let (code, failed) = wrote(&command(Broken::Fails));
        assert_eq!(code, Some(1));
        assert!(failed.ends_with("No such file or directory"), "{failed}");
        assert!(Broken::Fails.wrote(&failed, &*repo) && !Broken::Lies.wrote(&failed, &*repo), "{failed}");
        let (code, lied) = wrote(&command(Broken::Lies));
        assert_eq!(code, Some(0));
        assert!(Broken::Lies.wrote(&lied, &*repo) && !Broken::Fails.wrote(&lied, &*repo), "{lied}");
        let detail = format!("DETAIL:  The failed archive command was: {}", command(Broken::Fails));
        assert!(!Broken::Fails.wrote(&detail, &*repo), "it is the server that says this");
    }
}
