//! `assert_traffic`

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Checks, Context, Effects, Finding, Judged, NodeField, NodeRef, Output, Resolved, Role, Scope, Step, StepId,
    StepKind, StepRef, StepResult, Users, World, if_given,
};
use crate::journal::Event;
use crate::ledger::{CheckScope, KindVerdict, Sample, Verdict};
use crate::source::{Span, Spanned, StepName};
use crate::steps::judgement::loss_notes::{Origin, are, lost_work, short, tell, tell_unexpected, thousands};
use crate::traffic::check;

/// Checks whether every acknowledged commit is there, exactly once.
///
/// ```yaml
/// - assert_traffic: { traffic: users, node: master, lost: 0, duplicated: 0 }
/// - assert_traffic: { traffic: users, node: rescue, before: accident }
/// ```
///
/// The users' ledger is compared with the rows of a node, all tables in one snapshot. It may find
/// transactions that are
///
/// - *lost*: acknowledged, looked for, and not there;
/// - *partial*: of several rows or tables one has it and another does not, acknowledged or in
///   doubt;
/// - *duplicated*: there more than once;
/// - *rejected but present*: the server had refused them;
/// - *unexpected*: rows numbered as those of these users, who never wrote them there.
///
/// `lost` and `duplicated` are how many there may be, 0 by default; of the others there may be
/// none. A transaction in doubt may be there or not. `before` checks only what was acknowledged
/// before that mark. What each transaction leaves behind, and what cannot be seen from it, is in
/// `drillyard explain traffic`.
///
/// It passes if there are no more than that. Each finding is reported with its number, the first
/// and the last, their times, their distance from the nearest mark, and the side of the recovery
/// target on which they are: what comes after the target was given up on purpose. The loss is
/// reported as a time, too: from the first lost acknowledgement to the incident after it, or to the
/// last one. A transaction without a `ledger` cannot be looked for: it is *not checked*, and never
/// counted as kept. The report says how many were acknowledged, checked, not checked and lost; one
/// that wrote nothing (a SELECT, `UPDATE 0`) has nothing to lose. An assertion over zero
/// transactions fails unless it says `allow_empty: true`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertTrafficSpec {
    /// The id of a traffic step.
    traffic: StepName,
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// How many may be lost.
    #[serde(default)]
    lost: Option<Spanned<u64>>,
    /// How many may be there more than once.
    #[serde(default)]
    duplicated: Option<Spanned<u64>>,
    /// Only what was acknowledged before this mark.
    #[serde(default)]
    before: Option<StepName>,
    /// Allows zero transactions.
    #[serde(default)]
    allow_empty: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertTraffic {
    /// The traffic step.
    traffic: StepRef,
    /// The server.
    node: NodeRef,
    /// How many may be lost.
    lost: Option<Spanned<u64>>,
    /// How many may be there more than once.
    duplicated: Option<Spanned<u64>>,
    /// Only what was acknowledged before this mark.
    before: Option<StepRef>,
    /// Allows zero transactions.
    allow_empty: bool,
}

impl StepKind for AssertTrafficSpec {
    type Step = AssertTraffic;

    const NAME: &'static str = "assert_traffic";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "acknowledged checked not_checked lost duplicated unexpected resurrected halves in_doubt_present \
        in_doubt_absent in_doubt_hidden wrote_nothing without_ledger unresolved lost_work_ms \
        lost_before_target lost_at_target lost_after_target";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertTraffic> {
        let traffic = scope.step_with(&self.traffic, &[Output::Traffic]);
        let node = scope.node(&self.node);
        scope.asserted.insert(StepId::from(&self.traffic.value));
        let before = if_given(self.before.as_ref(), |mark| scope.mark(mark));
        Some(AssertTraffic {
            traffic: traffic?,
            node: node?,
            lost: self.lost,
            duplicated: self.duplicated,
            before: before?,
            allow_empty: self.allow_empty,
        })
    }
}

