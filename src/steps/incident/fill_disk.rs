//! `fill_disk`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, MarkKind, NodeField, NodeId, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::host::{Output, Program, SMALL_DISK, SmallDisk};
use crate::source::{RepoName, Size, Spanned};
use crate::steps::incident::disk::{Disk, What};
use crate::steps::incident::repo_damage::marked_by;

/// Fills a disk: the one with a server's data directory, the one with its pg_wal, or the one with a
/// repo.
///
/// ```yaml
/// - fill_disk: { node: master }
/// - fill_disk: { node: master, what: wal, size: 128MB, leave: 50MB }
/// - fill_disk: { repo: onsite, leave: 1MB }
/// - fill_disk: { node: standby, size: 1GB }
/// ```
///
/// A drill with such a step has a disk of its own for that data directory, that pg_wal or that repo
/// from its beginning on, in memory, of the size `size` (512MB unless the step says otherwise): no
/// other disk is ever filled. pg_wal and tablespaces lie on the same disk as the data directory,
/// the server's log does not. With `what: wal` pg_wal alone lies on a disk of its own: it is a
/// symbolic link there, as with `initdb --waldir`. With `leave` the server fills the rest itself,
/// when its archive_command fails or a replication slot keeps WAL; `free_disk` gives back only what
/// this step has taken, which is `size` without what lies there and without `leave`. On the backend
/// `local` only root can mount such a disk; where it cannot be had, the drill does not begin. On
/// `docker` it ends with its containers: `kill_host` of that node is an error there.
///
/// Until `free_disk`, whatever writes there fails: that is what the drill is about, and not a
/// failure of the lab. Nor is it if the disk is too small before: give it more `size`. Users meet
/// `disk_full`, which `tolerate` can name. A server that cannot write WAL any more ends with PANIC;
/// after `free_disk`, `start` lets it recover.
///
/// It is errored, and fills nothing, if less than 256 MB of memory would stay available then.
///
/// It passes if no more than `leave` (nothing unless the step says otherwise) is left.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FillDiskSpec {
    /// The server whose data directory lies on it.
    #[serde(default)]
    node: NodeField,
    /// The repo that lies on it.
    #[serde(default)]
    repo: Option<RepoName>,
    /// What of the server lies on it: `data` (the default) or `wal`.
    #[serde(default)]
    what: Option<Spanned<What>>,
    /// How large the disk is.
    #[serde(default)]
    size: Option<Spanned<Size>>,
    /// How much is left.
    #[serde(default)]
    leave: Option<Spanned<Size>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct FillDisk {
    /// Which disk.
    disk: Disk,
    /// Whose mark the step is.
    whose: Vec<NodeId>,
    /// Its size in bytes.
    size: u64,
    /// How many bytes are left.
    leave: u64,
}

/// How large a disk is if nobody says.
const SIZE: u64 = 512 << 20;
/// A server with nothing in it needs nearly as much.
const LEAST: u64 = 128 << 20;
/// A pg_wal of a few segments.
const LEAST_WAL: u64 = 64 << 20;
/// It is this machine's memory.
const MOST: u64 = 8 << 30;
/// What has to stay available of that.
const RESERVE: u64 = 256 << 20;
/// How the script ends if it would not.
const NO_MEMORY: i64 = 4;

impl StepKind for FillDiskSpec {
    type Step = FillDisk;

    const NAME: &'static str = "fill_disk";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Incident;
    const FACTS: &'static str = "left_bytes mark";
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<FillDisk> {
        let disk = Disk::resolve(&self.node, self.repo.as_ref(), self.what.as_ref(), scope);
        let size = self.size.as_ref().map_or(SIZE, |size| size.value.0);
        let is_wal = matches!(disk, Some(Disk::Wal(_)));
        let (least, label) = match is_wal {
            true => (LEAST_WAL, "from 64MB to 8GB: it is in memory"),
            false => (LEAST, "from 128MB to 8GB: it is in memory"),
        };
        if let Some(written) = self.size.as_ref().filter(|_| !(least..=MOST).contains(&size)) {
            scope.error(written.span, "a disk cannot have this size", label);
        }
        let leave = self.leave.as_ref().map_or(0, |leave| leave.value.0);
        if let Some(written) = self.leave.as_ref().filter(|_| leave >= size) {
            scope.error(written.span, "this is no less than the disk has", "leave less, or say `size`");
        }
        let whose = disk.as_ref().map_or(vec![], |disk| disk.whose(scope));
        Some(FillDisk { disk: disk?, whose, size: size / 4096 * 4096, leave })
    }
}

