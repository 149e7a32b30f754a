//! A value of the tree, read as what is expected of it: `true`, a number, text, a list.

use std::borrow::Cow;
use std::ops::Range;

use super::failure::{Failure, Wrong, quoted};
use crate::scenario::late;
use crate::scenario::node::{Node, Style, Value};
use crate::scenario::problems::{FEW, Problems};
use crate::scenario::remedy;
use crate::scenario::values::Dangling;
use crate::source::{Form, Piece, Pieces, ScalarKind as Kind, Span, choices};

/// A value as the file gives it.
#[derive(Clone, Copy)]
pub(super) struct Given<'p> {
    pub problems: &'p Problems<'p>,
    pub node: &'p Node,
    /// Its key, where it is a map's.
    pub key: Option<&'p Node>,
    pub text: Text,
}

/// What may be in a scalar's text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// References are substituted.
    Value,
    /// The same, with secrets escaped as parts of a connection string.
    ConnectionString,
    /// A map's key: no references.
    Key,
    Sql,
    Shell,
    /// References are substituted, and the step is meant that has this id in the file.
    Step,
}

/// A scalar after substitution.
pub(super) struct Scalar<'t> {
    pub text: Cow<'t, str>,
    pub form: Form,
    /// Whether it is exactly one reference: then it may be read as any type.
    given: bool,
    substituted: bool,
    pub secret: bool,
}

impl<'p> Given<'p> {
    /// Whether a secret's value is in it.
    pub(super) fn has_secret(self) -> bool {
        let resolved = self.node.text().map(|text| self.problems.values().resolve(text));
        matches!(resolved, Some(Ok(resolved)) if resolved.secret)
    }

    /// It is something else than `expected`.
    pub(super) fn wrong(self, expected: &str, help: Option<String>) -> Failure {
        let label = format!("expected {expected}");
        let help = self.remedy(expected).or(help);
        match (self.node.is_null(), self.key) {
            (true, Some(key)) => {
                let title = format!("`{}` is empty", key.text().unwrap_or_default());
                Failure::wrong(key.span, title, label, help)
            }
            _ => {
                let (found, mut wrong) = self.found();
                let title = format!("expected {expected}, found {found}");
                wrong.push(Wrong { span: self.node.span, title, label, help, unset: false });
                Failure::Wrong(wrong)
            }
        }
    }

    /// What somebody may have meant by this value.
    pub(super) fn remedy(self, expected: &str) -> Option<String> {
        remedy::value(self.key?.text()?, self.node, expected)
    }

    /// What it is, in a few words, and what is wrong with the references in it.
    fn found(self) -> (String, Vec<Wrong>) {
        let (text, style) = match &self.node.value {
            Value::Scalar { text, style } => (text, *style),
            Value::Seq(_) => return ("a list".to_owned(), vec![]),
            Value::Map(_) => return ("a map".to_owned(), vec![]),
        };
        let scalar = match self.scalar("") {
            Ok(scalar) => scalar,
            Err(Failure::Wrong(wrong)) => return (format!("text {}", quoted(text)), wrong),
            Err(_) => return (format!("text {}", quoted(text)), vec![]),
        };
        let shown = quoted(&scalar.text);
        let found = match scalar.form {
            _ if scalar.secret => "text `***`".to_owned(),
            _ if scalar.substituted => format!("{}, which is {shown}", quoted(text)),
            Form::Null => "nothing".to_owned(),
            Form::Bool => shown,
            Form::Integer | Form::Float => format!("the number {shown}"),
            Form::Text if style == Style::Quoted && Kind::of_plain(text) != Kind::Text => {
                format!("text {shown} in quotes")
            }
            Form::Text => format!("text {shown}"),
        };
        (found, vec![])
    }

