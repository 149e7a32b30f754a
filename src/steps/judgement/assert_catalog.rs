//! `assert_catalog`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::{Catalog, Difference, Told, subjects, told, told_as};
use crate::harness::{
    Context, Effects, Finding, NodeField, NodeRef, Output, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::harness::{StepRef, demanded};
use crate::journal::Event;
use crate::source::{RoleName, Spanned, StepName, did_you_mean};

/// Checks whether tables are defined as they were in a snapshot.
///
/// ```yaml
/// - assert_catalog: { node: master, same_as: before }
/// - assert_catalog:
///     node: master
///     same_as: before
///     except: [ column order of shop.orders, grant to clerk of shop.orders ]
/// ```
///
/// It compares the tables, their partitions and children, and everything that a `DROP TABLE ...
/// CASCADE` takes with them: columns (type, collation, default, identity, storage) and their types
/// (with those that these consist of), constraints and inbound foreign keys with their validity and
/// their triggers' enabled state, in each partition too, indexes, triggers and rules with their
/// enabled state, the bodies of the functions that triggers, checks, defaults and policies call,
/// row-level security and policies, views and materialized views, grants, owners, comments,
/// security labels, sequences, publications with their options, statistics objects, partitions,
/// inheritance, options of the table; and the owner and the grants of the tables' schemas.
///
/// A sequence that has advanced is no difference. A sequence that would hand out a number again is
/// one: it was set back since the snapshot, or since an incident or the users' end on that server,
/// or on a server whose place it has taken (one that is down, or a standby); or a column that gets
/// its numbers from it is ahead of it, and was not in the snapshot. A sequence that cycles has no
/// position.
///
/// Options of a column, table, view or index that, by PostgreSQL's manual, nobody can set belong to
/// the server itself, and pg_dump leaves them out: they are reported once, and not compared.
///
/// `except` lists differences that are meant. Each is the text of a line of the diff between its
/// sign and its colon, such as `column order of shop.orders` of the line
/// `+ column order of shop.orders: id, amount`; whole lines may be copied, too. Those that occur
/// are reported as `meant`. One that does not occur is a failure: it would hide what comes later.
///
/// With `role` it is read as that role (`SET ROLE`).
///
/// It passes if nothing else is missing, changed or added. Differences are listed as a diff of at
/// most 50 lines.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertCatalogSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The id of a snapshot step.
    same_as: StepName,
    /// The database that the tables are in, if that is not the node's own one.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The role as which it is read.
    #[serde(default)]
    role: Option<Spanned<RoleName>>,
    /// Differences that are meant, as the diff names them: `column order of shop.orders`.
    #[serde(default)]
    except: Option<Spanned<Vec<Spanned<String>>>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertCatalog {
    /// The server.
    node: NodeRef,
    /// The snapshot.
    same_as: StepRef,
    /// The database that the tables are in, if that is not the node's own one.
    database: Option<Spanned<String>>,
    /// The role as which it is read.
    role: Option<Spanned<RoleName>>,
    /// Differences that are meant.
    except: Vec<Spanned<String>>,
}

impl StepKind for AssertCatalogSpec {
    type Step = AssertCatalog;

    const NAME: &'static str = "assert_catalog";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "compared meant differences";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertCatalog> {
        let node = scope.node(&self.node);
        let same_as = scope.step_with(&self.same_as, &[Output::Snapshot]);
        let except = self.except.map(|except| {
            if except.value.is_empty() {
                scope.error(except.entry, "`except` is empty", "which differences are meant?");
            }
            for (at, one) in except.value.iter().enumerate() {
                if named(one).is_empty() {
                    scope.error(one.span, "this names no difference", "`column order of shop.orders`, for instance");
                } else if except.value[..at].iter().any(|other| named(other) == named(one)) {
                    scope.error(one.span, "this difference is named twice", "once is enough");
                }
            }
            except.value
        });
        Some(AssertCatalog {
            node: node?,
            same_as: same_as?,
            database: self.database,
            role: self.role,
            except: except.unwrap_or_default(),
        })
    }
}

/// What a text of `except` names, without the sign of the line that it was copied from.
fn named(text: &str) -> &str {
    text.trim().trim_start_matches(['-', '+']).trim_start()
}