#[async_trait(?Send)]
impl Step for FillDisk {
    fn title(&self) -> String {
        format!("fill {}", self.disk)
    }

    fn effects(&self) -> Effects {
        Effects { fills: Some(SmallDisk { of: self.disk.of(), size: self.size }), ..Effects::anything() }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (host, path) = self.disk.place(cx).await?;
        let numbers = [cx.world.disk_size(&self.disk.of()), self.leave, RESERVE];
        let [size, leave, reserve] = numbers.map(|bytes| bytes.to_string());
        let args = [path, size, leave, SMALL_DISK.to_owned(), reserve];
        let script = Program::script(include_str!("scripts/fill_disk.sh"), args);
        cx.wait(self.disk.to_string());
        // One that is half full is no full one.
        cx.struck.slow = true;
        let fill = async |cx: &mut Context<'_>| self.fill(cx, host.run(script).await?);
        match self.disk.node() {
            Some(node) => cx.inject(&*cx.world.node(node)?, fill).await,
            None => marked_by(cx, &self.whose, fill).await,
        }
    }
}

impl FillDisk {
    /// What the script has said.
    fn fill(&self, cx: &mut Context<'_>, output: Output) -> StepResult {
        let (true, Ok(left)) = (output.success(), output.text().trim().parse::<u64>()) else {
            let finding =
                Finding::errored(format!("{} cannot be filled", self.disk)).note("said", output.stderr.trim());
            return Err(match output.status {
                NO_MEMORY => finding.help("it is in memory: give it less `size`, or run fewer drills at once (`-j`)"),
                _ => finding,
            });
        };
        cx.world.outputs().filled.insert(self.disk.of());
        cx.fact("left_bytes", left);
        match left <= self.leave {
            true => Ok(()),
            false => Err(Finding::failed(format!("{} is not full", self.disk)).label(format!("{left} bytes are left"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::unmount_below;
    use std::path::Path;
    use std::process::Command;

    /// What the script ends with and says of the disk at `dir`, to be left with 1 MB.
    fn fill(dir: &Path, reserve: u64) -> (Option<i32>, String) {
        let mut command = Command::new("sh");
        command.args(["-euc", include_str!("scripts/fill_disk.sh"), "drillyard"]).arg(dir);
        let output = command.args([&(8 << 20).to_string(), "1048576", SMALL_DISK, &reserve.to_string()]).output();
        let output = output.expect("sh runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).trim().to_owned())
    }

    #[test]
    fn no_other_disk_is_filled_and_no_memory_that_is_needed() {
        if !nix::unistd::Uid::effective().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (own, other) = (dir.path().join("an own"), dir.path().join("other"));
        for (place, name) in [(&own, SMALL_DISK), (&other, "tmpfs")] {
            std::fs::create_dir(place).unwrap();
            let mut command = Command::new("mount");
            assert!(command.args(["-t", "tmpfs", "-o", "size=8m", name]).arg(place).status().unwrap().success());
        }
        let below = own.join("below");
        std::fs::create_dir(&below).unwrap();
        for place in [&other, &below] {
            let (code, said) = fill(place, 0);
            assert!(code == Some(3) && said.ends_with("is not a disk of the drill's own"), "{said}");
            assert!(!place.join("old.tar").exists());
        }
        let (code, said) = fill(&own, 1 << 50);
        assert_eq!(code, Some(NO_MEMORY as i32));
        assert!(said.starts_with("7 MB are to be filled, ") && said.contains(" and 1073741824 MB have to"), "{said}");
        assert!(!own.join("old.tar").exists());
        assert_eq!(fill(&own, 0), (Some(0), "1048576".to_owned()));
        Command::new("umount").arg(&other).status().unwrap();
        unmount_below(dir.path());
    }
}
