//! Making a drill's servers, side by side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, watch};

use super::change::Change;
use super::repos;
use crate::harness::{NodeId, NodeSpec, RepoId};
use crate::host::{Host, HostError, Lab};
use crate::journal::{Event, Journal};
use crate::node::{
    Address, ClientEnvironment, Config, External, Node, Origin, Signal, SqlError, StartError, apply_delay, create_slot,
    is_below_a_new_cluster, is_demanded, slot_name,
};
use crate::pg::{SystemId, Version, error_message};
use crate::plan::Plan;
use crate::repo::Repo;

/// How long a server may take to be made.
const DEADLINE: Duration = Duration::from_secs(60);

/// Everything that the servers of one drill are made from.
pub struct Starter<'a> {
    pub plan: &'a Plan,
    pub lab: &'a Arc<dyn Lab>,
    pub repos: &'a BTreeMap<RepoId, Repo>,
    pub password: &'a str,
    pub journal: &'a Journal,
    pub drill: usize,
    pub around: &'a Arc<ClientEnvironment>,
    pub change: &'a Change,
    /// Whether the repos are set up, which the first host that is there does.
    pub set_up: OnceCell<()>,
}

/// Tells the followers of a node that it is up; the last value is kept.
type Ready = watch::Receiver<Option<Arc<Node>>>;

