//! What `${params.x}`, `${env.X}` and `${secrets.x}` stand for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::ids::Ids;
use super::late;
use crate::source::{Form, Name, Scalar, choices, did_you_mean};

/// Finds the value of a name: an environment variable, a secret.
pub type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Everything that references can stand for, and which secrets were used.
pub struct Values {
    params: Vec<(String, Scalar)>,
    /// The params that something has asked for so far.
    asked: Mutex<BTreeSet<String>>,
    /// The ids of the file whose params these are.
    ids: Ids,
    outside: Arc<Outside>,
}

/// What comes from outside, for a drill and its fragments alike.
struct Outside {
    env: Lookup,
    secrets: Lookup,
    used: Mutex<BTreeSet<String>>,
}

/// A scalar's text after substitution.
#[derive(Debug, PartialEq)]
pub(super) struct Resolved<'t> {
    /// The text.
    pub text: Cow<'t, str>,
    /// How the value was given, where the scalar was exactly one reference.
    pub form: Option<Form>,
    /// Whether there is a reference in it.
    pub substituted: bool,
    /// Whether a secret is in it.
    pub secret: bool,
}

/// How many references of one scalar are told: no scalar has that many but by a program's mistake.
const MAX_DANGLING: usize = 10;

/// A reference that stands for nothing.
#[derive(Debug, PartialEq)]
pub(super) struct Dangling {
    /// Where in the scalar's text the reference is.
    pub at: Range<usize>,
    pub title: String,
    pub label: String,
    pub help: String,
    /// Whether it is a param that gets its value from `--set` alone, and has none: no mistake of
    /// the file's.
    pub unset: bool,
}

impl Values {
    /// No params; `env` and `secrets` find what they are asked for.
    pub fn new(env: Lookup, secrets: Lookup) -> Self {
        let outside = Arc::new(Outside { env, secrets, used: Mutex::default() });
        Values { params: vec![], asked: Mutex::default(), ids: Ids::default(), outside }
    }

    /// Nothing that a reference could stand for.
    pub fn none() -> Self {
        Values::new(Box::new(|_| None), Box::new(|_| None))
    }

    /// The same with these params, in their order. Secrets that were used before stay known.
    pub fn with_params(mut self, params: impl IntoIterator<Item = (String, Scalar)>) -> Self {
        self.params = params.into_iter().collect();
        self
    }

    /// Those of a fragment that a step of this file uses.
    pub(super) fn of_fragment(&self, params: Vec<(String, Scalar)>, id: Option<&Name>) -> Self {
        Values { params, asked: Mutex::default(), ids: self.ids.of_fragment(id), outside: self.outside.clone() }
    }

