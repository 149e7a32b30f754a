//! Keeps secrets out of everything that is written.

use serde_json::Value;

use super::Problem;

/// Replaces the values of secrets by `***`, in every text of an event and of every other output.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// Longest first, so that a secret that contains another one is replaced whole.
    secrets: Vec<String>,
}

/// What stands in a secret's place.
const MASK: &str = "***";

impl Redactor {
    /// Replaces these values from now on. Empty ones are no secrets.
    pub fn add(&mut self, secrets: impl IntoIterator<Item = String>) {
        self.secrets.extend(secrets.into_iter().filter(|secret| !secret.is_empty()));
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        self.secrets.dedup();
    }

    /// `text` without the secrets.
    pub fn text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }

    /// `problem` without the secrets. The lines of the file that it shows are as the author wrote them.
    pub fn problem(&self, mut problem: Problem) -> Problem {
        if !self.is_empty() {
            problem.title = self.text(&problem.title);
            problem.places.iter_mut().for_each(|place| place.label = self.text(&place.label));
            problem.notes.iter_mut().for_each(|note| note.text = self.text(&note.text));
        }
        problem
    }

    /// `value` without the secrets, in all its strings.
    pub fn value(&self, value: &mut Value) {
        if self.secrets.is_empty() {
            return;
        }
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(map) => map.values_mut().for_each(|item| self.value(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Whether there is anything to replace.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_inside_another_one_leaves_nothing_behind() {
        let mut redactor = Redactor::default();
        redactor.add(["pass".to_owned(), "passphrase".to_owned(), String::new()]);
        assert_eq!(redactor.text("passphrase and pass"), "*** and ***");
        let mut value = serde_json::json!({ "a": ["the passphrase"], "n": 1 });
        redactor.value(&mut value);
        assert_eq!(value, serde_json::json!({ "a": ["the ***"], "n": 1 }));
    }
}
