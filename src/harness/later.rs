//! Values that are known only when their step runs: facts of earlier steps, places of servers and
//! repos. Looked up before anything starts, and asked for when the step begins.

use std::fmt;

use super::{Context, FactOf, FactType, Finding, NodeId, RepoId, StepId};
use crate::node::Node;
use crate::pg::Lsn;
use crate::source::{Duration, Number, Scalar, Shell, Span, Time, Timeline, choices};

/// A value of a step: one that stands in the file, or one that is asked for when the step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Later<T> {
    /// It stands in the file.
    Known(T),
    /// It is made of what is known then.
    Made(Formula),
}

/// What a value is made of when its step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    /// As it stands in the file.
    pub(super) text: String,
    pub(super) parts: Vec<Part>,
    /// Where the first reference in it stands.
    pub(super) at: Span,
}

/// A part of such a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// It stands for itself.
    Text(String),
    /// What an earlier step has found out.
    Fact { step: StepId, fact: String, of: FactOf, at: Span },
    /// Where a server is, as it is reached from where the value is used.
    Node { node: NodeId, what: OfNode },
    /// The directory of a repo.
    Repo(RepoId),
    /// The directory with a copy of the scenario's files.
    Files,
}

/// What can be asked of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfNode {
    Host,
    Port,
    User,
    Password,
    Database,
    Conninfo,
    Data,
}

impl OfNode {
    pub(super) const ALL: [(&'static str, OfNode); 7] = [
        ("host", OfNode::Host),
        ("port", OfNode::Port),
        ("user", OfNode::User),
        ("password", OfNode::Password),
        ("database", OfNode::Database),
        ("conninfo", OfNode::Conninfo),
        ("data", OfNode::Data),
    ];

    /// What it is for a session or a program on the host of `viewer`.
    fn seen_from(self, node: &Node, viewer: &Node) -> Result<String, Box<Finding>> {
        let endpoint = || node.endpoint_for(viewer.name()).map(|endpoint| endpoint.host_port());
        Ok(match self {
            OfNode::Host => endpoint()?.0,
            OfNode::Port => endpoint()?.1.to_string(),
            OfNode::User => node.user().to_owned(),
            OfNode::Password => node.password().to_owned(),
            OfNode::Database => node.database().to_owned(),
            OfNode::Conninfo => node.conninfo_for(viewer.name())?,
            OfNode::Data => node.host()?.paths().data.clone(),
        })
    }
}

/// Whether a value is used where servers and files have places: in a command, or in a session on a
/// node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// It is: the value may say where a node, a repo or the scenario's files are.
    OfHost,
    /// The same in SQL, where the scenario's files are nowhere.
    OfSession,
    /// It is not: facts of steps alone may be in it.
    Nowhere,
}

/// A type of which a value may be known later.
pub trait FromFact: Sized + Clone {
    /// What is wanted, in words.
    const WANTED: &'static str;
    /// The facts that can be read as one.
    const FITS: &'static [FactType];

    /// Reads it.
    ///
    /// # Errors
    /// Why the value is none; the first line says what, others are remarks (`help: ...`).
    fn from_fact(value: &Scalar) -> Result<Self, String>;
}

impl<T> Later<T> {
    /// The value, if it stands in the file.
    pub fn known(&self) -> Option<&T> {
        match self {
            Later::Known(value) => Some(value),
            Later::Made(_) => None,
        }
    }

    /// The step that has found the value out, and whose fact it is; none if it is anything else
    /// than one fact.
    pub fn found_by(&self) -> Option<(&StepId, FactOf)> {
        match self {
            Later::Made(Formula { parts, .. }) => match parts.as_slice() {
                [Part::Fact { step, of, .. }] => Some((step, *of)),
                _ => None,
            },
            Later::Known(_) => None,
        }
    }
}

impl<T: FromFact> Later<T> {
    /// The value as it is now; `viewer` is the node where it is used, if it is used at one.
    ///
    /// # Errors
    /// If what it is made of is not there, or is no value of this type.
    pub async fn now(&self, cx: &Context<'_>, viewer: Option<&Node>) -> Result<T, Box<Finding>> {
        let formula = match self {
            Later::Known(value) => return Ok(value.clone()),
            Later::Made(formula) => formula,
        };
        let value = formula.value(cx, viewer).await?;
        T::from_fact(&value).map_err(|why| {
            let mut lines = why.lines();
            let finding = Finding::errored(format!("`{}` does not fit here", formula.text)).at(formula.at);
            let finding = finding.label(lines.next().unwrap_or_default());
            lines.fold(finding, |finding, line| match line.split_once(": ") {
                Some((kind, rest)) => finding.note(kind, rest),
                None => finding.note("note", line),
            })
        })
    }
}

/// The values of a list as they are now.
///
/// # Errors
/// As of each of them.
pub async fn all_now<T: FromFact>(
    cx: &Context<'_>,
    values: &[Later<T>],
    viewer: Option<&Node>,
) -> Result<Vec<T>, Box<Finding>> {
    let mut all = vec![];
    for value in values {
        all.push(value.now(cx, viewer).await?);
    }
    Ok(all)
}

/// The variables of a command on the host of `viewer`, as they are now.
///
/// # Errors
/// As of each value.
pub async fn variables_now(
    cx: &Context<'_>,
    all: &[(String, Later<Scalar>)],
    viewer: &Node,
) -> Result<Vec<(String, String)>, Box<Finding>> {
    let mut found = vec![];
    for (name, value) in all {
        match value.now(cx, Some(viewer)).await? {
            Scalar::Null if value.known().is_none() => {
                let finding = Finding::errored(format!("`{value}` is NULL"));
                return Err(finding.label(format!("`{name}` would be empty, as if something were there")));
            }
            now => found.push((name.clone(), now.text().into_owned())),
        }
    }
    Ok(found)
}