    /// The scalar with its references substituted.
    pub(super) fn scalar(self, expected: &str) -> Result<Scalar<'p>, Failure> {
        let Value::Scalar { text, style } = &self.node.value else { return Err(self.wrong(expected, None)) };
        let form = |text: &str| match style {
            Style::Plain => Kind::of_plain(text).into(),
            Style::Quoted | Style::Block => Form::Text,
        };
        let values = self.problems.values();
        let resolved = match self.text {
            Text::Value | Text::Step => values.resolve(text),
            Text::ConnectionString => values.resolve_in_connection_string(text),
            Text::Key | Text::Sql | Text::Shell => {
                self.no_reference(text)?;
                let (form, text) = (form(text), text.into());
                return Ok(Scalar { text, form, given: false, substituted: false, secret: false });
            }
        };
        match resolved {
            Ok(resolved) => Ok(Scalar {
                form: match resolved.form {
                    Some(form) => form,
                    None if resolved.substituted => Form::Text,
                    None => form(&resolved.text),
                },
                given: resolved.form.is_some(),
                substituted: resolved.substituted,
                secret: resolved.secret,
                text: resolved.text,
            }),
            Err(dangling) => Err(Failure::Wrong(dangling.into_iter().map(|one| self.wrong_at(text, 0, one)).collect())),
        }
    }

    /// A reference to nothing, in what stands at this place of a text.
    fn wrong_at(self, text: &str, at: usize, one: Dangling) -> Wrong {
        let span = self.piece(text, one.at.start + at..one.at.end + at);
        Wrong { span, title: one.title, label: one.label, help: Some(one.help), unset: one.unset }
    }

    /// The pieces of a text in which references stand that are known only when the step runs; none
    /// if there are no such. In a command's word nothing else is substituted.
    pub(super) fn pieces(self, is_shell: bool) -> Result<Option<Pieces>, Failure> {
        let Value::Scalar { text, .. } = &self.node.value else { return Ok(None) };
        let found = late::references(text, self.problems.values().ids());
        if found.is_empty() {
            return Ok(None);
        }
        let (mut all, mut at, mut wrong) = (vec![], 0, vec![]);
        let end = text.len()..text.len();
        for range in found.into_iter().chain(std::iter::once(end)) {
            let before = &text[at..range.start];
            match self.problems.values().resolve(before) {
                _ if is_shell => all.push(Piece::Text(before.to_owned())),
                Ok(resolved) => all.push(Piece::Text(resolved.text.into_owned())),
                Err(dangling) => wrong.extend(dangling.into_iter().map(|one| self.wrong_at(text, at, one))),
            }
            if !range.is_empty() {
                let reference = self.meant(text[range.start + 2..range.end - 1].trim());
                all.push(Piece::Reference(reference, self.piece(text, range.clone())));
            }
            at = range.end;
        }
        if !wrong.is_empty() {
            return Err(Failure::Wrong(wrong));
        }
        all.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Some(Pieces { text: text.clone(), pieces: all }))
    }

    /// A reference to a fact of a step, by the id that the step has for the whole drill.
    fn meant(self, reference: &str) -> String {
        match reference.rsplit_once('.') {
            Some((step, fact)) => format!("{}.{fact}", self.problems.values().ids().meant(step.into(), false)),
            None => reference.to_owned(),
        }
    }

    /// There must be no reference in keys, SQL and shell text.
    fn no_reference(self, text: &str) -> Result<(), Failure> {
        let mut found = text.match_indices("${").filter(|(at, _)| !text[..*at].ends_with('$')).map(|(at, _)| {
            let end = text[at..].find('}').map_or(at + 2, |length| at + length + 1);
            at..end
        });
        let (at, place, instead) = match self.text {
            Text::Value | Text::ConnectionString | Text::Step => return Ok(()),
            Text::Key => (found.next(), "a key", "write the key out"),
            Text::Sql => (found.next(), "SQL", "use `args:` with $1"),
            // `${HOME}` is the shell's own business; a shell's name has no dot.
            Text::Shell => {
                let ours = |at: &Range<usize>| {
                    let name = text[at.start + 2..].trim_start();
                    ["params.", "env.", "secrets."].iter().any(|kind| name.starts_with(kind))
                };
                (found.find(ours), "shell text", "use `env:`")
            }
        };
        let Some(at) = at else { return Ok(()) };
        let title = format!("{} is not substituted inside {place}: {instead}", quoted(&text[at.clone()]));
        Err(Failure::wrong(self.piece(text, at), title, "this would stay as it is", None))
    }

    /// Where a piece of the scalar's text is in the file; the whole scalar where its escapes hide
    /// it.
    fn piece(self, text: &str, at: Range<usize>) -> Span {
        let span = self.node.span;
        let piece = &text[at.clone()];
        let before = text[..at.start].matches(piece).count();
        let raw = self.problems.source().text().get(span.start..span.end).unwrap_or_default();
        match raw.match_indices(piece).nth(before) {
            Some((found, _)) => Span { start: span.start + found, end: span.start + found + piece.len() },
            None => span,
        }
    }

    pub(super) fn bool(self) -> Result<bool, Failure> {
        let expected = "`true` or `false`";
        let scalar = self.scalar(expected)?;
        let plain = scalar.form == Form::Bool || scalar.given;
        let help = |word: &str| Some(format!("write `{word}`, without quotes"));
        match scalar.text.as_ref() {
            "true" if plain => Ok(true),
            "false" if plain => Ok(false),
            other => Err(self.wrong(
                expected,
                match other.to_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" | "1" => help("true"),
                    "no" | "off" | "n" | "false" | "0" => help("false"),
                    _ => None,
                },
            )),
        }
    }

    pub(super) fn integer(self, min: i128, max: i128) -> Result<i128, Failure> {
        let expected = "a whole number";
        let scalar = self.scalar(expected)?;
        let text = scalar.text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let decimal = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        if decimal && (scalar.form == Form::Integer || scalar.given) {
            return match text.parse::<i128>() {
                Ok(number) if (min..=max).contains(&number) => Ok(number),
                Ok(number) if number < min && min == 0 => Err(self.wrong("a number that is not negative", None)),
                _ => Err(self.wrong(&format!("a number from {min} to {max}"), None)),
            };
        }
        let bare: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ' | '\'' | '+')).collect();
        let bare = match bare.trim_start_matches('0') {
            "" if !bare.is_empty() => "0",
            bare => bare,
        };
        let is_number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
        let help = match scalar.form {
            _ if scalar.substituted => None,
            Form::Text if decimal => Some(format!("take the quotes away: `{text}`")),
            _ if is_number => Some(format!("write it as plain digits: `{bare}`")),
            _ => remedy::digits(text).map(|digits| format!("write it as plain digits: `{digits}`")),
        };
        Err(self.wrong(expected, help))
    }

    pub(super) fn float(self) -> Result<f64, Failure> {
        let expected = "a number";
        let scalar = self.scalar(expected)?;
        let numeric = matches!(scalar.form, Form::Integer | Form::Float) || scalar.given;
        match scalar.text.trim().parse::<f64>() {
            Ok(number) if numeric && number.is_finite() => Ok(number),
            Ok(_) if !numeric && !scalar.substituted => {
                Err(self.wrong(expected, Some(format!("take the quotes away: `{}`", scalar.text.trim()))))
            }
            _ => Err(self.wrong(expected, None)),
        }
    }

    pub(super) fn string(self) -> Result<Cow<'p, str>, Failure> {
        let scalar = self.scalar("text")?;
        match scalar.form {
            Form::Null => Err(self.wrong("text", None)),
            Form::Text if self.text == Text::Step => {
                Ok(self.problems.values().ids().meant(scalar.text, scalar.substituted))
            }
            Form::Text => Ok(scalar.text),
            _ if scalar.given => Ok(scalar.text),
            Form::Bool | Form::Integer | Form::Float if self.text == Text::Step => {
                let help = "steps are named by their `id`, and not by their number: give that step one";
                Err(self.wrong("the id of a step", Some(help.to_owned())))
            }
            Form::Bool | Form::Integer | Form::Float => {
                Err(self.wrong("text", Some(format!("put it in quotes: `\"{}\"`", scalar.text))))
            }
        }
    }

    /// The members of a list; `one` says whether it may have just one.
    pub(super) fn list(self, expected: &str, one: bool) -> Result<&'p [Node], Failure> {
        match &self.node.value {
            Value::Seq(items) => Ok(items),
            Value::Scalar { text, .. }
                if one && !self.node.is_null() && text.lines().count() == 1 && text.len() < 40 =>
            {
                Err(self.wrong(expected, Some(format!("write `[{text}]`"))))
            }
            Value::Scalar { .. } | Value::Map(_) => Err(self.wrong(expected, None)),
        }
    }

    /// What to write where a map is expected.
    pub(super) fn keys_help(self, fields: &[&str]) -> Option<String> {
        let keys = choices(fields.iter().copied(), "and");
        match (fields.len(), self.key.and_then(Node::text)) {
            (_, Some(key)) if self.node.is_null() => Some(format!("where all is as usual, write `{key}: {{}}`")),
            (1, _) => Some(format!("its key is {keys}")),
            (2..=FEW, _) => Some(format!("its keys are {keys}")),
            _ => None,
        }
    }
}