/// Whether a text of `except` names what is different: its subject alone, or a whole line, with its
/// sign or without.
fn names(text: &str, told: &Told) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (text, has_sign) = (squeezed(text), named(text) != text.trim());
    let line = |line: &String| if has_sign { squeezed(line) } else { squeezed(named(line)) };
    (!has_sign && text == squeezed(&told.subject)) || told.lines.iter().any(|one| line(one) == text)
}

impl AssertCatalog {
    /// Takes out the differences that are meant, and returns those; fails if one that is named is
    /// not there.
    fn take_meant(&self, differences: &mut Vec<Difference>) -> Result<Vec<Difference>, Box<Finding>> {
        let found = subjects(differences);
        let mut meant = vec![false; differences.len()];
        for text in &self.except {
            let places: Vec<usize> =
                found.iter().filter(|told| names(text, told)).flat_map(|told| told.places.clone()).collect();
            if places.is_empty() {
                let near = did_you_mean(named(text), found.iter().map(|told| told.subject.as_str()));
                let label = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "this is as it was: take it out of `except`".to_owned(),
                };
                return Err(Finding::failed("a difference that is meant does not occur")
                    .at(text.span)
                    .label(label)
                    .note("diff", listed(differences)));
            }
            places.into_iter().for_each(|at| meant[at] = true);
        }
        let mut at = meant.iter();
        Ok(differences.extract_if(.., |_| at.next() == Some(&true)).collect())
    }
}

/// The first lines of differences.
fn listed(differences: &[Difference]) -> String {
    let mut listed = told(differences);
    if listed.len() > MOST {
        let more = listed.len() - MOST;
        listed.truncate(MOST);
        listed.push(format!("... and {more} more lines"));
    }
    listed.join("\n")
}

impl Context<'_> {
    /// Reports what a catalog holds that no documentation lets people set, once in a drill.
    pub(crate) fn report_not_compared(&mut self, catalog: &Catalog) {
        if catalog.not_compared.is_empty() {
            return;
        }
        self.fact("not compared", catalog.not_compared.clone());
        for option in &catalog.not_compared {
            if self.world.outputs().not_compared.insert(option.clone()) {
                let message = format!("{option} is not documented: not compared");
                self.world.journal.write(Event::Warned { drill: Some(self.world.drill), message });
            }
        }
    }
}

/// How many lines of differences are told.
const MOST: usize = 50;

#[async_trait(?Send)]
impl Step for AssertCatalog {
    fn title(&self) -> String {
        format!("catalog of {} as in {}", self.node, self.same_as)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let snapshot = cx.world.outputs().snapshots.get(&self.same_as.id).cloned();
        let snapshot =
            snapshot.ok_or_else(|| Finding::errored(format!("snapshot `{}` was not taken", self.same_as)))?;
        let database = self.database.as_ref().or(snapshot.database.as_ref());
        let client = cx.client_as(&node, database, self.role.as_ref()).await?;
        let now = snapshot.catalog.read_again(&client, &snapshot.tables).await;
        let now = now.map_err(|e| Finding::failed(e.to_string()))?;
        // Asked for last: a server that still hands out numbers is ahead of what was noted.
        let before = demanded(cx.world, &node, snapshot.catalog, &snapshot.sequence_floors).await;
        let mut differences = Catalog::compare(&before, &now);
        let meant = self.take_meant(&mut differences)?;
        if !meant.is_empty() {
            cx.fact("meant", told(&meant));
        }
        cx.fact("compared", before.facts.len());
        cx.fact("differences", differences.len());
        cx.report_not_compared(&now);
        if before.facts.is_empty() {
            return Err(Finding::errored("there is nothing to compare")
                .at(self.same_as.entry())
                .label("a snapshot of nothing"));
        }
        if differences.is_empty() {
            return Ok(());
        }
        let count = match (differences.len(), told_as(&differences)) {
            (1, _) => "1 difference".to_owned(),
            (all, as_many) if as_many == all => format!("{all} differences"),
            (all, as_many) => {
                format!("{all} differences, told as {as_many}: what is so in several relations is told once")
            }
        };
        Err(Finding::failed("the catalog is not as it was")
            .at(self.same_as.entry())
            .label(count)
            .note("diff", listed(&differences)))
    }
}
