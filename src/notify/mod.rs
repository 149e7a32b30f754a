//! Telling people how a run came out: in a chat, by mail, with a heartbeat.
//!
//! It never changes a verdict. What could not be delivered is told, and is exit code 6. URLs and
//! passwords are in no message and in no error. A channel is one file with a function that writes a
//! [`Message`] as that channel takes it, and a line in [`deliver`].

mod email;
mod http;
mod mattermost;
mod message;
mod parts;
mod slack;
mod teams;
mod webhook;

pub use message::{Last, Message, Which};

use self::parts::Parts;
use crate::journal::{Outcome, Redactor};
use crate::scenario::{Channel, NotifyTo, Occasion};

/// A message that did not arrive: to whom, and why, without a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{to} was not told: {why}")]
pub struct Undelivered {
    /// `slack (hooks.slack.com)`.
    pub to: String,
    /// What happened.
    pub why: String,
}

/// Whether somebody wants to hear of a message.
pub fn wants(to: &NotifyTo, message: &Message) -> bool {
    to.on.iter().any(|on| match on {
        Occasion::Failed => message.outcome != Outcome::Passed,
        Occasion::Recovered => message.has_recovered(),
        Occasion::Passed => message.outcome == Outcome::Passed,
    })
}

/// Delivers a message. Takes as long as it must: who calls it has a limit.
///
/// # Errors
/// Where it did not arrive, after all that is worth trying was tried.
pub fn deliver(to: &NotifyTo, message: &Message) -> Result<(), Undelivered> {
    let body = match to.channel {
        Channel::Slack => slack::body(message),
        Channel::Teams => teams::body(message),
        Channel::Mattermost => mattermost::body(message),
        Channel::Webhook => webhook::body(message),
        Channel::Email => {
            return email::send(to, message).map_err(|why| undelivered(to.channel.as_str(), &to.url, &why));
        }
    };
    http::post(&to.url, Some(&body)).map_err(|why| undelivered(to.channel.as_str(), &to.url, &why))
}

/// Calls a heartbeat's URL: for a run that passed, and for no other.
///
/// # Errors
/// Where nobody took it.
pub fn beat(url: &str) -> Result<(), Undelivered> {
    http::post(url, None).map_err(|why| undelivered("the heartbeat", url, &why))
}

/// What did not arrive, without the secrets that its URL holds.
fn undelivered(to: &str, url: &str, why: &str) -> Undelivered {
    let Parts { login, host, path } = Parts::of(url);
    // A path may come back in what the server says, in parts.
    let parts = path.split(['/', '?', '&', '=', '#']).filter(|part| part.len() >= 6);
    let login = login.unwrap_or_default().split(':');
    let secrets = parts.chain(login).filter(|part| !part.is_empty()).map(str::to_owned);
    let redactor =
        Redactor::of([url.to_owned(), path.to_owned()].into_iter().filter(|text| text.len() > 1).chain(secrets));
    Undelivered { to: format!("{to} ({host})"), why: redactor.text(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_arrive_is_told_without_its_secrets() {
        let url = "https://hooks.example.com/services/T0123456/verysecret?key=alsosecret";
        let told = undelivered("slack", url, "no_service for verysecret, alsosecret").to_string();
        assert_eq!(told, "slack (hooks.example.com) was not told: no_service for ***, ***");
        let told = undelivered("email", "smtp://me:secret@mail.example.com:25", "secret is wrong").to_string();
        assert_eq!(told, "email (mail.example.com:25) was not told: *** is wrong");
    }
}
