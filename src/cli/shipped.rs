//! The drills that ship, and what they load: they are in the program, so that they are there
//! wherever it is called.

use std::path::Path;

use include_dir::{Dir, File, include_dir};

use crate::source::Source;

static SCENARIOS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// The files that shipped drills load or run, by the names that they call them.
const FIXTURES: &[(&str, &str)] = &[
    ("fixtures/shop.sql", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/shop.sql"))),
    ("fixtures/dropped-table.md", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/dropped-table.md"))),
];

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

    /// The files that it loads, runs or uses, with their texts, by the names that it calls them.
    pub fn files(self) -> Vec<(String, &'static str)> {
        let all: Vec<(String, &'static str)> = FIXTURES
            .iter()
            .map(|(name, text)| ((*name).to_owned(), *text))
            .chain(texts().into_iter().filter(|file| is_fragment(*file)).map(|file| (file.named(), file.text)))
            .collect();
        let mut files: Vec<(String, &'static str)> = vec![];
        let mut texts = vec![self.text];
        while let Some(text) = texts.pop() {
            for (name, inside) in all.iter().filter(|(name, _)| text.contains(name.as_str())) {
                if !files.iter().any(|(known, _)| known == name) {
                    files.push((name.clone(), inside));
                    texts.push(inside);
                }
            }
        }
        files
    }

    /// What others call its file: `lib/shop.yaml`.
    fn named(self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

/// All drills that ship, in the order of their files.
pub fn all() -> Vec<Shipped> {
    texts().into_iter().filter(|file| !is_fragment(*file)).collect()
}

fn is_fragment(file: Shipped) -> bool {
    crate::scenario::is_fragment(&Source::new("", file.text))
}

/// All files in `scenarios/`, drills and fragments, in order.
fn texts() -> Vec<Shipped> {
    fn below(dir: &'static Dir<'static>, found: &mut Vec<Shipped>) {
        let is_yaml = |file: &&'static File<'static>| file.path().extension().is_some_and(|ending| ending == "yaml");
        found.extend(
            dir.files()
                .filter(is_yaml)
                .filter_map(|file| Some(Shipped { path: file.path(), text: file.contents_utf8()? })),
        );
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
            let files = shipped.files();
            let fragments = files.iter().filter(|(name, _)| name.ends_with(".yaml"));
            for text in fragments.map(|(_, text)| *text).chain([shipped.text]) {
                let loads = text.lines().filter_map(|line| line.split_once("file: ").or(line.split_once("- use: ")));
                for file in loads.map(|(_, rest)| rest.split([' ', ',', '}']).next().unwrap_or_default()) {
                    assert!(files.iter().any(|(name, _)| name == file), "{}: {file}", shipped.path.display());
                }
            }
        }
    }
}
