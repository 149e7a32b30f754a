//! The copy of the scenario's files on hosts of the drill.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::Finding;

/// The copy of the scenario's files.
#[derive(Debug, Clone)]
pub struct Copied {
    /// Where it lies, as every host sees it.
    pub dir: String,
    /// What is not in it, and why.
    pub(super) left_out: BTreeMap<PathBuf, &'static str>,
}

impl Copied {
    /// Fails if a text that begins with a path in the directory names what is not in it; if the
    /// directory is empty by design, so does the directory itself.
    pub fn must_have(&self, text: &str) -> Result<(), Box<Finding>> {
        let path = match text.strip_prefix('/') {
            Some(path) => path,
            None if self.left_out.contains_key(Path::new("")) => "",
            None => return Ok(()),
        };
        let named = Path::new(path.split([' ', '\n', '"', '\'', ':', ';', ',']).next().unwrap_or_default());
        let named: PathBuf = named.components().filter(|part| *part != Component::CurDir).collect();
        match self.left_out.iter().find(|(left, _)| named.starts_with(left)) {
            Some((left, why)) => {
                let finding = Finding::errored(format!("{} is on no host of the drill", called(left)));
                Err(finding.label(*why).help(HIDDEN))
            }
            None => Ok(()),
        }
    }
}

/// What a path in the scenario's folder is called.
pub(super) fn called(path: &Path) -> String {
    match path.as_os_str().is_empty() {
        true => "the scenario's folder".to_owned(),
        false => path.display().to_string(),
    }
}

/// What is copied, and what is told where something is not.
const HIDDEN: &str =
    "`${files}` has plain files of the scenario's folder, and no secrets: pass those in `env`, by `${secrets.x}`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_copied_is_an_error_where_it_is_named() {
        let left_out = [(PathBuf::from("secrets"), "it is secret"), (PathBuf::from("a/deep"), "it is deep")].into();
        let copied = Copied { dir: "/files".to_owned(), left_out };
        for missing in ["/secrets", "/secrets/x", "/./secrets/x --verbose", "/a/deep/er/file.sql:2"] {
            assert!(copied.must_have(missing).is_err(), "{missing}");
        }
        let nothing = Copied { left_out: [(PathBuf::new(), "it is secret")].into(), ..copied.clone() };
        for missing in ["", " x", "/", "/x"] {
            assert!(nothing.must_have(missing).is_err(), "{missing}");
        }
        for there in ["", " secrets", "/secrets-of-old", "/a/deeper", "/b/secrets"] {
            assert!(copied.must_have(there).is_ok(), "{there}");
        }
    }
}
