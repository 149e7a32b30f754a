//! Archive commands that do not archive, as drills need them.

use std::time::Duration;

use super::Repo;

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

/// Where segments wait that come late: beside PGDATA, which is the working directory of an `archive_command`. On the host, so that
/// they go with it.
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
}

impl Repo {
    /// An `archive_command` that is broken so. It says what it does in the server's log, where its standard error goes.
    pub fn broken_archive_command(&self, broken: Broken) -> String {
        let (wal, says) = (self.wal(), broken.says());
        match broken {
            Broken::Fails => format!(r#"echo "{says}: %f is not archived" >&2; exit 1"#),
            Broken::Lies => format!(r#"echo "{says}: %f is said to be archived, and is not kept" >&2"#),
            Broken::Lags(by) => {
                let (by, place) = (by.as_secs_f64(), place(&wal, "%f"));
                format!(
                    r#"echo "{says}: %f is said to be archived, and comes later" >&2; if test -e {wal}/%f; then cmp -s %p {wal}/%f; else mkdir -p {LATE} && cp %p {LATE}/%f && {{ (sleep {by:.3}; cd {LATE} && {place}) </dev/null >/dev/null 2>&1 & }}; fi"#
                )
            }
        }
    }

    /// A script that puts every segment that is late into its place, and prints their names. `$1` is PGDATA.
    pub fn place_late_wal(&self) -> String {
        let place = place(&self.wal(), r#""$f""#);
        format!(
            r#"cd "$1/{LATE}" 2>/dev/null || exit 0
for f in *; do
  [ -e "$f" ] || continue
  {place} || exit 1
  echo "$f"
done"#
        )
    }
}

/// Moves `file` out of the working directory into the repo. It may be done twice at a time: each time it appears whole, and is the
/// same.
fn place(wal: &str, file: &str) -> String {
    format!("cp {file} {wal}/.{file}.$$.part && mv {wal}/.{file}.$$.part {wal}/{file} && rm -f {file}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_command_is_known_by_its_text() {
        let repo = Repo { name: "onsite".to_owned(), path: "/repo".to_owned() };
        for broken in [Broken::Fails, Broken::Lies, Broken::Lags(Duration::from_millis(2500))] {
            let command = repo.broken_archive_command(broken);
            assert_eq!(Broken::of(&command), Some(broken.word()));
            assert!(!command.contains('\n'), "ALTER SYSTEM takes one line");
        }
        assert!(repo.broken_archive_command(Broken::Lags(Duration::from_millis(2500))).contains("sleep 2.500"));
        assert_eq!(Broken::of(&repo.archive_command()), None);
    }
}
