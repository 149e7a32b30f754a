//! The drills that ship, and what they load: they are in the program, so that they are there
//! wherever it is called.

use std::path::Path;

use include_dir::{Dir, include_dir};

static SCENARIOS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// The file that shipped drills load, by the name that they call it.
const FIXTURES: &[(&str, &str)] =
    &[("fixtures/shop.sql", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/shop.sql")))];

/// A drill that ships.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// Its file below `scenarios/`: `human-error/dropped-table.yaml`.
    pub path: &'static Path,
    /// Its text.
    pub text: &'static str,
}

impl Shipped {
    /// What `new --from` calls it: `dropped-table`.
    pub fn name(self) -> &'static str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// The files that it loads, with their texts.
    pub fn files(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        FIXTURES.iter().copied().filter(move |(name, _)| self.text.contains(name))
    }
}

/// All drills that ship, in the order of their files.
pub fn all() -> Vec<Shipped> {
    fn below(dir: &'static Dir<'static>, found: &mut Vec<Shipped>) {
        found.extend(dir.files().filter_map(|file| Some(Shipped { path: file.path(), text: file.contents_utf8()? })));
        dir.dirs().for_each(|dir| below(dir, found));
    }
    let mut found = vec![];
    below(&SCENARIOS, &mut found);
    found.sort_by_key(|shipped| shipped.path);
    found
}

/// The shipped drill of this name, or of this file, with or without `.yaml`.
pub fn find(name: &str) -> Option<Shipped> {
    let name = name.trim_start_matches("scenarios/").trim_end_matches(".yaml");
    let path = Path::new(name);
    all().into_iter().find(|shipped| shipped.name() == name || shipped.path.with_extension("") == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_shipped_drill_loads_is_in_the_program() {
        assert!(find("dropped-table").is_some() && find("scenarios/human-error/dropped-table.yaml").is_some());
        assert_eq!(find("nightly/last-night").map(Shipped::name), Some("last-night"));
        for shipped in all() {
            let loads = shipped.text.lines().filter_map(|line| line.split_once("file: ")).map(|(_, rest)| rest);
            for file in loads.map(|rest| rest.split([' ', ',', '}']).next().unwrap_or_default()) {
                assert!(shipped.files().any(|(name, _)| name == file), "{}: {file}", shipped.path.display());
            }
        }
    }
}
