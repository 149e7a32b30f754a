//! References to what is known only when a step runs: `${accident.xid}`, `${nodes.master.host}`.

use std::ops::Range;

use super::ids::Ids;
use crate::source::did_you_mean;

/// What stands for something that is known before anything runs.
pub(super) const EARLY: [&str; 3] = ["params", "env", "secrets"];

/// Where such references may stand.
pub(super) const PLACES: &str = "such values may stand in `args`, `format`, `equals`, `count` and bounds, in `env`, `run` and `vars` of commands, and in `until`";

/// The one that has no dot: the directory with a copy of the scenario's files.
const FILES: &str = "files";

/// Where in a text such references stand, with `${` and `}`; `ids` are those of the file's steps.
pub(super) fn references(text: &str, ids: &Ids) -> Vec<Range<usize>> {
    let mut found = vec![];
    for (at, _) in text.match_indices("${").filter(|(at, _)| !text[..*at].ends_with('$')) {
        let Some(length) = text[at..].find('}') else { break };
        if is_late(&text[at + 2..at + length], ids) {
            found.push(at..at + length + 1);
        }
    }
    found
}

/// Whether a reference, without its braces, is one of these: names with dots between them, of which
/// the first is not one that is known early, nor meant to be: `secret` is `secrets`, unless a step
/// has that id.
pub(super) fn is_late(reference: &str, ids: &Ids) -> bool {
    let reference = reference.trim();
    let mut parts = reference.split('.');
    let first = parts.next().unwrap_or_default();
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let begins = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let dotted =
        reference.contains('.') && is_word(first) && begins(first) && parts.all(|part| is_word(part) && begins(part));
    let of_step = || reference.rsplit_once('.').is_some_and(|(step, _)| ids.knows(step));
    reference == FILES || (dotted && !EARLY.contains(&first) && (did_you_mean(first, EARLY).is_none() || of_step()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_to_what_comes_later_is_told_from_others() {
        let ids = Ids::default();
        ids.note("envs");
        for late in ["envs.x", "accident.xid", "lunch.accident.xid", "nodes.a-1.conninfo", " x.y ", "files"] {
            assert!(is_late(late, &ids), "{late}");
        }
        for other in
            ["params.x", "env.HOME", "param.x", "secret.x", "HOME", "x-1.5", "file%.*", "x.", ".x", "a b.c", ""]
        {
            assert!(!is_late(other, &ids), "{other}");
        }
        let text = "a ${x.y} ${HOME} $${z.z} ${params.x}${q.r}";
        let found: Vec<&str> = references(text, &ids).into_iter().map(|at| &text[at]).collect();
        assert_eq!(found, ["${x.y}", "${q.r}"]);
    }
}
