//! What a step came to, and whether that was expected of it.

use crate::harness::Struck;
use crate::journal::{Facts, Outcome, Problem};
use crate::source::{Regex, Source, Spanned};

/// What a step came to.
pub struct End {
    pub outcome: Outcome,
    pub message: Option<String>,
    pub problem: Option<Problem>,
    pub facts: Facts,
    /// Whether no time makes it right.
    pub lasting: bool,
    /// When its deed reached the servers.
    pub struck: Struck,
    /// Whether something was judged.
    pub judged: bool,
    /// Whether it failed by something that is not its own doing, and that nobody can have expected
    /// of it.
    pub foreign: bool,
}

impl End {
    pub fn new(outcome: Outcome) -> Self {
        End {
            outcome,
            message: None,
            problem: None,
            facts: Facts::new(),
            lasting: false,
            struck: Struck::default(),
            judged: false,
            foreign: false,
        }
    }

    pub fn of_problem(outcome: Outcome, problem: Problem) -> Self {
        End { message: Some(one_line(&problem)), problem: Some(problem), ..End::new(outcome) }
    }

    /// Of a line of an `all` that is expected to fail: its failure is reported, and is no failure
    /// of the drill.
    pub fn of_a_lenient_line(self) -> Self {
        if self.outcome != Outcome::Failed {
            return self;
        }
        let message = self.message.map(|message| format!("failed, as is expected of its `all`: {message}"));
        End { outcome: Outcome::Passed, message, problem: None, ..self }
    }

    /// Turns the outcome round for a step that must fail.
    pub fn expected(self, fails: Option<&Spanned<Regex>>, source: &Source) -> End {
        let Some(fails) = fails.filter(|_| !self.foreign) else { return self };
        let place = |label: &str| source.place(fails.entry, label);
        match (self.outcome, &self.problem) {
            (Outcome::Failed, Some(problem)) if fails.value.is_match(&problem.text()) => {
                let mut facts = self.facts;
                facts.insert("failed_as_expected".to_owned(), problem.text().into());
                End {
                    facts,
                    judged: true,
                    message: Some(format!("failed, as expected: {}", one_line(problem))),
                    ..End::new(Outcome::Passed)
                }
            }
            (Outcome::Failed, Some(problem)) => {
                let other = Problem::new("the step failed otherwise than expected")
                    .at(place("this does not match"))
                    .note("actual", problem.text());
                End { facts: self.facts, ..End::of_problem(Outcome::Failed, other) }
            }
            (Outcome::Passed, _) => {
                let other = Problem::new("the step was expected to fail, and passed").at(place("nothing failed"));
                End { facts: self.facts, ..End::of_problem(Outcome::Failed, other) }
            }
            _ => self,
        }
    }
}

/// The title, and what is said at the place.
fn one_line(problem: &Problem) -> String {
    match problem.places.first().map(|place| place.label.as_str()) {
        Some(label) if !label.is_empty() => format!("{}: {label}", problem.title),
        _ => problem.title.clone(),
    }
}
