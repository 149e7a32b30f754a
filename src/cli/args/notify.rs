//! Whom a run tells how it came out, as arguments.

use crate::scenario::{Channel, NotifyTo, Occasion, is_web};
use crate::source::{choices, did_you_mean};

/// Whom a run tells.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Telling people")]
pub struct NotifyArgs {
    /// Tell how the run came out: slack=URL, teams=URL, mattermost=URL, webhook=URL, or
    /// email=smtp://HOST?from=A&to=B,C; the URL as env:NAME or file:PATH keeps it out of the list
    /// of processes
    #[arg(long, value_name = "KIND=URL", env = "DRILLYARD_NOTIFY", value_parser = kept, hide_env_values = true)]
    pub notify: Vec<Secret>,
    /// Of which runs
    #[arg(long, value_name = "failed,recovered,passed", env = "DRILLYARD_NOTIFY_ON", value_delimiter = ',', value_parser = when)]
    pub notify_on: Vec<Occasion>,
    /// Call this URL if the run passed, and only then; or env:NAME, file:PATH
    #[arg(long, value_name = "URL", env = "DRILLYARD_HEARTBEAT", value_parser = kept, hide_env_values = true)]
    pub heartbeat: Option<Secret>,
}

/// A text that is not shown.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl NotifyArgs {
    /// Checks what was given. The parser of arguments would show it.
    ///
    /// # Errors
    /// What is wrong, without a word of the URL.
    pub fn check(&self) -> Result<(), String> {
        for one in &self.notify {
            target(&one.0, vec![]).map_err(|wrong| format!("--notify: {wrong}"))?;
        }
        match self.heartbeat.as_ref().map(|url| url_of(&url.0)) {
            Some(Err(wrong)) => Err(format!("--heartbeat: {wrong}")),
            Some(Ok(url)) if !is_web(&url) => {
                Err("--heartbeat: it is a URL that begins with `https://` or `http://`".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whom it tells.
    pub fn targets(&self) -> Vec<NotifyTo> {
        let on = if self.notify_on.is_empty() { Occasion::ALL.to_vec() } else { self.notify_on.clone() };
        self.notify.iter().filter_map(|one| target(&one.0, on.clone()).ok()).collect()
    }

    /// What is called if the run passed.
    pub fn beat(&self) -> Option<String> {
        url_of(&self.heartbeat.as_ref()?.0).ok()
    }

    /// What must be in no output.
    pub fn secrets(&self) -> impl Iterator<Item = String> {
        self.targets().into_iter().map(|to| to.url).chain(self.beat())
    }
}

/// Takes everything: what is wrong with it is told later, without a word of it.
#[expect(clippy::unnecessary_wraps, reason = "a parser of arguments may fail")]
pub(super) fn kept(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret(text.to_owned()))
}

/// A URL, where it stands or where it is kept.
fn url_of(text: &str) -> Result<String, String> {
    if let Some(name) = text.strip_prefix("env:") {
        return std::env::var(name).map_err(|_| format!("the variable {name} is not set"));
    }
    if let Some(path) = text.strip_prefix("file:") {
        let read = std::fs::read_to_string(path).map(|text| text.trim().to_owned());
        return read.map_err(|error| format!("{path} cannot be read: {error}"));
    }
    Ok(text.to_owned())
}

fn target(text: &str, on: Vec<Occasion>) -> Result<NotifyTo, String> {
    let kinds = || choices(Channel::ALL.iter().map(|one| one.as_str()), "and");
    let (kind, url) = text.split_once('=').ok_or_else(|| format!("write KIND=URL; kinds are {}", kinds()))?;
    let Some(channel) = Channel::ALL.into_iter().find(|one| one.as_str() == kind) else {
        let near = did_you_mean(kind, Channel::ALL.iter().map(|one| one.as_str()));
        let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        return Err(format!("`{kind}` is no kind{near}; kinds are {}", kinds()));
    };
    let url = url_of(url)?;
    let (url, mail) = match channel {
        Channel::Email => {
            let (server, mail) = mail(&url);
            (server, Some(mail))
        }
        _ => (url, None),
    };
    NotifyTo::new(channel, &url, mail, on).map_err(str::to_owned)
}

/// The URL of a mail server, and who writes to whom.
fn mail(url: &str) -> (String, (String, Vec<String>)) {
    let (server, query) = url.split_once('?').unwrap_or((url, ""));
    let value = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let to = value("to").split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect();
    (server.to_owned(), (value("from"), to))
}

fn when(text: &str) -> Result<Occasion, String> {
    match text.trim() {
        "failed" => Ok(Occasion::Failed),
        "recovered" => Ok(Occasion::Recovered),
        "passed" => Ok(Occasion::Passed),
        _ => Err("write `failed`, `recovered` and `passed`".to_owned()),
    }
}
