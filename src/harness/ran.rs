//! The commands that a step runs, told so that a runbook can be made of them.

use std::time::Duration;

use super::Context;
use super::places::{hosts, places, put_in};
use crate::host::Program;
use crate::journal::{CommandRun, Event, Form, Language, Placeholder};
use crate::node::Node;

/// A command that a step has run.
pub struct Ran<'a> {
    node: &'a Node,
    about: String,
    language: Language,
    text: String,
    form: Form,
    took: Option<Duration>,
    checks: Vec<String>,
    given: Vec<Placeholder>,
}

impl<'a> Ran<'a> {
    fn new(node: &'a Node, about: impl Into<String>, language: Language, text: String) -> Self {
        Ran { node, about: about.into(), language, text, form: Form::Exact, took: None, checks: vec![], given: vec![] }
    }

    /// A program on the host of a node; `about` is what it does.
    pub fn program(node: &'a Node, about: impl Into<String>, program: &Program) -> Self {
        Ran::new(node, about, Language::Shell, program.typed())
    }

    /// Commands for `sh`, as they were run.
    pub fn commands(node: &'a Node, about: impl Into<String>, text: &str) -> Self {
        Ran::new(node, about, Language::Shell, text.trim_end().to_owned())
    }

    /// Commands for `sh` that do the same as drillyard has done in a way of its own.
    pub fn like(node: &'a Node, about: impl Into<String>, text: impl Into<String>) -> Self {
        Ran { form: Form::Equivalent, ..Ran::new(node, about, Language::Shell, text.into()) }
    }

    /// Statements in the database of a node.
    pub fn sql(node: &'a Node, about: impl Into<String>, text: &str) -> Self {
        let text = text.trim().trim_end_matches(';');
        Ran::new(node, about, Language::Sql, format!("{text};"))
    }

    /// Not the very one that drillyard has run, but one that does the same.
    pub fn equivalent(self) -> Self {
        Ran { form: Form::Equivalent, ..self }
    }

    /// Variables that `to` was given: those that are in the text.
    pub fn given(mut self, variables: &[(String, String)], to: &str) -> Self {
        let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let is_in =
            |sought: &str| self.text.match_indices(sought).any(|(at, _)| !goes_on(&self.text[at + sought.len()..]));
        let used = variables.iter().filter(|(name, _)| is_in(&format!("${name}")) || is_in(&format!("${{{name}")));
        let about = |name: &str| format!("`{name}`, which {to} is given");
        let place = |(name, value): &(String, String)| Placeholder {
            name: name.clone(),
            value: value.clone(),
            about: about(name),
        };
        self.given = used.map(place).collect();
        self
    }

    /// How long it took.
    pub fn took(self, took: Duration) -> Self {
        Ran { took: Some(took), ..self }
    }

    /// What is to be looked at before the next one.
    pub fn check(mut self, check: impl Into<String>) -> Self {
        self.checks.push(check.into());
        self
    }
}

impl Context<'_> {
    /// Tells what the step has run. On an external server nothing is run by hand.
    pub fn ran(&self, ran: Ran<'_>) {
        let Ok(host) = ran.node.host() else { return };
        let known = places(self.world, host.as_ref(), &hosts(self.world));
        let (text, mut placeholders) = match ran.language {
            Language::Shell => put_in(&ran.text, &known, ran.node.password()),
            Language::Sql => (ran.text, vec![]),
        };
        placeholders.extend(ran.given);
        let command = CommandRun {
            about: ran.about,
            node: ran.node.name().to_owned(),
            language: ran.language,
            text,
            form: ran.form,
            duration_ms: ran.took.map(|took| took.as_millis() as u64),
            checks: ran.checks,
            placeholders,
        };
        let (drill, index) = (self.world.drill, self.index);
        self.world.journal.write(Event::CommandRun { drill, index, command: Box::new(command) });
    }
}
