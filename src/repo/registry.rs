//! The kinds of repos.

use super::kind::{Kind, Repo};
use super::storage::{NOWHERE, Place};

/// Every kind of repo, the one place of registration. The first is what a repo is that does not
/// say.
pub const KINDS: &[Kind] = &[
    Kind::of::<super::directory::Directory>(),
    Kind::of::<super::pgbackrest::Pgbackrest>(),
    Kind::of::<super::barman::Barman>(),
    Kind::of::<super::dump::Dump>(),
    Kind::of::<super::command::Command>(),
    Kind::of::<super::wal_g::WalG>(),
    #[cfg(test)]
    Kind::of::<super::toy::Toy>(),
];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// What a repo is that does not say.
pub fn default_kind() -> &'static Kind {
    &KINDS[0]
}

/// No repo, for a server that has its WAL itself: nothing is found there.
pub fn nowhere() -> Repo {
    default_kind().at(Place { name: "none".to_owned(), path: NOWHERE.to_owned(), ..Place::default() })
}