impl Starter<'_> {
    /// Makes and starts all the nodes that are listed in the scenario; those that follow another
    /// one are streaming.
    pub async fn start(&self) -> Result<BTreeMap<NodeId, Arc<Node>>, StartError> {
        let channels: BTreeMap<&str, _> =
            self.plan.nodes.keys().map(|name| (name.as_str(), watch::channel(None))).collect();
        let systems = self.systems();
        let all = self.plan.nodes.iter().map(|(name, spec)| {
            let system = systems.get(self.root(name)).copied().unwrap_or(SystemId(1));
            let (ready, _) = &channels[name.as_str()];
            let upstream = spec.follows.as_deref().and_then(|name| channels.get(name)).map(|(_, ready)| ready.clone());
            async move {
                let began = Instant::now();
                let node = self.start_one(name, spec, system, upstream).await?;
                let duration_ms = began.elapsed().as_millis() as u64;
                self.journal.write(Event::NodeReady { drill: self.drill, node: name.to_string(), duration_ms });
                ready.send_replace(Some(node.clone()));
                Ok::<_, StartError>((name.clone(), node))
            }
        });
        let nodes = futures_util::future::try_join_all(all).await?;
        Ok(nodes.into_iter().collect())
    }

    /// The node that a chain of standbys follows.
    fn root<'n>(&'n self, name: &'n str) -> &'n str {
        let mut at = name;
        // A circle would be an error of the plan.
        for _ in 0..self.plan.nodes.len() {
            match self.plan.nodes.get(at).and_then(|spec| spec.follows.as_deref()) {
                Some(up) => at = up,
                None => break,
            }
        }
        at
    }

    /// The identifiers of the drill's clusters, by their primaries: as initdb makes them, of the
    /// time and something random.
    fn systems(&self) -> BTreeMap<&str, SystemId> {
        let seconds = jiff::Timestamp::now().as_second().cast_unsigned();
        let new = || SystemId::of(seconds, fastrand::u32(..));
        self.plan
            .nodes
            .iter()
            .filter(|(_, spec)| spec.follows.is_none())
            .map(|(name, _)| (name.as_str(), new()))
            .collect()
    }

    async fn start_one(
        &self,
        name: &str,
        spec: &NodeSpec,
        system: SystemId,
        upstream: Option<Ready>,
    ) -> Result<Arc<Node>, StartError> {
        if let Some(address) = &spec.external {
            return external(name, &self.change.address(name, address), self.around, self.journal).await;
        }
        let host = self.lab.host(name).await?;
        self.set_up.get_or_try_init(|| repos::set_up(self.repos, host.as_ref())).await?;
        match upstream {
            None => {
                let node = Arc::new(Node::on(host, self.password));
                self.primary(&node, spec, system).await?;
                Ok(node)
            }
            Some(upstream) => self.standby(host, spec, system, upstream).await,
        }
    }

    async fn primary(&self, node: &Arc<Node>, spec: &NodeSpec, system: SystemId) -> Result<(), StartError> {
        let template_password = node.initdb(system).await?;
        if let Some(repo) = spec.archive_to.as_ref().and_then(|repo| self.repos.get(repo)) {
            repos::welcome(repo, node.host()?.as_ref()).await?;
        }
        let setup = self.config(spec).setup(node.host()?.as_ref(), None);
        node.launch(Some(&setup), Instant::now() + DEADLINE).await?;
        let trouble = |e: &dyn std::fmt::Display| HostError::new(format!("node `{}`: {e}", node.name()));
        node.take_over(&template_password).await.map_err(|e| trouble(&e))?;
        let client = node.client().await.map_err(|e| trouble(&e))?;
        client.batch_execute(&self.slots_for_followers(node.name())).await.map_err(|e| trouble(&error_message(&e)))?;
        Ok(())
    }

    /// A standby begins as a copy of the same new cluster that its primary began as, and streams
    /// from there: the primary has all of its WAL yet. The standby of an external server, one that
    /// has less than a new cluster demands, and one of another release are made by pg_basebackup.
    async fn standby(
        &self,
        host: Arc<dyn Host>,
        spec: &NodeSpec,
        system: SystemId,
        mut upstream: Ready,
    ) -> Result<Arc<Node>, StartError> {
        let gone = || HostError::new(format!("the primary of `{}` is not there", host.name()));
        let of_external = self.plan.nodes.get(self.root(host.name())).is_some_and(|root| root.external.is_some());
        let copied = of_external || self.is_small(spec) || !self.is_of_one_release(host.name());
        let node = Arc::new(Node::with_data_of(of_external, host.clone(), self.password)?);
        if !copied {
            node.initdb(system).await?;
        }
        let up = upstream.wait_for(Option::is_some).await.map_err(|_| gone())?.clone().ok_or_else(gone)?;
        node.may_reach(&up).await?;
        if copied {
            let trouble = |e: SqlError| HostError::new(format!("node `{}`: {e}", up.name()));
            let (output, _) = node.base_backup(&up).await.map_err(trouble)?;
            if !output.success() {
                let why = output.stderr.trim();
                return Err(HostError::new(format!("pg_basebackup for `{}` failed: {why}", node.name())).into());
            }
            if up.is_external() {
                node.set_configuration_aside().await?;
            }
        }
        let slot = (!up.is_external()).then(|| slot_name(node.name()));
        let config = Config {
            following: Some(up.followed_by(&node, slot).await?),
            demands: self.demands(spec),
            // Late on purpose is what happens in the drill: its beginning, with the password, is
            // not.
            at_once: spec.delay().is_some(),
            ..self.config(spec)
        };
        let setup = match copied {
            true => node.set_up(&config, Some(Signal::Standby), Origin::Copied).await?.0,
            false => config.setup(host.as_ref(), Some(Signal::Standby)),
        };
        let deadline = Instant::now() + DEADLINE;
        node.launch(Some(&setup), deadline).await?;
        self.wait_for_streaming(&node, &up, deadline).await?;
        if let Some(delay) = spec.delay() {
            self.fall_behind(&node, delay, deadline).await?;
        }
        let slots = self.slots_for_followers(node.name());
        let client = node.client().await.map_err(|e| HostError::new(format!("node `{}`: {e}", node.name())))?;
        client
            .batch_execute(&slots)
            .await
            .map_err(|e| HostError::new(format!("node `{}`: {}", node.name(), error_message(&e))))?;
        Ok(node)
    }

    /// What a server is set up with. Where people work on it, its log has what they run, and with
    /// which program; what the scenario sets comes later, and wins.
    fn config(&self, spec: &NodeSpec) -> Config {
        let mut config = spec.config(self.repos);
        let summarizes = self.plan.steps.iter().any(|step| step.effects.summarizes);
        if summarizes && self.lab.version().major >= 17 {
            config.settings.insert(0, ("summarize_wal".to_owned(), "on".to_owned()));
        }
        if self.change.attended {
            let kept = [("log_statement", "all"), ("log_connections", "on")];
            config.settings.splice(0..0, kept.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        config
    }

    /// What a standby needs at least as the servers above it have it: in a base backup it would
    /// come along with their postgresql.conf.
    fn demands(&self, spec: &NodeSpec) -> Vec<(String, String)> {
        let mut demands: Vec<(String, String)> = vec![];
        let mut above = spec.follows.as_ref().and_then(|up| self.plan.nodes.get(up));
        while let Some(spec) = above {
            let own = spec.settings.iter().filter(|(name, _)| is_demanded(name));
            // Written later wins: the nearest server is the last.
            demands.splice(0..0, own.cloned());
            above = spec.follows.as_ref().and_then(|up| self.plan.nodes.get(up));
        }
        demands
    }

    /// Whether a standby runs the programs that its primary's cluster was made by: those of another
    /// release make another one of the same command.
    fn is_of_one_release(&self, name: &str) -> bool {
        let release = |node: &str| self.plan.release(node, self.lab.version().major);
        release(name) == release(self.root(name))
    }

    /// Whether a standby has less of something than a new cluster demands of its standbys, by its
    /// own settings or by those above it.
    fn is_small(&self, spec: &NodeSpec) -> bool {
        let mut effective: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in self.demands(spec).into_iter().chain(spec.settings.clone()) {
            effective.insert(name.to_lowercase(), value);
        }
        effective.iter().any(|(name, value)| is_below_a_new_cluster(name, value))
    }

    /// Lets a standby apply its WAL late, from now on.
    async fn fall_behind(&self, node: &Node, delay: &str, deadline: Instant) -> Result<(), StartError> {
        node.fall_behind(delay).await?;
        let trouble = |e: &dyn std::fmt::Display| HostError::new(format!("node `{}`: {e}", node.name()));
        let client = node.client().await.map_err(|e| trouble(&e))?;
        let late = crate::node::wait_until(deadline, async |seen| {
            let delay = apply_delay(&client).await.map_err(|e| trouble(&e))?;
            "it is not late yet".clone_into(seen);
            Ok::<_, StartError>(delay)
        })
        .await?;
        late.map(drop).map_err(|last| {
            trouble(&format!("waiting for it to take up recovery_min_apply_delay; last seen: {last}")).into()
        })
    }

    /// Asks the primary: the standby itself does not know the drill's password before it has
    /// streamed.
    async fn wait_for_streaming(&self, node: &Arc<Node>, up: &Arc<Node>, deadline: Instant) -> Result<(), StartError> {
        let unreachable = |e: SqlError| HostError::new(format!("node `{}`: {e}", up.name()));
        let goal = up.wal_end().await.map_err(unreachable)?;
        let streaming = crate::node::wait_until(deadline, async |seen| {
            match up.senders_to(node.name()).await {
                Ok(senders) if senders.iter().any(|one| one.streams() && one.replayed >= Some(goal)) => {
                    return Ok(Some(()));
                }
                Ok(senders) => {
                    let state = senders.first().map(|one| one.state.as_deref().unwrap_or("hidden"));
                    state.unwrap_or("its primary does not know it").clone_into(seen);
                }
                Err(error) if error.is_refusal() => *seen = error.to_string(),
                Err(error) => return Err(unreachable(error)),
            }
            Ok(None)
        })
        .await?;
        match streaming {
            Ok(()) => Ok(()),
            Err(last) => Err(StartError::Deadline {
                node: node.name().to_owned(),
                last: format!("waiting for it to stream from `{}`: {last}", up.name()),
                log: node.log_tail().await,
            }),
        }
    }

    /// Statements that make a slot for each standby of a node.
    fn slots_for_followers(&self, name: &str) -> String {
        let followers = self.plan.nodes.iter().filter(|(_, other)| other.follows.as_deref() == Some(name));
        followers.map(|(name, _)| create_slot(name)).collect::<Vec<_>>().join("; ")
    }
}

/// Connects to a server that drillyard did not make, and asks it for its version. What is secret of
/// the way there is kept out of the journal.
pub async fn external(
    name: &str,
    address: &Address,
    around: &Arc<ClientEnvironment>,
    journal: &Journal,
) -> Result<Arc<Node>, StartError> {
    let trouble = |what: String| HostError::new(format!("external node `{name}`: {what}"));
    let asked = |error: SqlError| match error {
        SqlError::Unreached(ref unreached) => trouble(error.to_string()).help(&unreached.help),
        other => trouble(other.to_string()).help("is its url right, and does it answer?"),
    };
    let found = External::find(address, around).map_err(|error| {
        let title = trouble(error.message);
        StartError::Host(HostError { help: error.help, ..title })
    })?;
    journal.keep(found.secrets());
    let unknown = Version { major: 0, minor: 0 };
    let client = Node::external(name, &found, unknown).connect().await.map_err(asked)?;
    let row = client.query_one("SHOW server_version", &[]).await.map_err(|e| asked(e.into()))?;
    let version = row.get::<_, &str>(0).parse().map_err(|e| trouble(format!("{e}")))?;
    Ok(Arc::new(Node::external(name, &found, version)))
}
