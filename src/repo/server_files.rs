//! The files of a backup that say what server it is of, as far as they can be read without
//! restoring it.

use super::error::{Result, run};
use crate::host::{Host, Program};

/// Where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerFiles {
    /// The backup is a data directory, and this is it. Nothing may be written there.
    Whole(String),
    /// This directory has some of them.
    Some(String),
    /// Nowhere: why.
    None(String),
    /// They are not there, or damaged, so that no server can be had from the backup: why.
    Damaged(String),
}

impl ServerFiles {
    /// Where they lie.
    pub fn dir(&self) -> Option<&str> {
        match self {
            ServerFiles::Whole(dir) | ServerFiles::Some(dir) => Some(dir),
            ServerFiles::None(_) | ServerFiles::Damaged(_) => None,
        }
    }

    /// Reads what `scripts/server_files.sh` prints.
    pub(super) fn read(text: &str) -> Self {
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match word {
            "whole" => ServerFiles::Whole(rest.to_owned()),
            "some" => ServerFiles::Some(rest.to_owned()),
            "damaged" => ServerFiles::Damaged(rest.to_owned()),
            _ => ServerFiles::None(rest.to_owned()),
        }
    }
}

/// Those of the backup in a directory, plain or tar. What has to be unpacked goes to `scratch`.
pub(super) async fn server_files_in(host: &dyn Host, dir: &str, scratch: &str) -> Result<ServerFiles> {
    let program = Program::script(include_str!("scripts/server_files.sh"), [dir, scratch]);
    Ok(ServerFiles::read(&run(host, "reading the backup", program).await?.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the script says of the backup that another one makes in the directory `b`.
    fn look(make: &str) -> ServerFiles {
        let dir = tempfile::tempdir().expect("a directory");
        let all = format!(
            "mkdir -p b d/global; echo 15 >d/PG_VERSION; head -c 300000 /dev/urandom >d/global/pg_control; \
             mkdir -p d/base; head -c 300000 /dev/urandom >d/base/1; {make}"
        );
        let sh = |script: &str, args: &[&str]| {
            let sh =
                std::process::Command::new("sh").args(["-euc", script, "sh"]).args(args).current_dir(&dir).output();
            sh.expect("sh runs")
        };
        let made = sh(&all, &[]);
        assert!(made.status.success(), "{made:?}");
        let said = sh(include_str!("scripts/server_files.sh"), &["b", "scratch"]);
        assert!(said.status.success(), "{said:?}");
        ServerFiles::read(&String::from_utf8_lossy(&said.stdout))
    }

    #[test]
    fn what_is_not_there_is_told_from_what_cannot_be_looked_at() {
        let damaged = |why: &str| ServerFiles::Damaged(why.to_owned());
        let some = ServerFiles::Some("scratch".to_owned());
        assert_eq!(look("cp -r d/. b"), ServerFiles::Whole("b".to_owned()));
        assert_eq!(look("cp -r d/. b; rm b/global/pg_control"), damaged("there is no global/pg_control in it"));
        // Debian has postgresql.conf elsewhere; and some tar the directory itself.
        assert_eq!(look("cd d; tar -czf ../b/base.tar.gz PG_VERSION base global"), some);
        assert_eq!(look("tar -cf b/base.tar -C d ."), some);
        let none = damaged("there is no global/pg_control in its base.tar");
        assert_eq!(look("cd d; tar -cf ../b/base.tar PG_VERSION base"), none);
        let cut = look("tar -czf all -C d .; head -c 400000 all >b/base.tar.gz");
        let ServerFiles::Damaged(why) = &cut else { panic!("{cut:?}") };
        assert!(why.starts_with("its base.tar.gz cannot be read to its end: "), "{why}");
        assert!(matches!(look("echo no tar >b/base.tar"), ServerFiles::Damaged(_)));
    }

    #[test]
    fn what_the_script_says_is_read() {
        assert_eq!(ServerFiles::read("whole /b/my night\n"), ServerFiles::Whole("/b/my night".to_owned()));
        assert_eq!(ServerFiles::read("some /s\n").dir(), Some("/s"));
        assert_eq!(
            ServerFiles::read("none zstd is not installed\n"),
            ServerFiles::None("zstd is not installed".to_owned())
        );
    }
}
