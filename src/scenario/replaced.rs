//! A scenario with repos of another kind than it says: `--repos`.

use super::model::Scenario;
use super::repo_kind::RepoKind;
use crate::repo::{Kind, default_kind};
use crate::source::Spanned;

impl Scenario {
    /// Makes repos of this kind of all that are directories. A copy is what its original is.
    pub fn replace_directories(&mut self, kind: &'static Kind) {
        let directory = default_kind().name;
        for (name, fields) in &mut self.repos.listed {
            let Some(fields) = fields else { continue };
            if fields.existing.as_ref().is_some_and(|existing| existing.value) {
                // Somebody else's is what it is.
                continue;
            }
            let is_directory = match &fields.kind {
                Some(said) => said.value.0.name == directory,
                None => fields.copy_of.is_none(),
            };
            if is_directory {
                let (span, entry) = (name.span, name.entry);
                fields.kind = Some(Spanned { value: RepoKind(kind), span, entry });
            }
        }
    }
}
