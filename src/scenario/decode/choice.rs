//! One of several choices, as the file gives it.

use super::failure::{Failure, quoted};
use super::given::Given;
use crate::scenario::node::{Entry, Node, Value};
use crate::scenario::problems::FEW;
use crate::source::{Form, choices, did_you_mean};

/// What was chosen: `latest`, or `{ before: x }`.
pub(super) struct Choice<'p> {
    given: Given<'p>,
    name: String,
    /// The line of the map that it is; none for a word.
    line: Option<&'p Entry>,
}

impl<'p> Choice<'p> {
    /// The one of `variants` that `given` is.
    pub(super) fn of(given: Given<'p>, variants: &[&str]) -> Result<Self, Failure> {
        let expected = || match variants.len() {
            0..=FEW => choices(variants.iter().copied(), "or"),
            _ => "a choice".to_owned(),
        };
        let (place, name, line) = match &given.node.value {
            Value::Seq(_) => return Err(given.wrong(&expected(), None)),
            Value::Scalar { .. } => {
                let found = given.scalar("")?;
                if found.form == Form::Null {
                    return Err(given.wrong(&expected(), None));
                }
                if found.secret {
                    return Err(Failure::Text("a secret is no choice".to_owned()));
                }
                (given.node, found.text.into_owned(), None)
            }
            Value::Map(entries) => match entries.as_slice() {
                [line] => (&line.key, line.name().to_owned(), Some(line)),
                [] => {
                    let title = format!("expected {}, found an empty map", expected());
                    return Err(Failure::wrong(given.node.span, title, "nothing is chosen", None));
                }
                [_, second, ..] => {
                    let title = format!("expected one choice, found {}", entries.len());
                    let help = Some(format!("choose one: {}", expected()));
                    return Err(Failure::wrong(second.key.span, title, "this is a second one", help));
                }
            },
        };
        match variants.contains(&name.as_str()) {
            true => Ok(Choice { given, name, line }),
            false => Err(unknown(given, place, &name, variants)),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The line whose value says more about it, for a choice that needs one.
    pub(super) fn line(&self) -> Result<&'p Entry, Failure> {
        self.line.ok_or_else(|| {
            let (name, span) = (&self.name, self.given.node.span);
            let help = format!("write `{{ {name}: ... }}`");
            Failure::wrong(span, format!("`{name}` needs a value"), "nothing stands after it", Some(help))
        })
    }

    /// That there is no value, for a choice that takes none.
    pub(super) fn alone(&self) -> Result<(), Failure> {
        match self.line {
            Some(line) if !line.value.is_null() => {
                let (title, help) = (format!("`{}` takes no value", self.name), format!("write `{}` alone", self.name));
                Err(Failure::wrong(line.value.span, title, "not expected", Some(help)))
            }
            _ => Ok(()),
        }
    }
}

fn unknown(given: Given<'_>, place: &Node, name: &str, variants: &[&str]) -> Failure {
    let label = did_you_mean(name, variants.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    let help = (variants.len() <= FEW).then(|| format!("the choices are {}", choices(variants.iter().copied(), "and")));
    let help = given.remedy("a choice").filter(|_| label.is_none()).or(help);
    let title = format!("unknown choice {}", quoted(name));
    Failure::wrong(place.span, title, label.as_deref().unwrap_or("not known here"), help)
}
