//! The ids of the steps of a file: what those in a fragment are called to the outside, and which
//! step a name in it means.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::source::{Name, Span, Spanned};

/// The longest id that a step in a fragment can have to the outside, in characters: PostgreSQL cuts
/// off the names of restore points and the like at 63.
pub(super) const MAX_ID: usize = 60;

/// The ids of one file, or of one use of a fragment.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What stands before each id: `lunch.`; nothing in the drill's own file.
    prefix: String,
    /// As its own steps write them.
    own: Mutex<BTreeSet<String>>,
    /// The ids of its steps that use fragments, and where they stand.
    uses: Mutex<BTreeMap<String, Span>>,
    /// Those of the file that uses it, and the id that its `use` has there.
    outer: Option<(Ids, Option<String>)>,
}

impl Ids {
    /// Those of a fragment that a step of this file uses, with this `id`.
    pub(super) fn of_fragment(&self, id: Option<&Name>) -> Ids {
        let prefix = match id {
            Some(id) => format!("{}{id}.", self.0.prefix),
            None => self.0.prefix.clone(),
        };
        let outer = Some((self.clone(), id.map(ToString::to_string)));
        Ids(Arc::new(Known { prefix, own: Mutex::default(), uses: Mutex::default(), outer }))
    }

    /// Notes the id of one of its steps, and what those call it that use it.
    pub(super) fn note(&self, id: &str) {
        self.0.own.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        if let Some((outer, used)) = &self.0.outer {
            match used {
                Some(used) => outer.note(&format!("{used}.{id}")),
                None => outer.note(id),
            }
        }
    }

    /// Notes the id of a step that uses a fragment. Where another one has it, that one's place.
    pub(super) fn note_use(&self, id: &Spanned<Name>) -> Option<Span> {
        let mut uses = self.0.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let first = uses.get(id.as_str()).copied();
        uses.entry(id.value.to_string()).or_insert(id.span);
        first
    }

    /// Whether a step has this id, of the file or of one that uses it.
    pub(super) fn knows(&self, id: &str) -> bool {
        let own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner).contains(id);
        own || self.outer().is_some_and(|outer| outer.knows(id))
    }

    /// What everybody else calls its step with this id.
    pub(super) fn outside(&self, id: &Name) -> Name {
        Name::of_step(&format!("{}{id}", self.0.prefix)).unwrap_or_else(|_| id.clone())
    }

    /// The step that a name means: the first of its own, else one of the file that uses it. A name
    /// that came by a param is one of that file's.
    pub(super) fn meant<'t>(&self, name: Cow<'t, str>, given: bool) -> Cow<'t, str> {
        let has = |ids: &Ids| ids.0.own.lock().unwrap_or_else(PoisonError::into_inner).contains(name.as_ref());
        let mut at = Some(self);
        if given {
            at = self.outer().or(at);
        }
        while let Some(ids) = at {
            if has(ids) {
                return if ids.0.prefix.is_empty() { name } else { format!("{}{name}", ids.0.prefix).into() };
            }
            at = ids.outer();
        }
        name
    }

    fn outer(&self) -> Option<&Ids> {
        self.0.outer.as_ref().map(|(outer, _)| outer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_the_nearest_step() -> Result<(), String> {
        let drill = Ids::default();
        let shop = drill.of_fragment(Some(&Name::new("shop")?));
        let plain = shop.of_fragment(None);
        let deep = shop.of_fragment(Some(&Name::new("deep")?));
        drill.note("users");
        drill.note("accident");
        shop.note("users");
        plain.note("nightly");
        deep.note("nightly");
        let meant = |ids: &Ids, name: &str, given| ids.meant(name.into(), given).into_owned();
        assert_eq!(meant(&drill, "users", false), "users");
        assert_eq!(meant(&drill, "shop.users", false), "shop.users");
        assert_eq!(meant(&shop, "users", false), "shop.users");
        assert_eq!(meant(&shop, "users", true), "users", "a param is of whoever gives it");
        assert_eq!(meant(&shop, "accident", false), "accident");
        assert_eq!(meant(&shop, "nightly", false), "shop.nightly");
        assert_eq!(meant(&shop, "deep.nightly", false), "shop.deep.nightly");
        assert_eq!(meant(&deep, "nightly", false), "shop.deep.nightly");
        assert_eq!(meant(&deep, "nightly", true), "shop.nightly");
        assert_eq!(meant(&plain, "nobody", false), "nobody");
        assert_eq!(deep.outside(&Name::new("x")?).as_str(), "shop.deep.x");
        Ok(())
    }
}
