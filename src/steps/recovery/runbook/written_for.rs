//! Commands that were written for another kind of repo than the drill has.

use super::markdown::{Block, line_span};
use crate::harness::Scope;
use crate::repo::default_kind;
use crate::source::{Source, Span};

/// The variable with the newest backup: of a directory its path, elsewhere a label.
const BACKUP: &str = "DRILLYARD_BACKUP";

/// Whether the commands fit the drill's repos; if not, the scope has been told. Files below
/// `$DRILLYARD_BACKUP` are there in a directory alone.
pub(super) fn fits(scope: &mut Scope<'_>, file: Span, text: &Source, blocks: &[Block]) -> bool {
    let mut kinds = scope.repos.values().map(|repo| repo.kind.name);
    let (Some(first), directory) = (kinds.next(), default_kind().name) else { return true };
    if first == directory || kinds.any(|kind| kind == directory) {
        return true;
    }
    let Some((block, line)) = blocks.iter().find_map(|block| Some((block, line_below_backup(&block.text)?))) else {
        return true;
    };
    let label = format!("a backup in a repo of kind {first} is a label, and no directory");
    let place = text.place(line_span(text, block.line + line), &label);
    scope.error_elsewhere(file, "the runbook is written for a repo of kind directory", place);
    false
}

/// The line, from 0, in which something below the backup is named.
fn line_below_backup(text: &str) -> Option<usize> {
    let names_below = |line: &str| {
        line.match_indices(BACKUP).any(|(at, _)| {
            let rest = line[at + BACKUP.len()..].trim_start_matches([':', '?', '}', '"']);
            rest.starts_with('/')
        })
    };
    text.lines().position(names_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_is_read_as_a_directory_is_seen() {
        assert_eq!(line_below_backup("set -x\ncp -a \"${DRILLYARD_BACKUP:?}/.\" there"), Some(1));
        assert_eq!(line_below_backup("cp -a \"$DRILLYARD_BACKUP\"/. there"), Some(0));
        assert_eq!(line_below_backup("pgbackrest --set=\"$DRILLYARD_BACKUP\" restore"), None);
        assert_eq!(line_below_backup("ls $DRILLYARD_BACKUP_OFFSITE /tmp"), None);
    }
}
