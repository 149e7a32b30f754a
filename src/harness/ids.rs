//! The names of a scenario's nodes, repos and steps, once they are looked up.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::source::{Name, Span, Spanned};

macro_rules! id {
    ($(#[$doc:meta])* $id:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id(Arc<str>);

        impl $id {
            /// The name as the scenario has it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&Name> for $id {
            fn from(name: &Name) -> Self {
                $id(name.as_str().into())
            }
        }

        impl From<&str> for $id {
            fn from(name: &str) -> Self {
                $id(name.into())
            }
        }

        impl Borrow<str> for $id {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $id {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $id {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $id {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A node of the drill: one under `nodes`, or one that a step makes.
    NodeId
}
id! {
    /// A repo of the drill.
    RepoId
}
id! {
    /// A step with an `id`.
    StepId
}

/// Something that a step refers to, looked up: what, and where the scenario says so. A name that
/// was left out is written nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref<I> {
    /// What it is.
    pub id: I,
    written: Option<(Span, Span)>,
}

/// A node that a step refers to.
pub type NodeRef = Ref<NodeId>;
/// A repo that a step refers to.
pub type RepoRef = Ref<RepoId>;
/// An earlier step that a step refers to.
pub type StepRef = Ref<StepId>;

impl<I: for<'a> From<&'a Name>> Ref<I> {
    /// What is written there.
    pub fn written(name: &Spanned<Name>) -> Self {
        Ref { id: I::from(&name.value), written: Some((name.span, name.entry)) }
    }
}

impl<I> Ref<I> {
    /// What was left out, and could only be this.
    pub fn left_out(id: I) -> Self {
        Ref { id, written: None }
    }

    /// Where the name stands; `None` if it was left out.
    pub fn span(&self) -> Option<Span> {
        self.written.map(|(span, _)| span)
    }

    /// Where the key and the name stand: `node: master`; `None` if it was left out.
    pub fn entry(&self) -> Option<Span> {
        self.written.map(|(_, entry)| entry)
    }
}

impl<I> Deref for Ref<I> {
    type Target = I;

    fn deref(&self) -> &I {
        &self.id
    }
}

impl<I: fmt::Display> fmt::Display for Ref<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// Something that a step refers to, for `plan` and for whoever asks which servers a step is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A file beside the scenario.
    File(String),
    /// A node.
    Node(NodeId),
    /// A repo.
    Repo(RepoId),
    /// A site.
    Site(String),
    /// An earlier step.
    Step(StepId),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::File(path) => write!(f, "file {path}"),
            Reference::Node(node) => write!(f, "node {node}"),
            Reference::Repo(repo) => write!(f, "repo {repo}"),
            Reference::Site(site) => write!(f, "site {site}"),
            Reference::Step(step) => write!(f, "step {step}"),
        }
    }
}
