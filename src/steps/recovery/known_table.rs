//! Asking backups for a table: the newest one that has it says where its files are, and from
//! where on the WAL is to be read.

use std::cmp::Reverse;

use crate::harness::{Context, Finding, StepId, StepRef};
use crate::node::Node;
use crate::pg::{Lsn, Mark, SystemId, TableName, TimelineId};
use crate::repo::{Answer, Archive, Known, LookUp, Reach, Repo};
use crate::source::{Span, Spanned, did_you_mean};

/// Which table is looked for, and where.
pub(crate) struct Lookup<'a> {
    /// A node on whose host the archive can be read.
    pub node: &'a Node,
    /// The repo with the backups.
    pub repo: &'a Repo,
    /// Where the scenario names it.
    pub repo_at: Option<Span>,
    /// Look no earlier than this mark.
    pub since: Option<&'a StepRef>,
    /// The table.
    pub table: &'a Spanned<TableName>,
    /// The database that it is in.
    pub database: &'a str,
}

/// A backup that knows the table, and what is to be read after it.
pub(crate) struct Start {
    /// The backup.
    pub backup: String,
    /// Its cluster.
    pub system: SystemId,
    /// What it knows of the table.
    pub known: Known,
    /// The archived WAL.
    pub archive: Archive,
    /// As much of it as can be read on end.
    pub reach: Reach,
    /// The timeline that is followed.
    pub timeline: TimelineId,
    /// What was done before this does not count.
    pub since: Lsn,
}

/// What a backup says of the table.
enum Said {
    /// It has it.
    Knows(Known),
    /// It has only others of such names.
    Others(Vec<String>),
    /// It is not in this repo.
    NotHere,
}

impl Start {
    /// What is missing, if something lies behind it.
    pub(crate) fn gap(&self) -> Option<String> {
        let (next, last) = self.reach.beyond.as_ref()?;
        let goes_on = if next == last { next.clone() } else { format!("{next} to {last}") };
        Some(format!("{} is missing; {goes_on} cannot be followed without it", self.reach.missing))
    }
}

impl Lookup<'_> {
    /// Asks the backups for the table, and finds what there is to be read after the first
    /// that has it.
    pub(crate) async fn start(&self, cx: &mut Context<'_>) -> Result<Start, Box<Finding>> {
        let (mut asked, mut others) = (Vec::new(), Vec::new());
        for (backup, mark) in self.backups(cx)? {
            match self.ask(cx, &backup).await? {
                Said::Knows(known) => return self.after(cx, &backup, &mark, known).await,
                Said::Others(names) => {
                    others.extend(names);
                    asked.push(format!("`{backup}`"));
                }
                Said::NotHere => {}
            }
        }
        Err(self.unknown(&asked, &others))
    }

    /// The backups that may know the table, the newest first, with their marks.
    fn backups(&self, cx: &Context<'_>) -> Result<Vec<(StepId, Mark)>, Box<Finding>> {
        let since = self.since.map(|since| cx.world.mark(since)).transpose()?;
        let outputs = cx.world.outputs();
        let marks = outputs.backups.keys().filter_map(|id| Some((id.clone(), outputs.marks.get(id)?.clone())));
        let mut backups: Vec<(StepId, Mark)> = match &since {
            Some(since) if outputs.backups.contains_key(since.id.as_str()) => {
                marks.filter(|(id, _)| *id == since.id.as_str()).collect()
            }
            Some(since) => marks.filter(|(_, mark)| mark.after.seen <= since.before.seen).collect(),
            None => marks.collect(),
        };
        backups.sort_by_key(|(_, mark)| Reverse(mark.before.seen));
        match backups.is_empty() {
            false => Ok(backups),
            true => Err(Finding::failed("there is no backup to look the table up in")
                .at(self.since.and_then(StepRef::entry))
                .label("none was taken before this")),
        }
    }

    /// Asks a copy of one backup.
    async fn ask(&self, cx: &mut Context<'_>, backup: &StepId) -> Result<Said, Box<Finding>> {
        cx.wait(format!("the answer of a copy of `{backup}`"));
        let host = self.node.host()?;
        let (table, label) = (self.table, cx.world.label(backup));
        let look_up = LookUp {
            repo: &**self.repo,
            host: host.as_ref(),
            backup: &label,
            table: &table.value,
            database: self.database,
            scratch: format!("{}/look-up-{}", host.paths().shared, cx.index),
        };
        let known = match look_up.at_its_end().await? {
            Answer::Known(known) => known,
            Answer::NoBackup => return Ok(Said::NotHere),
            Answer::Unanswered(said) => {
                return Err(Finding::failed(format!("backup `{backup}` could not be asked for {}", table.value))
                    .at(table.span)
                    .label("a copy of it did not come up")
                    .note("said", said));
            }
        };
        match known.kind.as_str() {
            "" => Ok(Said::Others(known.others)),
            "r" | "p" => Ok(Said::Knows(known)),
            _ => Err(Finding::failed(format!("{} is not a table", table.value))
                .at(table.span)
                .label(format!("in backup `{backup}`"))),
        }
    }

    /// The WAL after a backup that has the table. Fails if there is none.
    async fn after(&self, cx: &Context<'_>, backup: &StepId, mark: &Mark, known: Known) -> Result<Start, Box<Finding>> {
        let archive = self.repo.archive(self.node.host()?.as_ref()).await?;
        let own = mark.after.timeline;
        let timeline = archive.newest_from(own, known.until);
        let reach = archive.reach(known.until, own, timeline);
        let since = self.since.map(|since| cx.world.mark(since)).transpose()?;
        let (backup, system) = (backup.to_string(), mark.lineage.system);
        if let Some(since) = since.as_ref().filter(|since| since.lineage.system != system) {
            return Err(Finding::failed(format!("`{}` is not in the WAL of repo `{}`", since.id, self.repo.name))
                .at(self.since.and_then(StepRef::entry))
                .label(format!("it was made on another cluster than backup `{backup}`")));
        }
        let since = since.map_or(Lsn(0), |since| since.before.lsn);
        let start = Start { backup, system, known, archive, reach, timeline, since };
        if !start.reach.stretches.is_empty() {
            return Ok(start);
        }
        let label = match start.archive.is_empty() {
            true => format!("repo `{}` has no WAL at all", self.repo.name),
            false => format!("{} is missing, with which backup `{}` ends", start.reach.missing, start.backup),
        };
        let finding = Finding::failed("there is no archived WAL to look in").label(label);
        Err(finding.note("gap", start.gap().unwrap_or_default()))
    }

    /// The failure if no backup has the table: these were asked, and have tables of such names.
    fn unknown(&self, asked: &[String], others: &[String]) -> Box<Finding> {
        let (repo, table) = (&self.repo.name, self.table);
        if asked.is_empty() {
            return Finding::failed(format!("repo `{repo}` has no backup to look the table up in"))
                .at(self.repo_at.unwrap_or(table.span))
                .label("WAL does not know tables by their names");
        }
        let name = table.value.to_string();
        let label = match did_you_mean(&name, others.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("it is not in {}", asked.join(", ")),
        };
        Finding::failed(format!("no backup in repo `{repo}` has a table {name}"))
            .at(table.span)
            .label(label)
            .help("a table that was made after the last backup cannot be found by its name, which is not in the WAL")
    }
}