#[async_trait(?Send)]
impl Step for AssertTraffic {
    fn title(&self) -> String {
        let before = self.before.as_ref().map(|mark| format!(" before {mark}")).unwrap_or_default();
        let lost = match self.lost.as_ref().map_or(0, |lost| lost.value) {
            0 => "nothing lost".to_owned(),
            most => format!("at most {most} lost"),
        };
        format!("{lost} of {}{before} on {}", self.traffic, self.node)
    }

    fn effects(&self) -> Effects {
        Effects::reads().checks(Checks::Traffic { traffic: self.traffic.id.clone(), node: self.node.id.clone() })
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let users = cx.world.users(&self.traffic)?;
        let node = cx.world.node(&self.node)?;
        let before = self.before.as_ref().map(|mark| cx.world.mark(mark)).transpose()?;
        let client = cx.client_in(&node, users.database.as_ref()).await?;
        let origin = Origin::find(cx, self.node.as_str());
        let target = origin.as_ref().and_then(|origin| origin.target);
        let ledger = users.pool.ledger();
        cx.wait("the comparison of ledger and rows");
        let scope = CheckScope { before: before.map(|mark| mark.before.seen), target };
        let verdict = check(&ledger, &users.pool.lookups(), &client, scope).await;
        let verdict =
            verdict.map_err(|e| Finding::failed("the rows cannot be compared with the ledger").label(e.to_string()))?;
        let lost_work_ms = lost_work_ms(cx.world, &verdict);
        let judged = Judged::new(&self.node, scope, ledger.acknowledged(), &verdict, lost_work_ms);
        self.report(cx, &verdict, &judged);
        users.keep(judged);
        let count = users.count(self.traffic.as_str());
        cx.world.journal.write(Event::TrafficFinished { drill: cx.world.drill, count });
        self.judge(cx, &verdict, origin.as_ref(), lost_work_ms)
    }
}

fn lost_work_ms(world: &World, verdict: &Verdict) -> u64 {
    u64::try_from(lost_work(world, verdict).as_millis()).unwrap_or(0)
}

/// Looks once more for users' transactions, where the last assertion that looked for all of them
/// did, if any were acknowledged since: for a budget of loss, which is about all of them. False if
/// the rows cannot be read.
pub async fn look_again(world: &World, users: &Users) -> bool {
    let Some(last) = users.measured() else { return true };
    let ledger = users.pool.ledger();
    // A server to which no user goes has what it had then.
    if ledger.acknowledged() <= last.acknowledged || !users.nodes.contains(&last.node) {
        return true;
    }
    let Ok(node) = world.node(&last.node) else { return false };
    let Ok(client) = node.client_of(users.database.as_ref().map(|database| database.as_str())).await else {
        return false;
    };
    let Ok(verdict) = check(&ledger, &users.pool.lookups(), &client, last.scope).await else { return false };
    let lost_work_ms = lost_work_ms(world, &verdict);
    users.keep(Judged::new(&last.node, last.scope, ledger.acknowledged(), &verdict, lost_work_ms));
    true
}

/// One sort of what may not be.
struct Sort<'a> {
    title: &'static str,
    /// The field that allows some.
    span: Option<Span>,
    label: String,
    /// What it is called where it is not the first.
    whose: &'static str,
    /// None for rows that nobody wrote.
    sample: Option<&'a Sample>,
}