    /// The ids of the file.
    pub(super) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Gives a param another value, as `--set name=text` does. What the file gives as text stays
    /// text.
    ///
    /// # Errors
    /// Where there is no such param; the text says which there are.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        if let Some((_, value)) = self.params.iter_mut().find(|(known, _)| known == name) {
            *value = match value {
                Scalar::Text(_) => Scalar::Text(text.to_owned()),
                _ => match Scalar::of_plain(text) {
                    Ok(Scalar::Null) | Err(_) => Scalar::Text(text.to_owned()),
                    Ok(plain) => plain,
                },
            };
            return Ok(());
        }
        Err(format!("there is no param `{name}`: {}", self.params_help(name)))
    }

    /// Gives params other values.
    pub(super) fn give(&mut self, given: &[(String, Scalar)]) {
        for (name, value) in given {
            match self.params.iter_mut().find(|(known, _)| known == name) {
                Some((_, its)) => *its = value.clone(),
                // Of a matrix that is wrong.
                None => self.params.push((name.clone(), value.clone())),
            }
        }
    }

    /// The params and their values, in their order.
    pub fn params(&self) -> &[(String, Scalar)] {
        &self.params
    }

    /// Whether anything has asked for a param so far.
    pub(super) fn is_asked_for(&self, param: &str) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).contains(param)
    }

    /// The values of all the secrets that a decoded scalar has used so far: what has to be kept out
    /// of every output.
    pub fn used_secrets(&self) -> Vec<String> {
        self.outside.used.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Substitutes the references in `text`. `$${` is `${`.
    pub(super) fn resolve<'t>(&self, text: &'t str) -> Result<Resolved<'t>, Vec<Dangling>> {
        self.substitute(text, |secret| secret)
    }

    /// The same in a connection string: a secret that is a part of it stands for itself there,
    /// whatever characters are in it.
    pub(super) fn resolve_in_connection_string<'t>(&self, text: &'t str) -> Result<Resolved<'t>, Vec<Dangling>> {
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.trim_start().starts_with(scheme));
        self.substitute(text, if is_url { percent_encoded } else { backslashed })
    }

    fn substitute<'t>(&self, text: &'t str, secret_part: fn(String) -> String) -> Result<Resolved<'t>, Vec<Dangling>> {
        if !text.contains("${") {
            return Ok(Resolved { text: text.into(), form: None, substituted: false, secret: false });
        }
        let mut out = String::with_capacity(text.len());
        let (mut dangling, mut form, mut substituted, mut secret) = (vec![], None, false, false);
        let mut at = 0;
        while let Some(found) = text[at..].find('$').filter(|_| dangling.len() < MAX_DANGLING) {
            out.push_str(&text[at..at + found]);
            at += found;
            let rest = &text[at..];
            if rest.starts_with("$${") {
                out.push_str("${");
                at += 3;
                continue;
            }
            let Some(inner) = rest.strip_prefix("${") else {
                out.push('$');
                at += 1;
                continue;
            };
            let Some(length) = inner.find('}') else {
                let at = at..at + rest.lines().next().unwrap_or_default().trim_end().len();
                let (title, help) = ("a reference is not closed", "write `${params.x}`; `$${` is a literal `${`");
                dangling.push(Dangling {
                    at,
                    title: title.into(),
                    label: "there is no `}` after this".into(),
                    help: help.into(),
                    unset: false,
                });
                break;
            };
            let range = at..at + length + 3;
            match self.one(inner[..length].trim()) {
                Ok((value, is_secret)) => {
                    let is_all = range == (0..text.len());
                    form = is_all.then(|| value.form());
                    out.push_str(&match is_secret && !is_all {
                        true => secret_part(value.text().into_owned()),
                        false => value.text().into_owned(),
                    });
                    substituted = true;
                    secret |= is_secret;
                }
                Err((title, label, help)) => {
                    let unset = self.is_unset(inner[..length].trim());
                    dangling.push(Dangling { at: range.clone(), title, label, help, unset });
                }
            }
            at = range.end;
        }
        if !dangling.is_empty() {
            return Err(dangling);
        }
        out.push_str(&text[at..]);
        Ok(Resolved { text: out.into(), form, substituted, secret })
    }

    /// Whether a reference is to a param that has no value.
    fn is_unset(&self, reference: &str) -> bool {
        let name = reference.strip_prefix("params.");
        name.is_some_and(|name| self.params.iter().any(|(known, value)| known == name && *value == Scalar::Null))
    }

    /// What one reference, without its braces, stands for, and whether that is a secret.
    fn one(&self, reference: &str) -> Result<(Scalar, bool), (String, String, String)> {
        let (kind, name) = reference.split_once('.').unwrap_or(("", reference));
        if kind == "params" {
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        }
        match kind {
            "params" => match self.params.iter().find(|(known, _)| known == name) {
                Some((_, Scalar::Null)) => {
                    let title = format!("the param `{name}` has no value");
                    Err((title, "needed here".to_owned(), format!("give it one: --set {name}=...")))
                }
                Some((_, value)) => Ok((value.clone(), false)),
                None => {
                    let near = did_you_mean(name, self.params.iter().map(|(name, _)| name.as_str()));
                    let label =
                        near.map_or("no such param".to_owned(), |near| format!("did you mean `${{params.{near}}}`?"));
                    Err((format!("there is no param `{name}`"), label, self.params_help(name)))
                }
            },
            "env" => (self.outside.env)(name).map(|value| (Scalar::Text(value), false)).ok_or_else(|| {
                let title = format!("the environment variable `{name}` is not set");
                (title, "needed here".to_owned(), format!("set it: `export {name}=...`"))
            }),
            "secrets" => match (self.outside.secrets)(name) {
                Some(value) => {
                    let mut used = self.outside.used.lock().unwrap_or_else(PoisonError::into_inner);
                    if !value.is_empty() {
                        used.insert(value.clone());
                    }
                    Ok((Scalar::Text(value), true))
                }
                None => {
                    let title = format!("the secret `{name}` is not given");
                    Err((
                        title,
                        "needed here".to_owned(),
                        "secrets are given from outside, never in the file".to_owned(),
                    ))
                }
            },
            _ if late::is_late(reference, &self.ids) => {
                let title = format!("`${{{reference}}}` is known only when the drill runs");
                Err((title, "it cannot stand here".to_owned(), late::PLACES.to_owned()))
            }
            _ => {
                let known = self.params.iter().any(|(param, _)| param == name);
                let label = match did_you_mean(kind, late::EARLY) {
                    Some(near) => format!("did you mean `${{{near}.{name}}}`?"),
                    None if known => format!("did you mean `${{params.{name}}}`?"),
                    None => "this stands for nothing".to_owned(),
                };
                let help = "there are `${params.x}`, `${env.X}` and `${secrets.x}`; `$${` is a literal `${`";
                Err((format!("unknown reference `${{{reference}}}`"), label, help.to_owned()))
            }
        }
    }

    fn params_help(&self, name: &str) -> String {
        match self.params.is_empty() {
            true => format!("the file has no `params`: add `params: {{ {name}: ... }}`"),
            false => {
                format!("the file's params are {}", choices(self.params.iter().map(|(name, _)| name.as_str()), "and"))
            }
        }
    }
}

