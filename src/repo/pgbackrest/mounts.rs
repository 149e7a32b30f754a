//! Where a configuration of pgBackRest says that its repositories lie (manual, `Configuration
//! Reference`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::repo::existing::{Existing, Mounts, configuration, text_of};

/// Where pgbackrest looks for its configuration by itself.
const DEFAULT: [&str; 2] = ["/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest.conf"];
/// Where a repository lies that does not say.
const DEFAULT_PATH: &str = "/var/lib/pgbackrest";

/// The configuration, and the directories of the repositories that are read.
pub(super) fn mounts(existing: &Existing) -> Mounts {
    let config = configuration(existing, DEFAULT)?;
    if config.is_none() && existing.options.is_empty() {
        return Ok(vec![]);
    }
    let mut text = config.as_deref().map(text_of).transpose()?.unwrap_or_default();
    // The environment has the last word (manual, `Command Reference`).
    existing.options.iter().for_each(|(name, value)| text.push_str(&format!("\n{name}={value}")));
    let repos = paths(&text, existing.repo)?;
    Ok(config.into_iter().chain(repos).collect())
}

/// The directories of the repositories of a configuration, or of one of them.
fn paths(text: &str, wanted: Option<u32>) -> Mounts {
    let mut repos: BTreeMap<u32, BTreeMap<&str, &str>> = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let Some(rest) = key.trim().strip_prefix("repo") else { continue };
        let Some((number, option)) = rest.split_once('-') else { continue };
        // `repo-path` was another name of `repo1-path`.
        let Ok(number) = (if number.is_empty() { Ok(1) } else { number.parse() }) else { continue };
        repos.entry(number).or_default().insert(option, value.trim());
    }
    let mut paths = vec![];
    for (number, options) in repos.into_iter().filter(|(number, _)| wanted.is_none_or(|wanted| wanted == *number)) {
        if let Some(kind) = options.get("type").filter(|kind| !matches!(**kind, "posix" | "cifs")) {
            return Err(format!("its repository {number} is not in a directory (`repo{number}-type={kind}`)"));
        }
        if let Some(host) = options.get("host") {
            return Err(format!("its repository {number} is on another machine (`repo{number}-host={host}`)"));
        }
        paths.push(PathBuf::from(options.get("path").copied().unwrap_or(DEFAULT_PATH)));
    }
    if paths.is_empty() {
        paths.push(PathBuf::from(DEFAULT_PATH));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_found_and_those_that_are_elsewhere_are_told() {
        let text = "[global]\nrepo1-path = /srv/one\n# repo1-type=s3\nrepo2-path=/srv/two\nrepo2-cipher-type=aes-256-cbc\nrepo3-type=s3\n[main]\npg1-path=/data\n";
        let shown = |wanted| {
            paths(text, wanted).map(|all| all.iter().map(|path| path.display().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(shown(Some(1)), Ok(vec!["/srv/one".to_owned()]));
        assert_eq!(shown(Some(2)), Ok(vec!["/srv/two".to_owned()]));
        assert_eq!(shown(None), Err("its repository 3 is not in a directory (`repo3-type=s3`)".to_owned()));
        assert_eq!(paths("[global]\n", None), Ok(vec![DEFAULT_PATH.into()]));
        let elsewhere = paths("repo1-host=backup\n", None).expect_err("elsewhere");
        assert!(elsewhere.contains("on another machine"), "{elsewhere}");
    }
}
