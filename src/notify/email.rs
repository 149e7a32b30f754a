//! Mail, by SMTP.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};

use super::message::Message;
use super::parts::Parts;
use crate::scenario::NotifyTo;

/// The most that a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a message.
///
/// # Errors
/// Where the server does not take it; in words that may hold secrets.
pub(super) fn send(to: &NotifyTo, message: &Message) -> Result<(), String> {
    let Some((from, recipients)) = &to.mail else { return Err("nobody is named as its recipient".to_owned()) };
    let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|error| format!("`{text}` is no address: {error}"));
    let mut mail = lettre::Message::builder().from(mailbox(from)?).subject(format!("drillyard: {}", message.title()));
    for recipient in recipients {
        mail = mail.to(mailbox(recipient)?);
    }
    let mut text = format!("{}\n\n", message.title());
    for line in message.lines() {
        text.push_str(&format!("- {line}\n"));
    }
    for again in message.drills.iter().filter(|one| one.why.is_some()).filter_map(|one| one.again.as_ref()) {
        text.push_str(&format!("\nagain: {again}\n"));
    }
    text.push_str(&format!("\n{}\n", message.footer()));
    let mail = mail.body(text).map_err(|error| error.to_string())?;
    transport(&to.url)?.send(&mail).map(drop).map_err(|error| words(&error))
}

/// `smtps://` begins with TLS; `smtp://` goes over to it if the server offers that, and has to if
/// there is a login, or `?tls=required`.
fn transport(url: &str) -> Result<SmtpTransport, String> {
    let builder = SmtpTransport::from_url(url).map_err(|error| words(&error))?;
    let builder = match url.starts_with("smtp://") {
        true => {
            let Parts { login, host, .. } = Parts::of(url);
            let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name);
            let tls = TlsParameters::new(name.to_owned()).map_err(|error| words(&error))?;
            match login.is_some() || url.contains("tls=required") {
                true => builder.tls(Tls::Required(tls)),
                false => builder.tls(Tls::Opportunistic(tls)),
            }
        }
        false => builder,
    };
    Ok(builder.timeout(Some(PATIENCE)).build())
}

/// An error and what it came from.
fn words(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(&format!(": {cause_text}"));
        }
        source = cause.source();
    }
    text
}
