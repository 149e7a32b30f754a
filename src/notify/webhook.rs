//! Any program that takes JSON.

use serde_json::{Value, json};

use super::message::{DrillNews, Message};

/// The message as JSON: `docs/reports.md` has the fields.
pub(super) fn body(message: &Message) -> Value {
    let drill = |drill: &DrillNews| {
        json!({
            "name": drill.name,
            "postgres": drill.postgres,
            "outcome": drill.outcome.as_str(),
            "duration_ms": drill.duration_ms,
            "rto_ms": drill.rto.map(|(measured, _)| measured),
            "rto_limit_ms": drill.rto.and_then(|(_, limit)| limit),
            "message": drill.why,
            "again": drill.again,
            "last": drill.last.map(|last| json!({
                "outcome": last.outcome.as_str(),
                "duration_ms": last.duration_ms,
                "rto_ms": last.rto_ms,
            })),
        })
    };
    json!({
        "drillyard": env!("CARGO_PKG_VERSION"),
        "run": message.run,
        "host": message.host,
        "started": message.started.map(|at| at.to_string()),
        "duration_ms": message.duration_ms,
        "outcome": message.outcome.as_str(),
        "recovered": message.has_recovered(),
        "text": message.title(),
        "drills": message.drills.iter().map(drill).collect::<Vec<_>>(),
        "warnings": message.warnings,
        "reports": message.reports,
    })
}
