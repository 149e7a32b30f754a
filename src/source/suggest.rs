//! "Did you mean", and lists of choices.

/// The choice that is nearest to `text`, where one is near: Jaro-Winkler above 0.85, and not `text`
/// itself.
pub fn did_you_mean<'a>(text: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let near = |choice: &str| strsim::jaro_winkler(&lower, &choice.to_lowercase());
    let (near, choice) = choices
        .into_iter()
        .filter(|choice| *choice != text)
        .map(|choice| (near(choice), choice))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (near > 0.85).then_some(choice)
}

/// `` `a`, `b` or `c` ``, joined by `last` (`and`, `or`).
pub fn choices<'a>(all: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let all: Vec<_> = all.into_iter().map(|choice| format!("`{choice}`")).collect();
    match all.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        assert_eq!(did_you_mean("tabel", ["node", "table", "tables"]), Some("table"));
        assert_eq!(did_you_mean("Node", ["node", "table"]), Some("node"));
        assert_eq!(did_you_mean("xyz", ["node", "table"]), None);
        assert_eq!(did_you_mean("x", []), None);
    }

    #[test]
    fn choices_are_listed_as_people_do() {
        assert_eq!(choices(["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(choices(["a"], "or"), "`a`");
        assert_eq!(choices([], "or"), "");
    }
}
