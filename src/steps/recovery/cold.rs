//! What a server may use that is recovered cold.

use crate::harness::{NodeRef, RepoId, Scope};
use crate::repo::unusable;
use crate::source::{Span, Spanned, choices};
use crate::steps::recovery::until::ThenSpec;

/// Checks that a server which is recovered cold, if it is, needs nothing but the repo and its
/// secrets. `at` is where the step names backup or repo.
pub(crate) fn check(node: &NodeRef, repo: &RepoId, at: Span, then: &Spanned<ThenSpec>, scope: &mut Scope<'_>) {
    let Some(cold) = scope.cold.get(&node.id).cloned() else { return };
    let declared = (cold.span, "cold".to_owned());
    if let ThenSpec::Follow(upstream) = &then.value {
        let title = format!("`{node}` is cold: there is no server that it could follow");
        scope.error_related(upstream.span, title, "`then` is `promote`, `pause` or `shutdown`", declared.clone());
    }
    let Some(info) = scope.repo_info(repo).cloned() else { return };
    let beside = info.kind.beside;
    let allowed = if info.existing.is_some() { beside.existing } else { beside.own };
    for name in info.beside.iter().filter(|name| cold.secrets.iter().all(|(secret, _)| secret.value != **name)) {
        let title = format!("`{node}` is cold, and repo `{repo}` has no `{name}` in it");
        let label = format!("`secrets: {{ {name}: FILE }}` of `{node}` names one that is kept elsewhere");
        scope.error_related(at, title, label, declared.clone());
    }
    for (name, value) in &cold.secrets {
        if !allowed.contains(&name.value.as_str()) {
            let title = format!("a repo of kind `{}` takes no secret `{}`", info.kind.name, name.value);
            let help = match allowed {
                [] => "what lies in it is all that a recovery needs".to_owned(),
                _ => format!("it takes {}", choices(allowed.iter().copied(), "and")),
            };
            scope.error_help(name.span, title, "what is it for?", help);
        } else if name.value == "config"
            && let Some(why) = unusable(value, false)
        {
            scope.error(name.span, "this path cannot be used", why);
        }
    }
}
