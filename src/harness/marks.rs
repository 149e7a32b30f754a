//! How a step becomes a mark: time, position and timeline are noted before and after what it does.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Client;

use super::lock_watch::LockWatch;
use super::{Context, Finding, MarkFact, NodeId, Role, StepId, StepResult};
use crate::node::{Node, is_in_recovery, lineage, moment};
use crate::pg::{Lineage, Mark, Moment, Xid};
use crate::source::Spanned;

/// How long a server may take to say something of itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the log of a node is, as its own server sees it; none if it sees no such file.
async fn size_by(client: &Client, node: &Node) -> Result<Option<u64>, Box<Finding>> {
    let row = client.query_opt("SELECT size FROM pg_stat_file($1, true)", &[&node.log_file()?]).await?;
    Ok(row.and_then(|row| row.get::<_, Option<i64>>(0)).map(i64::cast_unsigned))
}

impl Context<'_> {
    /// Runs the deed of a step that may be a mark: notes time, LSN and timeline before and after
    /// it, and its transaction id.
    pub async fn marked(
        &mut self,
        node: &Node,
        deed: impl AsyncFnOnce(&Client, &mut Self) -> Result<Option<Xid>, Box<Finding>>,
    ) -> Result<(), Box<Finding>> {
        self.marked_in(node, None, deed).await
    }

    /// The same, with a deed that is done in another of the node's databases if one is named.
    pub async fn marked_in(
        &mut self,
        node: &Node,
        database: Option<&Spanned<String>>,
        deed: impl AsyncFnOnce(&Client, &mut Self) -> Result<Option<Xid>, Box<Finding>>,
    ) -> Result<(), Box<Finding>> {
        let client = self.client(node).await?;
        let there = self.client_in(node, database).await?;
        if self.kind.role == Role::Incident {
            self.note_sequence_floors(node, &self.when()).await;
        }
        let Some((before, whose)) = self.moment_before(node, &client).await? else {
            return self.done_in(node, &there, deed).await.map(drop);
        };
        match self.done_in(node, &there, deed).await {
            Ok(xid) => {
                let after = moment(&client).await?;
                let whose = if after.timeline == before.timeline { whose } else { lineage(&client).await? };
                self.remember(whose, before, xid, after);
                Ok(())
            }
            Err(finding) => {
                // A step that is expected to fail is a mark like any other: nothing happened
                // between its two moments.
                let now = || (before.moved_to(Timestamp::now()), whose.clone());
                let (after, whose) = self.moment_of(&NodeId::from(node.name())).await.unwrap_or_else(now);
                self.remember(whose, before, None, after);
                Err(finding)
            }
        }
    }

    /// Does a deed in a session. That of an incident during a step is watched: it may wait for a
    /// lock which the step holds.
    async fn done_in(
        &mut self,
        node: &Node,
        there: &Client,
        deed: impl AsyncFnOnce(&Client, &mut Self) -> Result<Option<Xid>, Box<Finding>>,
    ) -> Result<Option<Xid>, Box<Finding>> {
        let waited = Cell::new(false);
        let watch = match self.aside.is_some() {
            true => Some(LockWatch::of(node, there).await?),
            false => None,
        };
        self.begins();
        let done = match &watch {
            Some(watch) => tokio::select! {
                biased;
                done = deed(there, self) => done,
                never = watch.note(&waited) => match never {},
            },
            None => deed(there, self).await,
        };
        self.struck.waited |= waited.get();
        self.deed_ends(done.is_ok());
        done
    }

    /// The moment before a deed. None for a step on a standby that is to be no mark: it only asks.
    async fn moment_before(&self, node: &Node, client: &Client) -> Result<Option<(Moment, Lineage)>, Box<Finding>> {
        // With an id it is a mark all the same, by what the standby has replayed.
        if is_in_recovery(client).await? && self.id.is_none() {
            return Ok(None);
        }
        // First what takes its time: the moment before the deed must be as near to it as can be.
        if let Some(id) = self.id {
            self.note_logs(id, Some((node, client))).await?;
        }
        let whose = lineage(client).await?;
        Ok(Some((moment(client).await?, whose)))
    }

    /// Runs the deed of an incident that the server may not outlive, or of a step that may do
    /// anything. With an `id` the step is a mark all the same: what cannot be asked before or after
    /// is what could be asked on the other side.
    pub async fn inject(
        &mut self,
        node: &Node,
        deed: impl AsyncFnOnce(&mut Self) -> Result<(), Box<Finding>>,
    ) -> StepResult {
        if self.kind.role == Role::Incident {
            self.note_sequence_floors(node, &self.when()).await;
        }
        self.between(&NodeId::from(node.name()), async |cx| cx.strike(deed).await).await
    }

    /// Runs what a step does that hits nobody. With an `id` it is a mark, by the server of this
    /// name, which the step may make.
    pub async fn noted(&mut self, node: &NodeId, deed: impl AsyncFnOnce(&mut Self) -> StepResult) -> StepResult {
        match self.id {
            Some(_) => self.between(node, deed).await,
            None => deed(self).await,
        }
    }

    /// The first of these nodes that is a primary and answers, for a step that is to be its mark;
    /// none where it is to be no mark.
    pub async fn primary_of(&self, nodes: &[NodeId]) -> Option<NodeId> {
        self.id?;
        for name in nodes {
            let Ok(node) = self.world.node(name) else { continue };
            if node.is_up() && node.is_primary().await {
                return Some(name.clone());
            }
        }
        None
    }

    /// Notes the moments before and after a deed, as far as the server of this name can be asked
    /// for them.
    async fn between(&mut self, node: &NodeId, deed: impl AsyncFnOnce(&mut Self) -> StepResult) -> StepResult {
        let before = self.moment_of(node).await;
        if let Some(id) = self.id {
            self.note_logs(id, None).await?;
        }
        let began = Timestamp::now();
        let done = deed(self).await;
        let ended = Timestamp::now();
        let after = self.moment_of(node).await;
        let (before, after) = match (before, after) {
            (Some((before, _)), Some(after)) => (before, after),
            (Some((before, whose)), None) => (before, (before.moved_to(ended), whose)),
            (None, Some((after, whose))) => (after.moved_to(began), (after, whose)),
            (None, None) => return done,
        };
        let (after, whose) = after;
        self.remember(whose, before, None, after);
        done
    }

    /// How long the log of each node is when a mark begins: `since` may ask for what another one
    /// said. The mark's own is asked by `client`, if there is one.
    async fn note_logs(&self, id: &StepId, own: Option<(&Node, &Client)>) -> Result<(), Box<Finding>> {
        let nodes: Vec<_> = self.world.outputs().nodes.values().cloned().collect();
        let there = nodes.iter().filter(|node| node.host().is_ok_and(|host| host.is_on()));
        let sizes = there.map(async |node| {
            let asked = match own {
                Some((own, client)) if own.name() == node.name() => size_by(client, node).await?,
                _ => self.log_size_of(node).await,
            };
            let size = match asked {
                Some(size) => size,
                None => node.log_size().await?,
            };
            self.world.outputs().log_offsets.insert((id.clone(), node.name().into()), size);
            Ok::<_, Box<Finding>>(())
        });
        futures_util::future::try_join_all(sizes).await.map(drop)
    }

    /// The same, asked of a server that answers: that takes a fraction of a program in a container.
    async fn log_size_of(&self, node: &Node) -> Option<u64> {
        if !node.should_answer() {
            return None;
        }
        let ask = async { size_by(&*self.own_client(node).await.ok()?, node).await.ok()? };
        tokio::time::timeout(PATIENCE.min(self.left()), ask).await.ok()?
    }

    /// What a server says of itself now, where it is there and can be asked.
    async fn moment_of(&self, node: &NodeId) -> Option<(Moment, Lineage)> {
        let node = &*self.world.node(node).ok()?;
        if !node.should_answer() {
            return None;
        }
        let ask = async {
            let client = self.own_client(node).await.ok()?;
            let whose = lineage(&client).await.ok()?;
            Some((moment(&client).await.ok()?, whose))
        };
        tokio::time::timeout(PATIENCE.min(self.left()), ask).await.ok()?
    }

    /// Reports what a mark of its kind knows and the step has not reported itself, and keeps it
    /// under the step's id.
    fn remember(&mut self, lineage: Lineage, before: Moment, xid: Option<Xid>, after: Moment) {
        for fact in self.kind.mark.facts() {
            let value: Value = match fact {
                MarkFact::Before => before.lsn.to_string().into(),
                MarkFact::Lsn => after.lsn.to_string().into(),
                MarkFact::Timeline => after.timeline.0.into(),
                MarkFact::At => after.at.to_string().into(),
                MarkFact::Xid => match xid {
                    Some(xid) => xid.0.into(),
                    None => continue,
                },
            };
            self.facts.entry(fact.name().to_owned()).or_insert(value);
        }
        if let Some(id) = self.id {
            let incident = self.kind.role == Role::Incident;
            let mark =
                Mark { id: id.to_string(), lineage, before, xid, after, incident, restore_point: None, dropped: None };
            self.world.outputs().marks.insert(id.clone(), mark);
        }
    }
}
