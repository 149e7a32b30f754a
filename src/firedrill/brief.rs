//! What people are told of a drill that says nothing itself: symptoms and limits, never the cause.

use std::time::Duration;

use super::score::shown;
use crate::plan::Plan;

/// The brief of a drill without one. `about` is what the drill says of itself, unless that is not
/// to be known.
pub(super) fn brief(plan: &Plan, limit: Duration, sealed: bool) -> String {
    let mut text = match sealed {
        true => "You run these servers. Users are at work. Sooner or later something will happen: find out \
                 what, and bring the service back."
            .to_owned(),
        false => "You run these servers. Users are at work, and something is about to happen. Bring the service \
                 back."
            .to_owned(),
    };
    text.push_str("\n\n- Nothing that a user was told is stored may be lost.\n");
    if !sealed {
        text.push_str(&limits(plan));
    }
    text.push_str(&format!(
        "- You have {}. Whatever you would do in earnest is allowed; say `drillyard done` when you are done.\n",
        shown(limit)
    ));
    text
}

/// What the drill's own budgets ask for, a line each.
pub(super) fn limits(plan: &Plan) -> String {
    let mut text = String::new();
    if let Some(rto) = &plan.rto {
        text.push_str(&format!("- The service has to be back within {}.\n", shown(rto.max)));
    }
    if let Some(max) = plan.rpo.as_ref().and_then(|rpo| rpo.max_lost) {
        text.push_str(&match max {
            0 => "- No acknowledged transaction may be missing.\n".to_owned(),
            max => format!("- At most {max} acknowledged transactions may be missing.\n"),
        });
    }
    text
}
