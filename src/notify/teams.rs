//! Teams: a workflow that is triggered by a webhook takes a message with an Adaptive Card
//! (learn.microsoft.com, "Create incoming webhooks with Workflows").

use serde_json::{Value, json};

use super::message::Message;
use crate::journal::Outcome;

/// The message as Teams takes it.
pub(super) fn body(message: &Message) -> Value {
    let color = match message.outcome {
        Outcome::Passed => "Good",
        Outcome::Failed => "Attention",
        Outcome::Errored | Outcome::Skipped => "Warning",
    };
    let text = |text: String| json!({ "type": "TextBlock", "text": text, "wrap": true });
    let mut body = vec![
        json!({ "type": "TextBlock", "text": message.title(), "wrap": true, "size": "Large", "weight": "Bolder", "color": color }),
    ];
    body.extend(message.lines().into_iter().map(text));
    body.push(
        json!({ "type": "TextBlock", "text": message.footer(), "wrap": true, "size": "Small", "isSubtle": true }),
    );
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
}
