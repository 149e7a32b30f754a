//! The directories of one drill.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::host::{LocalHost, Programs};
use super::layout::{RUN, link_dir, node_dir, repos_dir, shared_dir, socket};
use super::link::Link;
use crate::host::{Host, HostError, Lab, LabSpec, Result, remove_directory, spread};
use crate::pg::Version;

/// The hosts of one drill: a directory for each.
pub(super) struct LocalLab {
    version: Version,
    dir: PathBuf,
    hosts: Vec<Arc<LocalHost>>,
    /// The connections that can be cut, with their two nodes.
    links: Mutex<Vec<(String, String, Link)>>,
}

impl LocalLab {
    /// Makes all directories, and the links.
    pub(super) fn make(spec: &LabSpec, programs: Programs) -> Result<Self> {
        let dir = spec.dir.join(spec.drill.to_string());
        let owner = programs.owner;
        owner.make_directory(&dir)?;
        spread(&dir);
        for part in [shared_dir(&dir), repos_dir(&dir)] {
            owner.make_directory(&part)?;
            spread(&part);
        }
        for repo in &spec.repos {
            owner.make_directory(&repos_dir(&dir).join(repo))?;
        }
        let version = programs.version;
        let programs = Arc::new(programs);
        let hosts = spec.nodes.iter().map(|node| Arc::new(LocalHost::new(node, &dir, spec, Arc::clone(&programs))));
        let hosts: Vec<_> = hosts.collect();
        for host in &hosts {
            host.make_directories()?;
        }
        let mut links = vec![];
        for (number, (a, b)) in spec.cuts.iter().enumerate() {
            let way = |from: &str, to: &str| {
                let end = link_dir(&dir, number, from);
                owner.make_directory(&end)?;
                Ok((socket(&end), socket(&node_dir(&dir, to).join(RUN))))
            };
            let link = Link::new(&[way(a, b)?, way(b, a)?], |socket| owner.give(socket))?;
            links.push((a.clone(), b.clone(), link));
        }
        Ok(LocalLab { version, dir, hosts, links: Mutex::new(links) })
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
