//! Namespaces of the operating system (manual pages namespaces(7), network_namespaces(7)) in which
//! servers with somebody else's data run: they reach no network, and no Unix socket but the
//! drill's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::owner::Owner;
use crate::host::HostError;

/// Makes the namespaces, and holds them.
const ENCLOSE: &str = include_str!("scripts/enclose.sh");

/// Where sockets are by default, also while nobody listens there: what is made there anew is not
/// seen inside.
const DEFAULT_SOCKETS: [&str; 2] = ["/run", "/run/postgresql"];

/// How long the namespaces may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Namespaces of a drill's own. They are gone when this is dropped and nothing runs in them.
pub(super) struct Enclosure {
    /// The process that holds them for as long as its standard input is open.
    holder: Child,
    pid: u32,
    owner: Owner,
}

impl Enclosure {
    /// Makes them for the drill whose directory is `lab`; `path` is PATH.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(super) async fn make(lab: &Path, owner: Owner, path: &str) -> Result<Self, HostError> {
        let shade = lab.join("shade");
        owner.make_directory(&shade)?;
        let mut command = Command::new("unshare");
        if owner == Owner::Me {
            // Who is not root may do so as somebody who is, in a namespace of users.
            command.args(["--user", "--map-current-user", "--keep-caps"]);
        }
        // What this machine mounts later is seen inside, what is mounted there is not seen outside.
        command.args(["--net", "--mount", "--propagation", "slave", "--", "sh", "-euc", ENCLOSE, "drillyard"]);
        command.args([&shade, lab]).args(with_sockets(lab));
        command.env_clear().env("PATH", path).env("LC_ALL", "C").current_dir(lab).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let failed = |why: &str| HostError::new(format!("there are no namespaces to be had: {why}"));
        let mut holder = command.spawn().map_err(|e| failed(&format!("`unshare` (util-linux): {e}")))?;
        let (Some(out), Some(mut err), Some(pid)) = (holder.stdout.take(), holder.stderr.take(), holder.id()) else {
            return Err(failed("`unshare` has ended"));
        };
        let mut line = String::new();
        let ready = tokio::time::timeout(PATIENCE, BufReader::new(out).read_line(&mut line)).await;
        if matches!(ready, Ok(Ok(_))) && line == "ready\n" {
            return Ok(Enclosure { holder, pid, owner });
        }
        let _ = holder.start_kill();
        let mut said = String::new();
        let _ = tokio::time::timeout(PATIENCE, err.read_to_string(&mut said)).await;
        Err(failed(said.trim().lines().next().unwrap_or("`unshare` does not say why")))
    }

    /// Whether they can be had, by making some: an error says why not.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(super) async fn can_be_had(path: &str) -> Result<(), HostError> {
        let owner = Owner::of_servers()?;
        let dir = tempfile::tempdir().map_err(|e| HostError::new(format!("there is no room for one: {e}")))?;
        Self::make(dir.path(), owner, path).await.map(drop)
    }

    /// A command that runs a program inside, as the servers' user, in a directory.
    pub(super) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--net", "--mount"]);
        match self.owner {
            Owner::Me => command.args(["--user", "--preserve-credentials"]),
            Owner::Other(uid, gid) => command.args(["--setuid", &uid.to_string(), "--setgid", &gid.to_string()]),
        };
        // Entering another tree of mounts leaves the working directory behind.
        command.args(["--", "sh", "-euc", r#"cd "$1"; shift; exec "$@""#, "drillyard"]).arg(dir).arg(program);
        command
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        let _ = self.holder.start_kill();
    }
}

/// The directories in which somebody listens at a Unix socket who is none of the drill's, those
/// above others first.
fn with_sockets(lab: &Path) -> BTreeSet<PathBuf> {
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let listening = table.lines().filter_map(listens_at).map(Path::new).filter_map(Path::parent);
    let all = listening.chain(DEFAULT_SOCKETS.map(Path::new)).filter_map(|dir| dir.canonicalize().ok());
    all.filter(|dir| !dir.starts_with(lab) && dir.parent().is_some()).collect()
}

/// The path at which somebody listens, by a line of /proc/net/unix (manual page proc(5)).
fn listens_at(line: &str) -> Option<&str> {
    /// `__SO_ACCEPTCON`.
    const LISTENS: &str = "00010000";
    let words: Vec<&str> = line.splitn(8, ' ').collect();
    // The number of the inode is padded.
    let path = words.get(7)?.find('/').map(|at| &words[7][at..])?;
    (words[3] == LISTENS && !words[7].contains('@')).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_told_from_others() {
        let at = "0000000000000000: 00000002 00000000 00010000 0001 01 27233 /run/postgresql/.s.PGSQL.5432";
        assert_eq!(listens_at(at), Some("/run/postgresql/.s.PGSQL.5432"));
        let connected = at.replace("00010000", "00000000");
        assert_eq!(listens_at(&connected), None);
        assert_eq!(listens_at("0000000000000000: 00000002 00000000 00010000 0001 01   233 @/abstract"), None);
        assert_eq!(listens_at("0000000000000000: 00000002 00000000 00010000 0001 01   233 /a b"), Some("/a b"));
        assert_eq!(listens_at("Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }
}
