//! Namespaces of the operating system (manual pages namespaces(7), network_namespaces(7)) in which
//! servers with somebody else's data run: they reach no network, and no Unix socket but the
//! drill's.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::owner::Owner;
use crate::host::HostError;
use crate::host::sockets::listening;

/// Makes the namespaces, and holds them.
const ENCLOSE: &str = include_str!("scripts/enclose.sh");

/// Where sockets are by default, also while nobody listens there: what is made there anew is not
/// seen inside.
const DEFAULT_SOCKETS: [&str; 2] = ["/run", "/run/postgresql"];

/// How long the namespaces may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whose users those inside are. As the users of a namespace of their own they are kept from
/// processes outside, whose /proc/PID/root would be a way out for the same user (ptrace(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Users {
    /// Those of a namespace of the enclosure's own, by the same numbers.
    Own,
    /// This machine's.
    Shared,
}

/// Namespaces of a drill's own. They are gone when this is dropped and nothing runs in them.
pub(super) struct Enclosure {
    /// The process that holds them for as long as its standard input is open.
    holder: Child,
    pid: u32,
    owner: Owner,
    users: Users,
}

impl Enclosure {
    /// Makes them for the drill whose directory is `lab`; `path` is PATH.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(super) async fn make(lab: &Path, owner: Owner, path: &str) -> Result<Self, HostError> {
        match Self::made(lab, owner, Users::Own, path).await {
            // Root needs none to make the others, and a kernel may have none.
            Err(_) if owner != Owner::Me => Self::made(lab, owner, Users::Shared, path).await,
            made => made,
        }
    }

    async fn made(lab: &Path, owner: Owner, users: Users, path: &str) -> Result<Self, HostError> {
        let sockets = with_sockets(lab)?;
        let shade = lab.join("shade");
        owner.make_directory(&shade)?;
        let mut command = Command::new("unshare");
        if users == Users::Own {
            command.args(["--user", "--keep-caps"]);
        }
        if owner == Owner::Me {
            // Who is not root may do so as somebody who is.
            command.arg("--map-current-user");
        }
        // What this machine mounts later is seen inside, what is mounted there is not seen outside.
        command.args(["--net", "--mount", "--propagation", "slave", "--", "sh", "-euc", ENCLOSE, "drillyard"]);
        command.args([&shade, lab]).args(sockets);
        command.env_clear().env("PATH", path).env("LC_ALL", "C").current_dir(lab).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let failed = |why: &str| HostError::new(format!("there are no namespaces to be had: {why}"));
        let mut holder = command.spawn().map_err(|e| failed(&format!("`unshare` (util-linux): {e}")))?;
        let (Some(out), Some(mut err), Some(pid)) = (holder.stdout.take(), holder.stderr.take(), holder.id()) else {
            return Err(failed("`unshare` has ended"));
        };
        let maps = (owner != Owner::Me && users == Users::Own).then_some(pid);
        let ready = tokio::time::timeout(PATIENCE, ready(&mut holder, out, maps)).await;
        match ready {
            Ok(Ok(true)) => {
                let enclosure = Enclosure { holder, pid, owner, users };
                enclosure.enter(lab, path).await.map_err(|why| failed(&format!("they cannot be entered: {why}")))?;
                return Ok(enclosure);
            }
            Ok(Err(why)) if maps.is_some() => return Err(failed(&format!("users have no numbers there: {why}"))),
            Ok(_) => {}
            Err(_) => return Err(failed(&format!("they were not ready after {} s", PATIENCE.as_secs()))),
        }
        let _ = holder.start_kill();
        let mut said = String::new();
        let _ = tokio::time::timeout(PATIENCE, err.read_to_string(&mut said)).await;
        Err(failed(said.trim().lines().next().unwrap_or("`unshare` does not say why")))
    }

    /// Runs a program inside that does nothing; or why that cannot be.
    async fn enter(&self, lab: &Path, path: &str) -> Result<(), String> {
        let mut command = self.command(Path::new("true"), lab);
        command.env_clear().env("PATH", path).env("LC_ALL", "C").current_dir(lab).process_group(0);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(PATIENCE, command.output()).await;
        let ended = ended.map_err(|_| format!("not done after {} s", PATIENCE.as_secs()))?;
        let ended = ended.map_err(|e| format!("`nsenter` (util-linux): {e}"))?;
        let said = String::from_utf8_lossy(&ended.stderr);
        match ended.status.success() {
            true => Ok(()),
            false => Err(said.trim().lines().next().unwrap_or("`nsenter` does not say why").to_owned()),
        }
    }

    /// Whether they can be had, by making some: an error says why not.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub(super) async fn can_be_had(path: &str) -> Result<(), HostError> {
        let owner = Owner::of_servers()?;
        let dir = tempfile::tempdir().map_err(|e| HostError::new(format!("there is no room for one: {e}")))?;
        let lab = dir.path().join("lab");
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o711))
            .map_err(|e| HostError::new(format!("there is no room for one: {e}")))?;
        owner.make_fixed_directory(&lab)?;
        Self::make(&lab, owner, path).await.map(drop)
    }

    /// A command that runs a program inside, as the servers' user, in a directory.
    pub(super) fn command(&self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--net", "--mount"]);
        if self.users == Users::Own {
            command.arg("--user");
        }
        match self.owner {
            Owner::Me => command.arg("--preserve-credentials"),
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

/// Whether the namespaces are ready, by what their holder says; the users in them have the same
/// numbers as outside, if it is root who makes them.
async fn ready(holder: &mut Child, out: ChildStdout, maps: Option<u32>) -> std::io::Result<bool> {
    let mut lines = BufReader::new(out).lines();
    if lines.next_line().await?.as_deref() != Some("made") {
        return Ok(false);
    }
    for (pid, map) in maps.iter().flat_map(|pid| [(pid, "uid_map"), (pid, "gid_map")]) {
        let here = std::fs::read_to_string(format!("/proc/self/{map}"))?;
        let same = here.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some(format!("{0} {0} {1}\n", words.first()?, words.get(2)?))
        });
        // One write has to have all of it (manual page user_namespaces(7)).
        std::fs::write(format!("/proc/{pid}/{map}"), same.collect::<String>())?;
    }
    if let Some(to) = &mut holder.stdin {
        to.write_all(b"go on\n").await?;
    }
    Ok(lines.next_line().await?.as_deref() == Some("ready"))
}