/// As a part of a URL.
fn percent_encoded(secret: String) -> String {
    secret.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            text + char::from(byte).encode_utf8(&mut [0; 4])
        }
        byte => text + &format!("%{byte:02X}"),
    })
}

/// As a part of a value of `host=... password=...`, in quotes or not.
fn backslashed(secret: String) -> String {
    secret.chars().fold(String::new(), |mut text, c| {
        if c == '\\' || c == '\'' || c.is_whitespace() {
            text.push('\\');
        }
        text.push(c);
        text
    })
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("params", &self.params).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let env = |name: &str| (name == "HOST").then(|| "db.example".to_owned());
        let secrets = |name: &str| (name == "pw").then(|| "hunter2".to_owned());
        let params = [("rows".to_owned(), Scalar::Integer(5)), ("label".to_owned(), Scalar::Text("7".to_owned()))];
        Values::new(Box::new(env), Box::new(secrets)).with_params(params)
    }

    fn text(text: &str) -> String {
        values().resolve(text).map(|resolved| resolved.text.into_owned()).unwrap_or_else(|wrong| {
            wrong.iter().map(|one| format!("{} ({}) at {:?}; ", one.title, one.label, &text[one.at.clone()])).collect()
        })
    }

    #[test]
    fn references_are_substituted() {
        assert_eq!(text("plain $client $1 $$ $"), "plain $client $1 $$ $");
        assert_eq!(text("${params.rows}"), "5");
        assert_eq!(text("a ${params.rows} b ${ env.HOST } $c"), "a 5 b db.example $c");
        assert_eq!(text("$${params.rows} ${params.rows}"), "${params.rows} 5");
        assert_eq!(text("é${params.rows}é"), "é5é");
        assert_eq!(values().resolve("${params.rows}").map(|r| r.form), Ok(Some(Form::Integer)));
        assert_eq!(values().resolve("${params.rows}0").map(|r| r.form), Ok(None));
    }

    #[test]
    fn what_stands_for_nothing_is_told_all_at_once() {
        let told = text("${params.row} ${env.NOPE} ${secrets.x} ${param.rows} ${rows} ${} ${params.rows");
        insta::assert_snapshot!(told.replace("; ", "\n"));
    }

    #[test]
    fn a_secret_in_a_connection_string_stands_for_itself() -> Result<(), Box<dyn std::error::Error>> {
        for secret in ["p@ss/w#rd", "it's 100%: \\o/", "gr\u{fc}n?a=b&c", "plain"] {
            let secrets = |_: &str| Some(secret.to_owned());
            let values = Values::new(Box::new(|_| None), Box::new(secrets));
            for text in [
                "postgres://u:${secrets.pw}@db.example.com/app",
                "postgresql://u@db.example.com/app?password=${secrets.pw}",
                "host=db.example.com user=u password=${secrets.pw} dbname=app",
                "host=db.example.com user=u password='${secrets.pw}' dbname=app",
            ] {
                let url = values.resolve_in_connection_string(text).map_err(|_| "a reference")?.text;
                let config: tokio_postgres::Config = url.parse()?;
                assert_eq!(config.get_password(), Some(secret.as_bytes()), "{url}");
                assert_eq!(config.get_dbname(), Some("app"), "{url}");
            }
        }
        let whole = "postgres://u:p%40ss@db.example.com/app";
        let values = Values::new(Box::new(|_| None), Box::new(|_| Some(whole.to_owned())));
        let resolved = values.resolve_in_connection_string("${secrets.url}").map_err(|_| "a reference")?;
        assert_eq!(resolved.text, whole, "a secret that is all of it is taken as it is");
        Ok(())
    }

    #[test]
    fn only_secrets_that_were_used_are_kept() {
        let values = values();
        assert_eq!(values.used_secrets(), Vec::<String>::new());
        assert_eq!(values.resolve("x${secrets.pw}").map(|r| r.secret), Ok(true));
        assert_eq!(values.with_params([]).used_secrets(), ["hunter2"]);
    }

    #[test]
    fn a_param_without_a_default_is_not_wrong_and_has_no_value() {
        let mut values = Values::none().with_params([("prod".to_owned(), Scalar::Null)]);
        let unset = |values: &Values| values.resolve("${params.prod}").map_err(|wrong| wrong[0].unset);
        assert_eq!(unset(&values).map(|resolved| resolved.text), Err(true));
        assert_eq!(values.set("prod", ""), Ok(()));
        assert_eq!(unset(&values).map(|resolved| resolved.text), Ok("".into()));
        assert!(values.resolve("${params.other}").is_err_and(|wrong| !wrong[0].unset));
    }

    #[test]
    fn params_are_set_in_their_own_type() {
        let mut values = values();
        assert_eq!((values.set("rows", "12"), values.set("label", "12")), (Ok(()), Ok(())));
        assert_eq!(values.params()[0].1, Scalar::Integer(12));
        assert_eq!(values.params()[1].1, Scalar::Text("12".to_owned()));
        let error = "there is no param `row`: the file's params are `rows` and `label`";
        assert_eq!(values.set("row", "1"), Err(error.to_owned()));
    }
}
