//! What people are told of a drill that says nothing itself: symptoms and limits, never the cause.

use std::time::Duration;

use super::score::shown;
use crate::plan::{PeoplesPart, Plan};

/// The brief of a drill without one.
pub(super) fn brief(plan: &Plan, part: &PeoplesPart, limit: Duration, sealed: bool) -> String {
    let mut text = match sealed {
        true => "You run these servers. Users are at work. Sooner or later something will happen: find out \
                 what, and bring the service back."
            .to_owned(),
        false if part.incident.is_none() => {
            format!("You run these servers. Nothing is wrong, and nothing will be: this is practice.\n\n{}", plan.about)
        }
        false => "You run these servers. Users are at work, and something is about to happen. Bring the service \
                 back."
            .to_owned(),
    };
    text.push_str("\n\n");
    let of_loss = plan.rpo.as_ref().is_some_and(|rpo| rpo.max_lost.is_some() || rpo.max_time.is_some());
    if sealed || !of_loss {
        text.push_str("- Nothing that a user was told is stored may be lost.\n");
    }
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
    if let Some(max) = plan.rpo.as_ref().and_then(|rpo| rpo.max_time) {
        text.push_str(&format!("- At most {} of acknowledged work may be missing.\n", shown(max)));
    }
    if let Some(max) = plan.rpo.as_ref().and_then(|rpo| rpo.max_lost) {
        text.push_str(&match max {
            0 => "- No acknowledged transaction may be missing.\n".to_owned(),
            max => format!("- At most {max} acknowledged transactions may be missing.\n"),
        });
    }
    text
}
