//! The page of a key of the file, or of a step's field, read from the JSON Schema.

use serde_json::Value;

use crate::scenario::schema;
use crate::source::WORD;

/// What a key is: `nodes`, `budgets.rto`, `expect`, `recover.until`. `None` if there is no such
/// key.
pub fn page(path: &str) -> Option<String> {
    let schema = schema();
    let mut keys = path.split('.');
    let first = keys.next()?;
    let steps = &schema["$defs"]["Step"]["properties"];
    let top = [&schema["properties"], steps].into_iter().find_map(|keys| keys.get(first))?;
    let mut at = Key { schema: &schema, value: top };
    for key in keys {
        at = at.key(key)?;
    }
    Some(at.page(path))
}

/// The keys that have a page of their own, those of the file and those that every step can have.
pub fn keys() -> Vec<String> {
    let schema = schema();
    let steps = schema["$defs"]["Step"]["properties"].as_object().into_iter().flatten();
    let common = steps.map(|(key, _)| key).filter(|key| crate::steps::find(key).is_none());
    let file = schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key);
    file.chain(common).cloned().collect()
}

/// A key's place in the schema.
#[derive(Clone, Copy)]
struct Key<'s> {
    schema: &'s Value,
    value: &'s Value,
}

impl<'s> Key<'s> {
    fn at(self, value: &'s Value) -> Self {
        Key { value, ..self }
    }

    /// What its value is, behind references, lists and `null`; a map of names is what stands under
    /// each name.
    fn fields(self) -> Option<Key<'s>> {
        if let Some(name) = self.value["$ref"].as_str() {
            return self.at(self.schema.pointer(name.trim_start_matches('#'))?).fields();
        }
        if self.value["properties"].is_object() {
            return Some(self);
        }
        let choices = ["anyOf", "oneOf", "allOf"].iter().filter_map(|word| self.value[*word].as_array()).flatten();
        let inside = ["additionalProperties", "items"].iter().map(|word| &self.value[*word]).filter(|v| v.is_object());
        choices.chain(inside).find_map(|value| self.at(value).fields())
    }

    /// One of its keys.
    fn key(self, key: &str) -> Option<Key<'s>> {
        let fields = self.fields()?;
        fields.value["properties"].get(key).map(|value| self.at(value))
    }

    fn about(self) -> &'s str {
        let own = self.value["description"].as_str();
        let behind = || {
            let choices = ["anyOf", "oneOf", "allOf"].iter().filter_map(|word| self.value[*word].as_array()).flatten();
            let refers = self.value["$ref"].as_str().and_then(|name| self.schema.pointer(name.trim_start_matches('#')));
            refers.into_iter().chain(choices).find_map(|value| {
                let about = self.at(value).about();
                (!about.is_empty()).then_some(about)
            })
        };
        own.or_else(behind).unwrap_or_default()
    }

    fn page(self, path: &str) -> String {
        let own = |key: Key<'s>| fields("Keys", key.value, |value| key.at(value).about());
        let fields = self.fields().map(own).unwrap_or_default();
        format!("{path}\n\n{}\n{fields}", self.about())
    }
}

/// The keys of a schema in a line each, under a heading; empty if it has none. `about` says what
/// one is for.
pub fn fields<'s>(heading: &str, schema: &'s Value, about: impl Fn(&'s Value) -> &'s str) -> String {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let keys = schema["properties"].as_object().into_iter().flatten().filter(|(key, _)| *key != WORD);
    let rows: Vec<(String, String)> = keys
        .map(|(key, value)| {
            let name = if required.contains(&key.as_str()) { key.clone() } else { format!("{key}?") };
            (name, about(value).split("\n\n").next().unwrap_or_default().replace('\n', " "))
        })
        .collect();
    let Some(width) = rows.iter().map(|(name, _)| name.len()).max() else { return String::new() };
    let mut text = format!("\n{heading} (? may be left out):\n");
    for (name, about) in rows {
        text.push_str(format!("  {name:width$}  {about}").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_page_that_says_something() {
        for key in keys() {
            let page = page(&key).expect("a page");
            assert!(page.lines().nth(2).is_some_and(|line| !line.is_empty()), "{key}: {page}");
        }
    }

    #[test]
    fn keys_of_keys_are_found() {
        assert!(page("recover.until").expect("a page").contains("before?"));
        assert!(page("nodes").expect("a page").contains("archive_to?"));
        assert!(page("nodes.archive_to").is_some() && page("budgets.rto.max").is_some());
        assert!(page("expect").expect("a page").contains("fails"));
        assert_eq!(page("nodes.nothing"), None);
        assert_eq!(page("nothing"), None);
    }
}
