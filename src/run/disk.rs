//! Full disks: whatever fails because of one says nothing about the recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::blame::first;
use super::scene::{PATIENCE, Scene};
use crate::harness::{Finding, World};
use crate::host::{DiskOf, Program, SMALL_DISK, Seen};
use crate::journal::{Cause, Outcome, Problem};

/// What can be done about it.
const HELP: &str = "the disk is full, which says nothing about the recovery: free some space, or set TMPDIR to a directory on another disk";
/// What can be done if it is a small one of the drill's own.
const MORE: &str = "give the disk more `size`, at its `fill_disk`";
/// With less than that, nothing can be written.
const NOTHING: u64 = 128 << 10;
/// A server cannot write if there is no space for a WAL segment; one that tried has given back
/// what it had of it.
const SEGMENT: u64 = 17 << 20;

/// A file system, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Disk {
    /// Where it is mounted.
    mount: String,
    size: u64,
    free: u64,
    /// Whether it is a small one that the drill has for itself.
    is_own: bool,
}

impl Disk {
    /// Whether a server could not write there any more.
    fn is_tight(&self) -> bool {
        self.free < SEGMENT && self.free < self.size / 10
    }
}

impl std::fmt::Display for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(f, "{} has {:.1} MB of {:.0} MB left", self.mount, mb(self.free), mb(self.size))
    }
}

