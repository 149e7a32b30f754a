//! The drills that ship, and other files of YAML.

use std::path::{Path, PathBuf};

/// The files of YAML below a folder of the project, in order.
pub fn below(folder: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    search(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    found.sort();
    found
}

fn search(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => search(&path, found),
            false => found.push(path),
        }
    }
}
