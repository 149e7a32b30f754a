//! Mattermost: an incoming webhook takes a message attachment (developers.mattermost.com, "Message
//! attachments").

use serde_json::{Value, json};

use super::message::Message;

/// The message as Mattermost takes it.
pub(super) fn body(message: &Message) -> Value {
    let title = message.title();
    let lines = message.lines().iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n");
    json!({
        "attachments": [{
            "fallback": title,
            "color": message.color(),
            "title": title,
            "text": lines,
            "footer": message.footer(),
        }],
    })
}