impl<T: fmt::Display> fmt::Display for Later<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Later::Known(value) => value.fmt(f),
            Later::Made(formula) => f.write_str(&formula.text),
        }
    }
}

impl Formula {
    /// What it comes to: what its one reference stands for, of whatever type, or a text.
    async fn value(&self, cx: &Context<'_>, viewer: Option<&Node>) -> Result<Scalar, Box<Finding>> {
        if let [Part::Fact { step, fact, at, .. }] = self.parts.as_slice() {
            return fact_of(cx, step, fact, *at);
        }
        let mut text = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Fact { step, fact, at, .. } => match fact_of(cx, step, fact, *at)? {
                    Scalar::Null => {
                        let finding = Finding::errored(format!("`{step}.{fact}` is NULL"));
                        return Err(finding.at(*at).label("NULL cannot be a part of a text"));
                    }
                    value => text.push_str(&value.text()),
                },
                Part::Node { node, what } => text.push_str(&what.seen_from(&*cx.world.node(node)?, here(viewer)?)?),
                Part::Repo(repo) => text.push_str(&cx.world.repo(repo)?.place().path),
                Part::Files => {
                    let copied = cx.world.files_on(here(viewer)?).await.map_err(|e| e.at(self.at))?;
                    let path = match self.parts.get(at + 1) {
                        Some(Part::Text(path)) => path.as_str(),
                        _ => "",
                    };
                    copied.must_have(path).map_err(|finding| finding.at(self.at))?;
                    text.push_str(&copied.dir);
                }
            }
        }
        Ok(Scalar::Text(text))
    }
}

/// The node where a value is used that says where something is.
fn here(viewer: Option<&Node>) -> Result<&Node, Box<Finding>> {
    viewer.ok_or_else(|| Finding::errored("a place is asked for where there is no host"))
}

fn fact_of(cx: &Context<'_>, step: &StepId, fact: &str, at: Span) -> Result<Scalar, Box<Finding>> {
    let facts = cx.world.outputs().facts.get(step).cloned();
    let Some(facts) = facts else {
        return Err(Finding::missing(format!("step `{step}` has left nothing: it did not run")).at(at));
    };
    let missing = || {
        let finding = Finding::missing(format!("step `{step}` has left no `{fact}`")).at(at);
        let there: Vec<&str> = facts.keys().map(String::as_str).filter(|name| !name.contains(' ')).collect();
        match there.is_empty() {
            true => finding.label("it has found out nothing"),
            false => finding.label(format!("in this run it has {}", choices(there, "and"))),
        }
    };
    match facts.get(fact) {
        Some(serde_json::Value::Null) => Ok(Scalar::Null),
        Some(serde_json::Value::Bool(yes)) => Ok(Scalar::Bool(*yes)),
        Some(serde_json::Value::Number(number)) => {
            Ok(number.as_i64().map_or_else(|| Scalar::Float(number.to_string()), Scalar::Integer))
        }
        Some(serde_json::Value::String(text)) => Ok(Scalar::Text(text.clone())),
        _ => Err(missing()),
    }
}

/// Adds where it came from to what a type says of a text.
fn of_text<T>(value: &Scalar, what: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
    if *value == Scalar::Null {
        return Err(format!("it is NULL, and {what} is wanted"));
    }
    let text = value.text();
    match text.trim() {
        "" => Err(format!("it is empty, and {what} is wanted")),
        text => parse(text),
    }
}

impl FromFact for Scalar {
    const WANTED: &'static str = "a value";
    const FITS: &'static [FactType] = &FactType::ALL;

    fn from_fact(value: &Scalar) -> Result<Self, String> {
        Ok(value.clone())
    }
}

impl FromFact for Shell {
    const WANTED: &'static str = "a word of a command";
    const FITS: &'static [FactType] = &FactType::ALL;

    fn from_fact(value: &Scalar) -> Result<Self, String> {
        match value {
            Scalar::Null => Err("it is NULL, and a word of a command is wanted".to_owned()),
            value => Ok(Shell(value.text().into_owned())),
        }
    }
}

/// Implements it for types that are read from a text.
macro_rules! from_text {
    ($($type:ty, $what:literal, $fits:expr, $parse:expr;)*) => {
        $(impl FromFact for $type {
            const WANTED: &'static str = $what;
            const FITS: &'static [FactType] = &$fits;

            fn from_fact(value: &Scalar) -> Result<Self, String> {
                of_text(value, $what, $parse)
            }
        })*
    };
}

from_text! {
    u64, "a whole number", [FactType::Number], |text| text.parse().map_err(|_| format!("`{text}` is not a whole number from 0 on"));
    u32, "a whole number", [FactType::Number], |text| text.parse().map_err(|_| format!("`{text}` is not a whole number of 32 bits"));
    Number, "a number", [FactType::Number], Number::parse;
    // A number has no unit.
    Duration, "a duration", [], Duration::parse;
    Time, "a time", [FactType::Time], Time::parse;
    Timeline, "a timeline", [FactType::Number], Timeline::parse;
    Lsn, "an LSN", [FactType::Lsn], |text| text.parse().map_err(|_| format!("`{text}` is not an LSN"));
}
