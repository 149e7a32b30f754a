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

/// What every line begins with that a broken command writes to the server's log.
const SAYS: &str = "drillyard: break_archive: archive_command";

/// Where segments wait that come late: beside PGDATA, which is the working directory of an
/// `archive_command`. On the host, so that they go with it.
const LATE: &str = "../late-wal";

impl Broken {
    /// As scenarios write it.
    pub fn word(self) -> &'static str {
        match self {
            Broken::Fails => "fails",
            Broken::Lies => "lies",
            Broken::Lags(_) => "lags",
        }
    }

    /// What a line of the server's log begins with that this command wrote.
    pub fn says(self) -> String {
        format!("{SAYS} {}", self.word())
    }

    /// How the command is broken, by its text; `None` for one that `break_archive` has not touched.
    pub fn of(archive_command: &str) -> Option<&'static str> {
        let all = [Broken::Fails, Broken::Lies, Broken::Lags(Duration::ZERO)];
        all.into_iter().find(|one| archive_command.contains(&one.says())).map(Broken::word)
    }

    /// An `archive_command` for a repo that is broken so. It says what it does in the server's log,
    /// where its standard error goes.
    pub fn command(self, repo: &dyn Storage) -> String {
        let says = self.says();
        match self {
            Broken::Fails => format!(r#"echo "{says}: %f is not archived" >&2; exit 1"#),
            Broken::Lies => format!(r#"echo "{says}: %f is said to be archived, and is not kept" >&2"#),
            Broken::Lags(by) => {
                let (by, deliver) = (by.as_secs_f64(), repo.deliver("%f", r#""$data""#));
                let later = repo.unless_archived(&format!(
                    "mkdir -p {LATE} && cp %p {LATE}/%f && {{ data=$PWD; (sleep {by:.3}; cd {LATE} && {deliver}) </dev/null >/dev/null 2>&1 & }}"
                ));
                format!(r#"echo "{says}: %f is said to be archived, and comes later" >&2; {later}"#)
            }
        }
    }
}

/// Archives every segment that waits on a host whose server has its data directory in `data`, and
/// says how many there were.
pub async fn bring_late_wal(repo: &dyn Storage, host: &dyn Host, data: &str) -> Result<usize> {
    let args = [format!("{data}/{LATE}"), repo.deliver(r#""$f""#, r#""$data""#), data.to_owned()];
    let script = Program::script(include_str!("scripts/bring_late_wal.sh"), args);
    Ok(run(host, "archiving late WAL", script).await?.text().lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::{Place, Settings, default_kind};

    #[test]
    fn a_broken_command_is_known_by_its_text() {
        let repo = default_kind().at(Place {
            name: "onsite".to_owned(),
            path: "/repo".to_owned(),
            settings: Settings::default(),
        });
        for broken in [Broken::Fails, Broken::Lies, Broken::Lags(Duration::from_millis(2500))] {
            let command = broken.command(&*repo);
            assert_eq!(Broken::of(&command), Some(broken.word()));
            assert!(!command.contains('\n'), "ALTER SYSTEM takes one line");
        }
        assert!(Broken::Lags(Duration::from_millis(2500)).command(&*repo).contains("sleep 2.500"));
        assert_eq!(Broken::of(&repo.archive_command()), None);
    }
}
