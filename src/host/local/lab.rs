//! The directories of one drill.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::disk;
use super::enclosure::Enclosure;
use super::fetching::ASK;
use super::host::{LocalHost, make_directories, small_disks};
use super::layout::{RUN, fetch_script, link_dir, node_dir, repos_dir, shared_dir, socket, ways_dir};
use super::link::Link;
use super::programs::{Around, Programs};
use crate::host::{
    DiskOf, Host, HostError, Installation, Isolation, Lab, LabSpec, Network, Result, remove_directory, spread,
};
use crate::pg::Version;

/// The hosts of one drill: a directory for each.
pub(super) struct LocalLab {
    version: Version,
    dir: PathBuf,
    network: Network,
    hosts: Vec<Arc<LocalHost>>,
    /// The connections that can be cut, with their two nodes.
    links: Mutex<Vec<(String, String, Link)>>,
}

impl LocalLab {
    /// Makes all directories, and the links; and cuts them off from the network, if they are to be.
    ///
    /// The first of the installations is that of hosts without a release of their own.
    pub(super) async fn make(spec: &LabSpec, mut around: Around, installations: &[Installation]) -> Result<Self> {
        let dir = spec.dir.join(spec.drill.to_string());
        let owner = around.owner;
        let usual = installations.first().ok_or_else(|| HostError::new("there are no programs to be run"))?;
        owner.make_fixed_directory(&dir)?;
        spread(&dir);
        for part in [shared_dir(&dir), repos_dir(&dir)] {
            owner.make_directory(&part)?;
            spread(&part);
        }
        for repo in &spec.repos {
            let path = repos_dir(&dir).join(repo);
            owner.make_directory(&path)?;
            if let Some(size) = spec.small_disk(&DiskOf::Repo(repo.clone())) {
                disk::mount(&path, size, owner)?;
            }
        }
        // What is mounted later may not be seen by servers that are cut off.
        for node in &spec.nodes {
            make_directories(&node_dir(&dir, node), &small_disks(spec, node), owner)?;
        }
        let path = around.search_path(usual);
        let network = cut_off(&dir, spec.isolation, &mut around, &path).await?;
        let hosts = hosts(&dir, spec, around, installations)?;
        let mut links = vec![];
        for (number, (a, b)) in spec.cuts.iter().enumerate() {
            let way = |from: &str, to: &str| {
                let end = link_dir(&dir, number, from);
                owner.make_fixed_directory(&end)?;
                Ok((socket(&end), socket(&node_dir(&dir, to).join(RUN))))
            };
            let link = Link::new(&[way(a, b)?, way(b, a)?], |socket| owner.give(socket))?;
            links.push((a.clone(), b.clone(), link));
        }
        Ok(LocalLab { version: usual.version, dir, network, hosts, links: Mutex::new(links) })
    }

    fn links(&self) -> MutexGuard<'_, Vec<(String, String, Link)>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_whole(&self, a: &str, b: &str, whole: bool) -> Result<()> {
        let links = self.links();
        let link = links.iter().find(|(one, other, _)| (one == a && other == b) || (one == b && other == a));
        let (_, _, link) =
            link.ok_or_else(|| HostError::new(format!("there is no link of its own between `{a}` and `{b}`")))?;
        link.set_whole(whole);
        Ok(())
    }
}

/// The hosts of a lab, each with the programs of its release.
fn hosts(dir: &Path, spec: &LabSpec, around: Around, installations: &[Installation]) -> Result<Vec<Arc<LocalHost>>> {
    let around = Arc::new(around);
    let all: Vec<_> = installations.iter().map(|one| Arc::new(Programs::new(one, &around))).collect();
    let host = |node: &String| {
        let programs = match spec.release(node) {
            Some(own) => all.iter().find(|programs| programs.version == own),
            None => all.first(),
        };
        let programs = programs.ok_or_else(|| HostError::new(format!("there are no programs for `{node}`")))?;
        Ok(Arc::new(LocalHost::new(node, dir, spec, Arc::clone(programs))))
    };
    spec.nodes.iter().map(host).collect()
}

/// Makes the namespaces in which the servers of a lab run, if they are to be cut off.
async fn cut_off(lab: &Path, isolation: Isolation, around: &mut Around, path: &str) -> Result<Network> {
    match isolation {
        Isolation::Needless => return Ok(Network::Open("nothing in this drill is anybody else's".to_owned())),
        Isolation::Refused => return Ok(Network::Open("the scenario says `network: open`".to_owned())),
        Isolation::Demanded => {}
    }
    match Enclosure::make(lab, around.owner, path).await {
        Ok(enclosure) => {
            around.owner.make_fixed_directory(&ways_dir(lab))?;
            let script = fetch_script(lab);
            let written = std::fs::write(&script, ASK).and_then(|()| around.owner.give(&script));
            written.map_err(|e| HostError::new(format!("cannot write {}: {e}", script.display())))?;
            around.enclosure = Some(enclosure);
            Ok(Network::Isolated)
        }
        Err(error) => Err(HostError::new(format!(
            "the servers of this drill cannot be cut off from the network: {}",
            error.message
        ))
        .help(
            "run drillyard as root, or let users make namespaces (sysctl kernel.unprivileged_userns_clone, \
             kernel.apparmor_restrict_unprivileged_userns); a container needs `--cap-add SYS_ADMIN` for it; \
             `network: open` in the scenario does without, at your own risk",
        )),
    }
}

#[async_trait]
impl Lab for LocalLab {
    fn version(&self) -> Version {
        self.version
    }

    async fn host(&self, node: &str) -> Result<Arc<dyn Host>> {
        let host = self.hosts.iter().find(|host| host.name() == node);
        host.map(|host| host.clone() as Arc<dyn Host>)
            .ok_or_else(|| HostError::new(format!("there is no host for node `{node}`")))
    }

    fn network(&self) -> Network {
        self.network.clone()
    }

    fn repo(&self, repo: &str) -> String {
        repos_dir(&self.dir).join(repo).display().to_string()
    }

    async fn cut(&self, a: &str, b: &str) -> Result<()> {
        self.set_whole(a, b, false)
    }

    async fn heal(&self, a: &str, b: &str) -> Result<()> {
        self.set_whole(a, b, true)
    }

    async fn destroy(&self) -> Result<()> {
        self.links().clear();
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || remove_directory(&dir))
            .await
            .map_err(|e| HostError::new(format!("clean-up stopped: {e}")))?
    }
}
