//! Whom a drill tells how it came out.

use crate::harness::Scope;
use crate::scenario::{NotifySpec, NotifyTo};
use crate::source::Spanned;

/// Whom it tells; what is wrong with a line is told to `scope`.
pub(super) fn resolve(lines: Vec<Spanned<NotifySpec>>, scope: &mut Scope<'_>) -> Vec<NotifyTo> {
    let mut all = vec![];
    for line in lines {
        match line.value.resolve(line.span) {
            Ok(to) => all.push(to),
            Err((span, wrong)) => {
                let help = "`- { slack: \"${secrets.slack}\", on: [failed, recovered] }`";
                scope.error_help(span, "nobody could be told so", wrong, help);
            }
        }
    }
    all
}

/// The URL that is called if the drill passed.
pub(super) fn heartbeat(url: Spanned<String>, scope: &mut Scope<'_>) -> Option<String> {
    if url.value.starts_with("https://") || url.value.starts_with("http://") {
        return Some(url.value);
    }
    scope.error(url.span, "`heartbeat` is a URL", "it begins with `https://` or `http://`");
    None
}