/// Whether a program, a server or a daemon says that a disk is full: programs have nothing but
/// their words to say it by.
fn says_full(text: &str) -> bool {
    [
        "No space left on device",
        "no space left on device",
        "Disk quota exceeded",
        "os error 28",
        "Check free disk space",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// A problem that a full disk has caused, known by its text alone: there is no drill yet to look
/// at. `is_own` is whether it is that of a server with a small disk of its own.
pub fn full(problem: Problem, is_own: bool) -> Problem {
    match says_full(&problem.text()) {
        true => problem.because(Cause::DiskFull).help(if is_own { MORE } else { HELP }),
        false => problem,
    }
}

/// Puts a full disk first, if there is one; `broken` is whether a server is not as the drill has
/// left it.
pub async fn blame(scene: &Scene<'_>, finding: Box<Finding>, broken: bool) -> Box<Finding> {
    let text = finding.problem(&scene.world.source, scene.step.action).text();
    let said = finding.cause == Cause::DiskFull || says_full(&text);
    let mut disks = tokio::time::timeout(PATIENCE, look(scene.world, scene.dir)).await.unwrap_or_default();
    // A small disk is what the drill is about, and none of this machine's.
    let own_is_tight = disks.iter().any(|disk| disk.is_own && disk.is_tight());
    disks.retain(|disk| !disk.is_own);
    let smallest = disks.iter().min_by_key(|disk| disk.free).map(|disk| format!("{disk} by now")).unwrap_or_default();
    let tight = disks.into_iter().filter(Disk::is_tight).min_by_key(|disk| disk.free);
    let crippled = broken || finding.outcome == Outcome::Errored || finding.is_late();
    match tight {
        Some(disk) if said || crippled || (disk.free < NOTHING && !scene.judges()) => {
            let mut finding = first(finding, format!("the disk is full: {disk}"), Some(HELP.to_owned()));
            finding.outcome = Outcome::Errored;
            finding.because(Cause::DiskFull)
        }
        None if said && (own_is_tight || may_be_own(scene, &text)) => by_drill(scene, finding),
        // It has space again.
        None if said => {
            let mut finding =
                first(finding, "the disk was full".to_owned(), Some(HELP.to_owned())).note("disk", smallest);
            finding.outcome = Outcome::Errored;
            finding.because(Cause::DiskFull)
        }
        Some(disk) => finding.note("disk", disk.to_string()),
        // Not every error of a server says why it could not write.
        None if own_is_tight && crippled => finding.note("disk", own(scene)),
        None => finding,
    }
}

/// Whether a step that was told of a full disk, which has space again, may have met a small one.
fn may_be_own(scene: &Scene<'_>, text: &str) -> bool {
    let names_none = scene.step.nodes().next().is_none();
    for disk in &scene.world.disks {
        let may_be = match &disk.of {
            DiskOf::Data(node) | DiskOf::Wal(node) => names_none || scene.refers_to(node),
            DiskOf::Repo(repo) => text.contains(&scene.world.lab.repo(repo)),
        };
        if may_be || scene.world.outputs().filled.contains(&disk.of) {
            return true;
        }
    }
    false
}

/// What failed because of a small disk.
fn by_drill(scene: &Scene<'_>, mut finding: Box<Finding>) -> Box<Finding> {
    finding.outcome = Outcome::Failed;
    if finding.cause == Cause::DiskFull {
        finding = finding.because(Cause::Expectation);
    }
    let is_filled = !scene.world.outputs().filled.is_empty();
    let finding = finding.note("disk", own(scene));
    if is_filled { finding } else { finding.help(MORE) }
}

/// What is said of the small disks of a drill, if one of them is full: those that it has filled, or
/// that it is about to fill.
fn own(scene: &Scene<'_>) -> String {
    let filled = scene.world.outputs().filled.clone();
    let named = |disks: &mut dyn Iterator<Item = &DiskOf>| {
        let named: Vec<String> = disks.map(ToString::to_string).collect();
        named.join(" and ")
    };
    match filled.is_empty() {
        false => {
            format!("the drill has filled {} itself: `free_disk` gives the space back", named(&mut filled.iter()))
        }
        true => {
            let disks = named(&mut scene.world.disks.iter().map(|disk| &disk.of));
            format!("{disks} is small, since `fill_disk` is about it")
        }
    }
}

/// The disks of this machine, or of its containers, on which no server could write any more: where
/// each is mounted, and what is left of it. Small ones of the drill's own are what it is about.
pub async fn tight(world: &World, dir: &Path) -> BTreeMap<String, String> {
    let disks = tokio::time::timeout(PATIENCE, look(world, dir)).await.unwrap_or_default();
    let tight = disks.into_iter().filter(|disk| !disk.is_own && disk.is_tight());
    tight.map(|disk| (disk.mount.clone(), disk.to_string())).collect()
}

/// The file systems on which the drill writes.
async fn look(world: &World, dir: &Path) -> BTreeSet<Disk> {
    const SCRIPT: &str = r#"for path in "$@"; do [ ! -e "$path" ] || df -Pk "$path" 2>/dev/null | tail -n 1; done"#;
    let nodes: Vec<_> = world.outputs().nodes.values().cloned().collect();
    let repos: Vec<String> = world.repos.values().flat_map(|repo| repo.directories()).collect();
    let looks = nodes.iter().map(|node| async {
        let host = node.host().ok().filter(|host| host.is_on())?;
        // A program that is started in a paused container never ends.
        if host.look().await.ok()? != Seen::On {
            return None;
        }
        let paths = host.paths();
        let own = [Some(&paths.data), paths.wal.as_ref(), Some(&paths.log), Some(&paths.shared)];
        let own = own.into_iter().flatten().cloned();
        let output = host.run(Program::script(SCRIPT, own.chain(repos.iter().cloned()))).await.ok()?;
        Some(output.text().lines().filter_map(parse).collect::<Vec<_>>())
    });
    let mut disks: BTreeSet<Disk> =
        futures_util::future::join_all(looks).await.into_iter().flatten().flatten().collect();
    // The one on which drillyard itself writes.
    if let Ok(found) = statvfs(dir) {
        let block = found.fragment_size();
        let (size, free) = (found.blocks() * block, found.blocks_available() * block);
        // Servers on this machine have it, too.
        let is_known = disks.iter().any(|disk| disk.size == size && dir.starts_with(&disk.mount));
        if !is_known {
            disks.insert(Disk { mount: dir.display().to_string(), size, free, is_own: false });
        }
    }
    disks
}

/// A line of `df -Pk`: the device, its size, what is used, what is free, the percentage, where it
/// is mounted.
fn parse(line: &str) -> Option<Disk> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [.., size, _, free, percent, mount] = words.as_slice() else { return None };
    let bytes = |kb: &str| kb.parse::<u64>().ok()?.checked_mul(1024);
    percent.ends_with('%').then_some(())?;
    let is_own = words.first() == Some(&SMALL_DISK);
    Some(Disk { mount: (*mount).to_owned(), size: bytes(size)?, free: bytes(free)?, is_own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_when_no_segment_fits() {
        let disk = parse("tmpfs   204800  204796   4 100% /tmp/small").expect("a disk");
        assert!(disk.is_tight());
        assert!(!disk.is_own && parse("vdisk 204800 204796 4 100% /tmp/small").expect("a disk").is_own);
        assert_eq!(disk.to_string(), "/tmp/small has 0.0 MB of 200 MB left");
        let roomy = parse("/dev/vda1  20000000  10000000  10000000  50% /").expect("a disk");
        assert!(!roomy.is_tight());
        // A small disk with nothing on it is not full.
        assert!(!parse("tmpfs 10240 0 10240 0% /tmp/small").expect("a disk").is_tight());
        assert_eq!(parse("Filesystem 1024-blocks Used Available Capacity Mounted on"), None);
    }
}