impl AssertTraffic {
    fn report(&self, cx: &mut Context<'_>, verdict: &Verdict, judged: &Judged) {
        let (total, acknowledged) = (verdict.total, judged.acknowledged);
        for (name, value) in [
            ("acknowledged", acknowledged),
            ("checked", total.checked),
            ("not_checked", judged.not_checked(acknowledged)),
        ] {
            cx.fact(name, value);
        }
        // Of what was not looked for, nobody knows.
        if total.checked > 0 {
            cx.fact("lost", total.lost);
        }
        for (name, value) in [
            ("duplicated", total.duplicated),
            ("unexpected", total.unexpected),
            ("resurrected", total.rejected_present),
            ("halves", total.partial),
            ("in_doubt_present", total.in_doubt_present),
            ("in_doubt_absent", total.in_doubt_absent),
        ] {
            cx.fact(name, value);
        }
        // What is rarely met is told where it is.
        for (name, value) in [
            ("in_doubt_hidden", total.in_doubt_hidden),
            ("wrote_nothing", total.wrote_nothing),
            ("without_ledger", total.without_ledger),
            ("unresolved", total.unresolved),
        ] {
            if value > 0 {
                cx.fact(name, value);
            }
        }
        if verdict.lost_between.is_some() {
            cx.fact("lost_work_ms", judged.lost_work_ms);
        }
        if let Some(sides) = verdict.lost.sides.filter(|_| total.lost > 0) {
            cx.fact("lost_before_target", sides.before + sides.since);
            cx.fact("lost_at_target", sides.at);
            cx.fact("lost_after_target", sides.after);
        }
    }

    fn judge(&self, cx: &Context<'_>, verdict: &Verdict, origin: Option<&Origin>, lost_work_ms: u64) -> StepResult {
        let finding = if verdict.total.unresolved > 0 {
            self.unresolved(verdict)
        } else if verdict.total.checked == 0 && !self.allow_empty {
            self.nothing_checked(verdict)
        } else if let Some(finding) = self.violation(cx, verdict, origin, lost_work_ms) {
            finding
        } else if verdict.unread > 0 {
            self.unread(verdict)
        } else {
            return Ok(());
        };
        Err(with_notes(finding, verdict))
    }

    /// Nothing can be said of transactions that leave no trace of themselves.
    fn unresolved(&self, verdict: &Verdict) -> Box<Finding> {
        let kinds = verdict.kinds.iter().filter(|kind| kind.tally.unresolved > 0);
        let kinds: Vec<String> = kinds.map(|kind| format!("`{}`", kind.kind)).collect();
        let label = format!("none of {} was found, not even right after its commit", kinds.join(", "));
        let finding = Finding::errored("transactions cannot be found by their ledger").at(self.traffic.entry());
        let help = "the ledger's columns must hold `$client` and `$seq` themselves: look at what the INSERT, a trigger or a generated \
                    column writes there";
        finding.label(label).help(help)
    }

    fn nothing_checked(&self, verdict: &Verdict) -> Box<Finding> {
        let label = match (verdict.total.without_ledger, verdict.total.wrote_nothing) {
            (0, 0) => "no transaction was acknowledged".to_owned(),
            (some, 0) => format!("{} acknowledged, and none of them has a `ledger`", thousands(some)),
            (_, some) => format!("{} acknowledged, and none of them wrote a row", thousands(some)),
        };
        let finding = Finding::failed("an assertion over zero transactions proves nothing").at(self.traffic.entry());
        finding.label(label).help("if that is really what is right, say `allow_empty: true`")
    }

    /// What was written over could not be read before: whether it was lost cannot be said.
    fn unread(&self, verdict: &Verdict) -> Box<Finding> {
        let label = format!("{} wrote over rows that could not be read just before", thousands(verdict.unread));
        let finding = Finding::errored("a loss could not have been seen").at(self.traffic.entry()).label(label);
        finding.help("may the users' role SELECT from the tables of their `ledger`?")
    }

    /// All that may not be, in one finding. None if there is nothing of the kind.
    fn violation(
        &self,
        cx: &Context<'_>,
        verdict: &Verdict,
        origin: Option<&Origin>,
        lost_work_ms: u64,
    ) -> Option<Box<Finding>> {
        let sorts = self.sorts(verdict);
        let worst = sorts.first()?;
        let mut finding = Finding::failed(worst.title).at(worst.span).label(&worst.label);
        for (at, sort) in sorts.iter().enumerate() {
            let whose = if at == 0 { "" } else { sort.whose };
            if at > 0 {
                finding = finding.note("and", &sort.label);
            }
            finding = match sort.sample {
                Some(sample) => tell(cx, origin, finding, whose, sample),
                None => tell_unexpected(finding, whose, &verdict.unexpected),
            };
        }
        finding =
            verdict.kinds.iter().filter_map(duplicates_hint).fold(finding, |finding, hint| finding.note("hint", hint));
        if lost_work_ms > 0 {
            let work = short(SignedDuration::from_millis(i64::try_from(lost_work_ms).unwrap_or(i64::MAX)));
            finding = finding.note(
                "time",
                format!(
                    "{work} of acknowledged work, from the first lost to the incident after it or to the last lost"
                ),
            );
        }
        Some(match origin {
            Some(origin) => origin.tell(finding, verdict.lost.sides),
            None => finding,
        })
    }

