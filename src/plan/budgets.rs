//! The budgets of a scenario, looked up.

use super::{LossOf, RpoBudget, RtoBudget};
use crate::harness::{Output, Scope, StepId};
use crate::scenario::{Budgets, Rpo, Rto};
use crate::source::{Name, Spanned, did_you_mean};

/// Those that a scenario has.
pub(super) fn resolve(budgets: Budgets, scope: &mut Scope<'_>) -> (Option<RtoBudget>, Option<RpoBudget>) {
    let rto = budgets.rto.and_then(|budget| rto(budget, scope));
    let rpo = budgets.rpo.and_then(|budget| rpo(budget, scope));
    warn_of_unchecked(rpo.as_ref(), scope);
    (rto, rpo)
}

/// The budget of time.
fn rto(rto: Spanned<Rto>, scope: &mut Scope<'_>) -> Option<RtoBudget> {
    let (from, to) = (step_index(scope, &rto.value.from), step_index(scope, &rto.value.to));
    let (from, to) = (from?, to?);
    if from > to {
        let title = "a budget of time runs from an earlier step to a later one";
        let label = format!("`{}` comes before `{}`", rto.value.to.value, rto.value.from.value);
        scope.error(rto.value.to.span, title, label);
    }
    Some(RtoBudget { from, to, max: rto.value.max.value.0, of_last: rto.value.of_last, span: rto.entry })
}

/// The budget of loss.
fn rpo(rpo: Spanned<Rpo>, scope: &mut Scope<'_>) -> Option<RpoBudget> {
    let traffic = scope.step_with(&rpo.value.traffic, &[Output::Traffic])?.id;
    let (max_lost, max_time) = (rpo.value.max_lost.as_ref(), rpo.value.max_time.as_ref());
    if max_lost.is_none() && max_time.is_none() {
        let help = "write `max_lost: 0`, `max_time: 5s`, or both";
        scope.error_help(rpo.entry, "a budget of loss needs a limit", "how much may be lost?", help);
    }
    let (max_lost, max_time) = (max_lost.map(|max| max.value), max_time.map(|max| max.value.0));
    let of = rpo.value.of.map(|of| of.value).unwrap_or_default();
    Some(RpoBudget { traffic, max_lost, max_time, of, span: rpo.entry })
}

/// The transactions that nobody can look for are warned of if an assertion or this budget is about
/// them.
fn warn_of_unchecked(rpo: Option<&RpoBudget>, scope: &mut Scope<'_>) {
    let whole = rpo.filter(|rpo| rpo.of == LossOf::Acknowledged);
    scope.warn_of_unchecked(whole.map(|rpo| &rpo.traffic));
}

/// The index of the step with this id, for budgets.
fn step_index(scope: &mut Scope<'_>, name: &Spanned<Name>) -> Option<usize> {
    if !scope.ids.contains_key(name.as_str()) {
        if scope.more_ids {
            return None;
        }
        let label = match did_you_mean(name.as_str(), scope.ids.keys().map(StepId::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no step has this id".to_owned(),
        };
        scope.error(name.span, format!("unknown step `{}`", name.value), label);
        return None;
    }
    let step = scope.any_step(name)?;
    scope.step_info(&step).map(|info| info.index)
}
