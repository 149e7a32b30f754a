//! What a `dump` step is of: its fields looked at together.

use super::TakeDumpSpec;
use crate::harness::{Dumped, Resolved, Scope};
use crate::source::Span;

/// The forms that the fields can take.
const FORMS: &str = "`tables: [shop.orders]`, `schemas: [shop]`, `database: shop` or `globals: true`";

impl TakeDumpSpec {
    /// What is dumped, and where the scenario says so.
    pub(super) fn what(&self, scope: &mut Scope<'_>) -> Resolved<(Dumped, Span)> {
        let globals = self.globals.as_ref().filter(|globals| globals.value);
        let parts = [
            self.tables.as_ref().map(|tables| (tables.entry, "tables")),
            self.schemas.as_ref().map(|schemas| (schemas.entry, "schemas")),
            globals.map(|globals| (globals.entry, "globals")),
        ];
        let mut parts = parts.into_iter().flatten();
        if let (Some((_, first)), Some((second, name))) = (parts.next(), parts.next()) {
            scope.error(second, format!("`{first}` and `{name}` exclude each other"), "one of the two");
            return None;
        }
        self.check_company(scope);
        if let Some(tables) = &self.tables {
            if tables.value.is_empty() {
                scope.error(tables.span, "`tables` is empty", "dump what?");
                return None;
            }
            let names = tables.value.iter().map(|table| table.value.clone()).collect();
            return Some((Dumped::Tables(names), tables.entry));
        }
        if let Some(schemas) = &self.schemas {
            if schemas.value.is_empty() {
                scope.error(schemas.span, "`schemas` is empty", "dump what?");
                return None;
            }
            return Some((Dumped::Schemas(schemas.value.clone()), schemas.entry));
        }
        if let Some(globals) = globals {
            return Some((Dumped::Globals, globals.entry));
        }
        let Some(database) = &self.database else {
            scope.error_help(scope.action, "there is nothing to dump", "dump what?", FORMS);
            return None;
        };
        Some((Dumped::Database, database.entry))
    }

    /// Fields that do not go with what is dumped.
    fn check_company(&self, scope: &mut Scope<'_>) {
        let globals = self.globals.as_ref().is_some_and(|globals| globals.value);
        if let (Some(database), true) = (&self.database, globals) {
            let help = "a step for each: `dump: { globals: true }` and `dump: { database: NAME }`";
            scope.error_help(database.entry, "`globals` are of the whole server", "they are in no database", help);
        }
        if let (Some(dependents), None, None) = (&self.dependents, &self.tables, &self.schemas) {
            let title = "`dependents` goes with `tables` or `schemas`";
            scope.error(dependents.entry, title, "nothing is outside of what is dumped");
        }
    }
}
