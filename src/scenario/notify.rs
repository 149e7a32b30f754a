//! Whom a scenario tells how it came out.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::{Span, Spanned};

/// Where news of a run go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Teams, "when a webhook request is received".
    Teams,
    /// An incoming webhook of Mattermost.
    Mattermost,
    /// Any program that takes JSON.
    Webhook,
    /// Mail.
    Email,
}

impl Channel {
    /// All of them.
    pub const ALL: [Channel; 5] =
        [Channel::Slack, Channel::Teams, Channel::Mattermost, Channel::Webhook, Channel::Email];

    /// As scenarios and arguments write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Slack => "slack",
            Channel::Teams => "teams",
            Channel::Mattermost => "mattermost",
            Channel::Webhook => "webhook",
            Channel::Email => "email",
        }
    }
}

/// Of which runs somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// What failed, and what could not be judged.
    Failed,
    /// What passed, and had not the last time.
    Recovered,
    /// What passed.
    Passed,
}

impl Occasion {
    /// All of them: what is told of if nobody says.
    pub const ALL: [Occasion; 3] = [Occasion::Failed, Occasion::Recovered, Occasion::Passed];
}

/// Whether a text is the URL of something that takes a POST.
pub fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// Somebody who is told how a drill came out. The place may hold a password, or be one.
#[derive(Clone, PartialEq, Eq)]
pub struct NotifyTo {
    /// By which way.
    pub channel: Channel,
    /// The URL of a webhook, or that of a mail server.
    pub url: String,
    /// For mail: who writes, and to whom.
    pub mail: Option<(String, Vec<String>)>,
    /// Of which runs.
    pub on: Vec<Occasion>,
}

impl std::fmt::Debug for NotifyTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotifyTo").field("channel", &self.channel).field("on", &self.on).finish_non_exhaustive()
    }
}

impl NotifyTo {
    /// Whom a URL and, for mail, addresses stand for.
    ///
    /// # Errors
    /// What is wrong with them, without a word of them: they may be secrets.
    pub fn new(
        channel: Channel,
        url: &str,
        mail: Option<(String, Vec<String>)>,
        on: Vec<Occasion>,
    ) -> Result<Self, &'static str> {
        let schemes: &[&str] = match channel {
            Channel::Email => &["smtp://", "smtps://"],
            _ => &["http://", "https://"],
        };
        let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/') || rest.contains(char::is_whitespace)) {
            return Err(match channel {
                Channel::Email => "a mail server is given as `smtp://HOST:PORT` or `smtps://USER:PASSWORD@HOST`",
                _ => "a webhook is a URL that begins with `https://` or `http://`",
            });
        }
        let hides_login = |rest: &str| rest.find(['/', '?', '#']).is_some_and(|at| rest[at..].contains('@'));
        if channel == Channel::Email && rest.is_some_and(hides_login) {
            return Err("in the login of a mail server `/`, `?`, `#`, `@` and `%` are percent-encoded");
        }
        let is_address = |text: &String| text.contains('@') && !text.contains(['\n', '\r']);
        match &mail {
            Some((from, to)) if !is_address(from) || to.is_empty() || !to.iter().all(is_address) => {
                Err("mail needs `from` and `to`, as in `ops@example.com`")
            }
            None if channel == Channel::Email => Err("mail needs `from` and `to`, as in `ops@example.com`"),
            _ => Ok(NotifyTo { channel, url: url.to_owned(), mail, on }),
        }
    }
}

/// Whom one line of `notify` tells: one of the channels, and of which runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifySpec {
    /// The URL of an incoming webhook of Slack. It is kept out of everything that is written.
    #[serde(default)]
    slack: Option<Spanned<String>>,
    /// The URL of a workflow of Teams.
    #[serde(default)]
    teams: Option<Spanned<String>>,
    /// The URL of an incoming webhook of Mattermost.
    #[serde(default)]
    mattermost: Option<Spanned<String>>,
    /// A URL that takes JSON.
    #[serde(default)]
    webhook: Option<Spanned<String>>,
    /// Mail.
    #[serde(default)]
    email: Option<Spanned<MailSpec>>,
    /// Of which runs: `failed` (with those that could not be judged), `recovered`, `passed`;
    /// default: all.
    #[serde(default)]
    on: Option<Vec<Occasion>>,
}

/// Mail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MailSpec {
    /// The mail server: `smtp://HOST:PORT` (with STARTTLS if the server offers it), or
    /// `smtps://USER:PASSWORD@HOST`.
    smtp: String,
    /// Who writes.
    from: String,
    /// To whom.
    to: Vec<String>,
}

impl NotifySpec {
    /// Whom it tells; else where it is wrong, and how.
    pub(crate) fn resolve(self, entry: Span) -> Result<NotifyTo, (Span, &'static str)> {
        let hooks = [
            (Channel::Slack, self.slack),
            (Channel::Teams, self.teams),
            (Channel::Mattermost, self.mattermost),
            (Channel::Webhook, self.webhook),
        ];
        let hooks = hooks.into_iter().filter_map(|(channel, url)| Some((channel, url?)));
        let mut ways: Vec<_> = hooks.map(|(channel, url)| (channel, url.span, url.value, None)).collect();
        if let Some(mail) = self.email {
            let addresses = Some((mail.value.from, mail.value.to));
            ways.push((Channel::Email, mail.span, mail.value.smtp, addresses));
        }
        match (ways.pop(), ways.len()) {
            (Some((channel, span, url, mail)), 0) => {
                let on = self.on.filter(|on| !on.is_empty()).unwrap_or_else(|| Occasion::ALL.to_vec());
                NotifyTo::new(channel, &url, mail, on).map_err(|wrong| (span, wrong))
            }
            _ => Err((entry, "one of `slack`, `teams`, `mattermost`, `webhook` and `email` belongs here")),
        }
    }
}
