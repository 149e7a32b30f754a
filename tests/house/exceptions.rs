//! What does not keep a rule yet. Lines only go: an entry that is no longer needed fails the test,
//! too.

use std::collections::BTreeMap;

/// Files that are part of a circle.
pub const CIRCLES: &[&str] = &[];

/// Files over 400 lines.
pub const LONG_FILES: &[&str] = &[];

/// Functions over 60 lines.
pub const LONG_FUNCTIONS: &[&str] = &[];

/// Files outside of `host` that name a backend.
pub const BACKENDS: &[&str] = &[];

/// Folders and files with comments beyond column 100.
pub const LONG_COMMENTS: &[&str] = &[];

/// Compares what a finder found, each with what is wrong with it, with the exceptions from its
/// rule.
pub fn compare(found: &BTreeMap<String, String>, exceptions: &[&str]) {
    check(found, exceptions, |found, exception| found == exception);
}

/// The same with exceptions that stand for all files below a folder.
pub fn compare_below(found: &BTreeMap<String, String>, exceptions: &[&str]) {
    check(found, exceptions, |found, exception| found.starts_with(exception));
}

fn check(found: &BTreeMap<String, String>, exceptions: &[&str], covers: impl Fn(&str, &str) -> bool) {
    let new = found.iter().filter(|(name, _)| !exceptions.iter().any(|exception| covers(name, exception)));
    let new = new.map(|(name, what)| format!("{name} {what}"));
    let needless = exceptions.iter().filter(|exception| !found.keys().any(|name| covers(name, exception)));
    let needless =
        needless.map(|exception| format!("{exception} keeps the rule: remove it from tests/house/exceptions.rs"));
    let wrong: Vec<String> = new.chain(needless).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(found: &[&str], exceptions: &[&str]) -> bool {
        let found = found.iter().map(|name| ((*name).to_owned(), "is long".to_owned())).collect();
        std::panic::catch_unwind(|| compare(&found, exceptions)).is_ok()
    }

    #[test]
    fn exceptions_are_exactly_what_is_needed() {
        assert!(passes(&["a.rs"], &["a.rs"]) && passes(&[], &[]));
        assert!(!passes(&["a.rs"], &[]) && !passes(&[], &["a.rs"]) && !passes(&["a.rs"], &["b.rs"]));
    }

    #[test]
    fn an_exception_may_stand_for_a_folder() {
        let found = BTreeMap::from([("src/run/a.rs".to_owned(), String::new())]);
        compare_below(&found, &["src/run/"]);
        assert!(std::panic::catch_unwind(|| compare_below(&found, &["src/run/", "src/cli/"])).is_err());
    }
}
