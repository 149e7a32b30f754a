//! Who is told how a drill came out.

use crate::harness::Scope;
use crate::scenario::{NotifySpec, NotifyTo, is_web};
use crate::source::Spanned;

/// Who is told how a drill came out.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The people.
    pub people: Vec<NotifyTo>,
    /// The URL that is called if it passed.
    pub heartbeat: Option<String>,
}

impl Told {
    /// What must be in no output.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        self.people.iter().map(|to| to.url.clone()).chain(self.heartbeat.clone())
    }
}

/// Who is told; what is wrong with a line is told to `scope`.
pub(super) fn resolve(
    lines: Vec<Spanned<NotifySpec>>,
    heartbeat: Option<Spanned<String>>,
    scope: &mut Scope<'_>,
) -> Told {
    let mut people = vec![];
    for line in lines {
        match line.value.resolve(line.span) {
            Ok(to) => people.push(to),
            Err((span, wrong)) => {
                let help = "`- { slack: \"${secrets.slack}\", on: [failed, recovered] }`";
                scope.error_help(span, "nobody could be told so", wrong, help);
            }
        }
    }
    Told { people, heartbeat: heartbeat.and_then(|url| checked(url, scope)) }
}

fn checked(url: Spanned<String>, scope: &mut Scope<'_>) -> Option<String> {
    if is_web(&url.value) {
        return Some(url.value);
    }
    scope.error(url.span, "`heartbeat` is a URL", "it begins with `https://` or `http://`");
    None
}