    /// All that may not be, the worst first.
    fn sorts<'a>(&self, verdict: &'a Verdict) -> Vec<Sort<'a>> {
        let total = verdict.total;
        let of = format!("of {} acknowledged commits", thousands(total.checked));
        let most = |field: &Option<Spanned<u64>>| field.as_ref().map_or(0, |most| most.value);
        let span = |field: &Option<Spanned<u64>>| field.as_ref().map(|most| most.entry).or(self.traffic.entry());
        let mut sorts = vec![];
        if total.lost > most(&self.lost) {
            sorts.push(Sort {
                title: "acknowledged commits are missing",
                span: span(&self.lost),
                label: format!("{} {of} {} gone", thousands(total.lost), are(total.lost)),
                whose: " lost",
                sample: Some(&verdict.lost),
            });
        }
        if total.partial > 0 {
            sorts.push(Sort {
                title: "transactions are partial",
                span: self.traffic.entry(),
                label: format!(
                    "{} {} partial: of several rows or tables one has it and another does not",
                    thousands(total.partial),
                    are(total.partial)
                ),
                whose: " partial",
                sample: Some(&verdict.partial),
            });
        }
        if total.duplicated > most(&self.duplicated) {
            sorts.push(Sort {
                title: "commits are there more than once",
                span: span(&self.duplicated),
                label: format!("{} {of} {} there more than once", thousands(total.duplicated), are(total.duplicated)),
                whose: " duplicate",
                sample: Some(&verdict.duplicated),
            });
        }
        if total.rejected_present > 0 {
            let (count, are) = (thousands(total.rejected_present), are(total.rejected_present));
            sorts.push(Sort {
                title: "rejected transactions are present",
                span: self.traffic.entry(),
                label: format!("{count} that the server rejected {are} present all the same"),
                whose: " rejected but present",
                sample: Some(&verdict.rejected_present),
            });
        }
        if total.unexpected > 0 {
            let rows = if total.unexpected == 1 { "row is" } else { "rows are" };
            let count = thousands(total.unexpected);
            sorts.push(Sort {
                title: "there are rows that nobody wrote",
                span: self.traffic.entry(),
                label: format!("{count} {rows} numbered as one of these users would, who never tried them"),
                whose: " unexpected",
                sample: None,
            });
        }
        sorts
    }
}

/// Why all transactions of a kind may be there more than once: they may write several rows.
fn duplicates_hint(verdict: &KindVerdict) -> Option<String> {
    let KindVerdict { kind, most_rows, tally } = verdict;
    if tally.duplicated <= 1 || tally.duplicated < tally.checked {
        return None;
    }
    let rows = if *most_rows > 1 { most_rows.to_string() } else { "several".to_owned() };
    let said = if *most_rows > 1 { format!("`rows: {most_rows}`") } else { "how many as `rows`".to_owned() };
    Some(format!(
        "every `{kind}` has {rows} rows with its mark, so the transaction itself seems to write them: if it is meant to, say {said} in its `ledger`"
    ))
}

/// Adds what the comparison noted on its way.
fn with_notes(finding: Box<Finding>, verdict: &Verdict) -> Box<Finding> {
    let finding = verdict.notes.iter().fold(finding, |finding, note| finding.note("note", note));
    match verdict.total.without_ledger {
        some @ 1.. if verdict.total.checked > 0 => {
            finding.note("not checked", format!("{} acknowledged transactions without a `ledger`", thousands(some)))
        }
        _ => finding,
    }
}
