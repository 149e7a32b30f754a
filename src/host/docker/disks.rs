//! Volumes in memory: what a drill fills is never the disk of the daemon.

use std::collections::BTreeMap;

use crate::host::{DiskOf, HostError, LabSpec, Result};

/// The volumes of a container that are in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Disks {
    /// Their sizes, by their names.
    pub sizes: BTreeMap<String, u64>,
    /// Whether its data directory or its pg_wal lies on one.
    pub server: bool,
    /// Whether its pg_wal alone does.
    pub wal: bool,
    /// Whether one of them has no other container that holds it.
    alone: bool,
}

impl Disks {
    /// Those of a node; `named` is what the lab calls its parts.
    pub(super) fn of(spec: &LabSpec, node: &str, named: impl Fn(&str) -> String) -> Self {
        let volume = |of: &DiskOf| match of {
            DiskOf::Data(node) => named(&format!("data-{node}")),
            DiskOf::Wal(node) => named(&format!("wal-{node}")),
            DiskOf::Repo(repo) => named(&format!("repo-{repo}")),
        };
        let sizes = spec.disks.iter().map(|disk| (volume(&disk.of), disk.size)).collect();
        let is_small = |of: DiskOf| spec.small_disk(&of).is_some();
        let wal = is_small(DiskOf::Wal(node.to_owned()));
        let server = wal || is_small(DiskOf::Data(node.to_owned()));
        Disks { sizes, server, wal, alone: server || (spec.nodes.len() == 1 && !spec.disks.is_empty()) }
    }

    /// Fails where the container's end would be that of a disk that has to outlive it.
    pub(super) fn may_end(&self, node: &str) -> Result<()> {
        if !self.alone {
            return Ok(());
        }
        let title = format!("a disk of `{node}` is in memory, and would end with its container");
        Err(HostError::new(title).help("a drill that fills a disk can kill its host with `--backend local`"))
    }
}
