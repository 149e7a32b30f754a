//! One drill's servers, repos and files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::effects::Recalls;
use super::node_settings::NodeSettings;
use super::node_spec::NodeSpec;
use super::outputs::Outputs;
use super::users::Users;
use super::{Finding, NodeId, RepoId, StepId};
use crate::host::{DiskOf, Host, Lab, SmallDisk};
use crate::journal::{Event, Journal};
use crate::node::Node;
use crate::pg::Mark;
use crate::repo::{Label, Repo};
use crate::source::Source;

/// One drill's world: its lab, and what its steps have made in it.
pub struct World {
    /// Where the hosts are.
    pub lab: Arc<dyn Lab>,
    /// The scenario's text.
    pub source: Source,
    /// Where events go.
    pub journal: Journal,
    /// The drill's number in the run.
    pub drill: usize,
    /// What everything that is random begins with.
    pub seed: u64,
    /// The superuser's password on every server of the drill.
    pub password: String,
    /// The directories in which files named in the scenario are looked for, in order.
    pub file_roots: Vec<PathBuf>,
    /// What lies on this machine and is secret: it is on no host of the drill.
    pub private: Vec<PathBuf>,
    /// The nodes, as the scenario describes them.
    pub specs: BTreeMap<NodeId, NodeSpec>,
    /// The repos.
    pub repos: BTreeMap<RepoId, Repo>,
    /// What steps ask of snapshots.
    pub recalls: Vec<Recalls>,
    /// Whether people work on its servers: nothing that users meet meanwhile is unexpected.
    pub attended: bool,
    /// A host that the lab has, whether a server is on it yet or not: repos are read from there.
    pub reader: String,
    /// The small disks of its lab.
    pub disks: Vec<SmallDisk>,
    /// What steps have left so far.
    pub outputs: Arc<Mutex<Outputs>>,
}

impl World {
    /// Tells of something that is no failure, and may not be what the drill's author means.
    pub fn warn(&self, message: String) {
        self.journal.write(Event::Warned { drill: Some(self.drill), message });
    }

    /// The same world for somebody who tries something in it: what happens is told to another
    /// journal.
    pub fn telling(&self, journal: Journal) -> World {
        World {
            lab: self.lab.clone(),
            source: self.source.clone(),
            journal,
            drill: self.drill,
            seed: self.seed,
            password: self.password.clone(),
            file_roots: self.file_roots.clone(),
            private: self.private.clone(),
            specs: self.specs.clone(),
            repos: self.repos.clone(),
            reader: self.reader.clone(),
            attended: self.attended,
            disks: self.disks.clone(),
            recalls: self.recalls.clone(),
            outputs: self.outputs.clone(),
        }
    }

