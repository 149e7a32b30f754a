//! A kind of repo, as the registry knows it.

use std::sync::Arc;

use super::error::{Ability, NotPossible};
use super::existing::{AtExisting, Existing};
use super::settings::Adjustable;
use super::spoiled::{Spoil, Spoiled};
use super::storage::{Place, Storage};
use crate::node::Archiving;

/// What is the same for all repos of a kind.
pub trait RepoKind: Storage + Sized + 'static {
    /// Its word in scenarios: `kind: directory`.
    const NAME: &'static str;
    /// What it is, in a sentence.
    const ABOUT: &'static str;
    /// What it cannot do, each with the reason.
    const CANNOT: &'static [(Ability, &'static str)] = &[];
    /// What one can do only if a key of it says how.
    const BY_KEY: &'static [ByKey] = &[];

    /// The program that it needs on every host, if it is none of PostgreSQL's own or the system's.
    const PROGRAM: Option<Tool> = None;
    /// How one is reached that somebody else fills; none if this kind only has a drill's own.
    const EXISTING: Option<AtExisting> = None;
    /// The keys of which such a one needs at least one.
    const EXISTING_EITHER: &'static [&'static str] = &[];
    /// The options of its tool that say how one is read that somebody else fills.
    const EXISTING_ADJUSTABLE: Adjustable = Adjustable::NOTHING;
    /// What one cannot do besides that somebody else fills.
    const EXISTING_CANNOT: &'static [(Ability, &'static str)] = &[];

    /// Who knows what has changed since a backup, for one that is incremental to it.
    const CHANGES: Changes = Changes::Server;

    /// What has to be had beside a repo to recover from it where everything else is gone.
    const BESIDE: Beside = Beside::NOTHING;

    /// What a scenario may set of it.
    const ADJUSTABLE: Adjustable = Adjustable::NOTHING;

    /// A repo at this place. Nothing is made there yet.
    fn at(place: Place) -> Self;
}

/// Who knows what has changed since a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// The server, which summarizes its WAL: from PostgreSQL 17 on.
    Server,
    /// The tool, by the files.
    Tool,
}

/// What a repo can do only if a key of it says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByKey {
    /// What it can do then.
    pub ability: Ability,
    /// The key.
    pub key: &'static str,
    /// What the key says.
    pub help: &'static str,
}

/// What a repo does not hold itself, and a recovery needs that has nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beside {
    /// What may be needed of a drill's own.
    pub own: &'static [&'static str],
    /// What may be needed of somebody else's.
    pub existing: &'static [&'static str],
}

impl Beside {
    /// Of a kind whose repos hold all of it.
    pub const NOTHING: Beside = Beside { own: &[], existing: &[] };
}

/// A program that a kind of repo is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub program: &'static str,
    /// What it is asked its version with.
    pub version: &'static str,
    /// How it is installed.
    pub install: &'static str,
}

/// A kind of repo.
#[derive(Debug)]
pub struct Kind {
    /// Its word in scenarios.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// The program that it needs on every host.
    pub program: Option<Tool>,
    /// What a scenario may set of it.
    pub adjustable: Adjustable,
    /// What has to be had beside a repo.
    pub beside: Beside,
    /// What one can do only if a key of it says how.
    pub by_key: &'static [ByKey],
    /// Who knows what has changed since a backup.
    pub changes: Changes,
    cannot: &'static [(Ability, &'static str)],
    at: fn(Place) -> Arc<dyn Storage>,
    existing: Option<AtExisting>,
    /// The keys of which one needs at least one that somebody else fills.
    pub existing_either: &'static [&'static str],
    /// What a scenario may set of how one is read that somebody else fills.
    pub existing_adjustable: Adjustable,
    existing_cannot: &'static [(Ability, &'static str)],
}

impl Kind {
    /// The registry's entry for a kind.
    pub const fn of<T: RepoKind>() -> Self {
        Kind {
            name: T::NAME,
            about: T::ABOUT,
            program: T::PROGRAM,
            adjustable: T::ADJUSTABLE,
            beside: T::BESIDE,
            by_key: T::BY_KEY,
            changes: T::CHANGES,
            cannot: T::CANNOT,
            at: |place| Arc::new(T::at(place)),
            existing: T::EXISTING,
            existing_either: T::EXISTING_EITHER,
            existing_adjustable: T::EXISTING_ADJUSTABLE,
            existing_cannot: T::EXISTING_CANNOT,
        }
    }

    /// Whether a repo of this kind can do something.
    ///
    /// # Errors
    /// If it cannot: why not.
    pub fn can(&self, ability: Ability) -> Result<(), NotPossible> {
        self.is_not_among(self.cannot, ability)
    }

    /// Whether one can do something that somebody else fills.
    ///
    /// # Errors
    /// If it cannot: why not.
    pub fn can_if_existing(&self, ability: Ability) -> Result<(), NotPossible> {
        self.is_not_among(self.existing_cannot, ability).and_then(|()| self.can(ability))
    }

    fn is_not_among(&self, cannot: &[(Ability, &'static str)], ability: Ability) -> Result<(), NotPossible> {
        match cannot.iter().find(|(cannot, _)| *cannot == ability) {
            Some((_, why)) => Err(NotPossible { kind: self.name, ability, why }),
            None => Ok(()),
        }
    }

    /// What somebody else's repo does not hold, and a recovery needs that has nothing else. One
    /// that the drill's own `env` tells all has no configuration that could be lost.
    pub fn needed_beside(&self, existing: &Existing) -> &'static [&'static str] {
        let by_env = existing.config.is_none() && self.existing_either.contains(&"config");
        if by_env { &[] } else { self.beside.existing }
    }

    /// A repo of this kind.
    pub fn at(&self, place: Place) -> Repo {
        Repo { name: place.name.clone(), program: self.program, storage: (self.at)(place) }
    }

    /// How a repo of this kind is read that somebody else fills; none if there can be none.
    pub fn at_existing(&self) -> Option<AtExisting> {
        self.existing
    }

    /// A repo of this kind that somebody else fills; none if there can be none.
    pub fn existing(&self, existing: &Existing) -> Option<Repo> {
        Some(Repo { name: existing.name.clone(), program: self.program, storage: (self.existing?.at)(existing) })
    }
}

/// A repo of a drill, of whatever kind.
#[derive(Debug, Clone)]
pub struct Repo {
    /// Its name in the scenario.
    pub name: String,
    /// The program that it needs on every host.
    pub program: Option<Tool>,
    storage: Arc<dyn Storage>,
}

impl Repo {
    /// The same repo with something wrong with it, for whoever only reads from it.
    pub fn spoiled(self, spoil: Spoil) -> Self {
        Repo { storage: Arc::new(Spoiled::new(self.storage, spoil)), ..self }
    }

    /// The same repo for a recovery that has nothing else: all that it uses is what lies in the
    /// repo, and these secrets.
    pub fn cold(&self, secrets: &[(String, String)]) -> Repo {
        let storage = self.storage.cold(secrets).unwrap_or_else(|| self.storage.clone());
        Repo { name: self.name.clone(), program: self.program, storage }
    }

    /// How a server archives into it.
    pub fn archiving(&self) -> Archiving {
        let environment = self.own_command("");
        Archiving { command: self.archive_command(), environment, directory: self.archive_directory() }
    }
}

impl std::ops::Deref for Repo {
    type Target = dyn Storage;

    fn deref(&self) -> &Self::Target {
        self.storage.as_ref()
    }
}
