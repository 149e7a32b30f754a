//! Slack: an incoming webhook takes Block Kit (docs.slack.dev, "Sending messages using incoming
//! webhooks"). Blocks have no colour; those of an attachment do.

use serde_json::{Value, json};

use super::message::Message;
use crate::journal::Outcome;

/// The most that a section's text may have (docs.slack.dev, "Section block").
const SECTION: usize = 3000;

/// The message as Slack takes it.
pub(super) fn body(message: &Message) -> Value {
    let title = message.title();
    let mut blocks =
        vec![json!({ "type": "header", "text": { "type": "plain_text", "text": cut(&title, 150), "emoji": false } })];
    let lines = message.lines().iter().map(|line| format!("• {}", escape(line))).collect::<Vec<_>>().join("\n");
    if !lines.is_empty() {
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(&lines, SECTION) } }));
    }
    let again: Vec<String> = message.drills.iter().filter_map(|drill| drill.again.clone()).collect();
    if let (Some(again), true) = (again.first(), message.outcome != Outcome::Passed) {
        let text = format!("`{}`", escape(&again.replace('`', "'")));
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(&text, SECTION) } }));
    }
    blocks.push(
        json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": cut(&escape(&message.footer()), 2000) }] }),
    );
    json!({ "text": title, "attachments": [{ "color": message.color(), "fallback": title, "blocks": blocks }] })
}

/// Text in which nothing is a link or a mention (docs.slack.dev, "Formatting message text").
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