/// The directories in which somebody listens at a Unix socket who is none of the drill's, those
/// above others first.
fn with_sockets(lab: &Path) -> Result<BTreeSet<PathBuf>, HostError> {
    let sockets = listening()?;
    let dirs = sockets.iter().filter_map(|path| path.parent()).chain(DEFAULT_SOCKETS.map(Path::new));
    let all = dirs.filter_map(|dir| dir.canonicalize().ok());
    Ok(all.filter(|dir| !dir.starts_with(lab) && dir.parent().is_some()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_runs_inside_is_tried_before_it_is_believed() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("nsenter");
        std::fs::write(&bin, "#!/bin/sh\necho refused >&2\nexit 1\n").unwrap();
        std::fs::set_permissions(&bin, Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        // Where none can be had there is nothing to compare with.
        if Enclosure::can_be_had(&path).await.is_ok() {
            let why = Enclosure::can_be_had(&format!("{}:{path}", dir.path().display())).await.unwrap_err();
            assert!(why.message.ends_with("cannot be entered: refused"), "{}", why.message);
        }
    }

    #[tokio::test]
    async fn no_process_outside_is_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        let (lab, owner) = (dir.path().join("lab"), Owner::of_servers().unwrap());
        owner.make_fixed_directory(&lab).unwrap();
        let Ok(enclosure) = Enclosure::make(&lab, owner, &std::env::var("PATH").unwrap()).await else { return };
        if enclosure.users == Users::Shared {
            return;
        }
        // Of the same user as those inside.
        let mut outside = Command::new("sleep");
        if let Owner::Other(uid, gid) = owner {
            outside.uid(uid.as_raw()).gid(gid.as_raw());
        }
        let outside = outside.arg("60").kill_on_drop(true).spawn().unwrap();
        let root = format!("/proc/{}/root/", outside.id().unwrap());
        for (path, found) in [("/", true), (root.as_str(), false)] {
            let said = enclosure.command(Path::new("ls"), &lab).arg(path).output().await.unwrap();
            assert_eq!(said.status.success(), found, "{path}: {}", String::from_utf8_lossy(&said.stderr));
        }
    }
}