    /// What steps have left so far. Never held over an await.
    pub fn outputs(&self) -> MutexGuard<'_, Outputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up the users who are there, from anywhere and at any time.
    pub fn shared_users(&self) -> impl Fn() -> Vec<(StepId, Arc<Users>)> + Send + 'static {
        let state = self.outputs.clone();
        move || {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.users.iter().map(|(id, users)| (id.clone(), users.clone())).collect()
        }
    }

    /// The size of the small disk that this lies on; 0 if it is not on one.
    pub fn disk_size(&self, of: &DiskOf) -> u64 {
        self.disks.iter().find(|disk| disk.of == *of).map_or(0, |disk| disk.size)
    }

    /// A node that exists.
    pub fn node(&self, name: &str) -> Result<Arc<Node>, Box<Finding>> {
        let found = self.outputs().nodes.get(name).cloned();
        found.ok_or_else(|| match self.attended {
            true => Finding::failed(format!("there is no server `{name}` to be checked"))
                .label("none that people made is running, in the place for it or in another"),
            false => Finding::missing(format!("node `{name}` does not exist: the step that makes it did not run")),
        })
    }

    /// A node as the scenario describes it: its line under `nodes`, and the settings that steps
    /// have given it.
    pub fn spec(&self, name: &str) -> NodeSpec {
        let spec = self.specs.get(name).cloned().unwrap_or_default();
        match self.outputs().settings.get(name) {
            Some(settings) => spec.with(settings),
            None => spec,
        }
    }

    /// Notes the settings that a step gives to a node, which may be none. It keeps them when it is
    /// started again.
    pub fn give_settings(&self, node: &NodeId, settings: &NodeSettings) {
        let mut outputs = self.outputs();
        let all = outputs.settings.entry(node.clone()).or_default();
        all.lines.extend(settings.lines.iter().cloned());
        all.places.extend(&settings.places);
        all.newest = settings.lines.len();
    }

    /// Whether a server may have archived into one of these repos by something of the scenario's
    /// own. A server without an `archive_to` under `nodes` has got its repo from a step.
    pub fn archived_by_own_command(&self, repos: &[Option<&str>]) -> bool {
        let given: Vec<NodeId> = self.outputs().settings.keys().cloned().collect();
        self.specs.keys().chain(&given).any(|node| {
            let spec = self.spec(node);
            let there = spec.archive_to.as_ref().is_none_or(|to| repos.contains(&Some(to.as_str())));
            there && spec.archives_by_own_command()
        })
    }

    /// A repo that is there.
    pub fn repo(&self, name: &str) -> Result<&Repo, Box<Finding>> {
        if self.outputs().lost_repos.iter().any(|lost| lost.as_str() == name) {
            return Err(Finding::failed(format!("repo `{name}` is gone"))
                .label("it was lost with its site")
                .help("use a repo at another site"));
        }
        self.repos.get(name).ok_or_else(|| Finding::errored(format!("there is no repo `{name}`")))
    }

    /// What a repo calls the backup of a step; of one that was not taken, what it would most likely
    /// be.
    pub fn label(&self, backup: &str) -> Label {
        let taken = self.outputs().backups.get(backup).map(|backup| backup.label.clone());
        taken.unwrap_or_else(|| Label::new(backup))
    }

    /// Whether a backup has somebody else's data: it lies in a repo of theirs, or a step has taken
    /// it of a copy of their server.
    pub fn is_of_others(&self, repo: &Repo, label: &Label) -> bool {
        repo.is_existing() || self.outputs().backups.values().any(|backup| backup.of_others && backup.label == *label)
    }

    /// A node on whose host programs can be run now.
    pub fn any_host(&self) -> Result<Arc<Node>, Box<Finding>> {
        let is_on = |node: &&Arc<Node>| node.host().is_ok_and(|host| host.is_on());
        let found = self.outputs().nodes.values().find(is_on).cloned();
        found.ok_or_else(|| Finding::errored("there is no node on whose host a repo could be reached"))
    }

    /// A host from which a repo can be read, also before there is a node.
    pub async fn reader(&self) -> Result<Arc<dyn Host>, Box<Finding>> {
        match self.any_host() {
            Ok(node) => Ok(node.host()?.clone()),
            Err(_) => Ok(self.lab.host(&self.reader).await?),
        }
    }

    /// A mark that an earlier step made.
    pub fn mark(&self, id: &str) -> Result<Mark, Box<Finding>> {
        let found = self.outputs().marks.get(id).cloned();
        found.ok_or_else(|| {
            Finding::missing(format!(
                "`{id}` is no mark: its step did not run, or there was no primary to ask for its position"
            ))
        })
    }

    /// How long a node's log was when a mark was made; the whole log counts of a node that came
    /// later.
    pub fn log_offset(&self, mark: &str, node: &str) -> u64 {
        self.outputs().log_offsets.get(&(StepId::from(mark), NodeId::from(node))).copied().unwrap_or(0)
    }

    /// The users of a traffic step.
    pub fn users(&self, id: &str) -> Result<Arc<Users>, Box<Finding>> {
        let found = self.outputs().users.get(id).cloned();
        found.ok_or_else(|| Finding::missing(format!("traffic `{id}` was not started: its step did not run")))
    }

    /// Whether a user has met an error that nobody tolerates.
    pub(super) fn users_failed(&self) -> bool {
        self.outputs().users.values().any(|users| users.pool.failure().is_some())
    }

    /// Reads a file that the scenario names, relative to the scenario's directory or one above it.
    pub fn read_file(&self, path: &str) -> Result<String, Box<Finding>> {
        for root in &self.file_roots {
            let candidate = root.join(path);
            if candidate.is_file() {
                let bytes = std::fs::read(&candidate)
                    .map_err(|e| Finding::errored(format!("cannot read {}: {e}", candidate.display())))?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| Finding::failed(format!("{path} is not UTF-8")).help("save it as UTF-8"))?;
                // Some editors begin a file with a mark of the order of its bytes.
                return Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text));
            }
        }
        Err(Finding::errored(format!("there is no file {path}")))
    }
}
