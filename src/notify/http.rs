//! A POST that is tried again where that may help.

use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The most that one try may take.
const ONE: Duration = Duration::from_secs(8);
/// The most that all tries and the pauses between them may take.
const ALL: Duration = Duration::from_secs(20);
/// How often it is tried.
const TRIES: u32 = 3;

/// What one try came to.
enum Try {
    Arrived,
    /// It may arrive later; how long to wait, if somebody says.
    Again(String, Option<Duration>),
    /// It never will.
    Never(String),
}

/// Posts a body to a URL, or nothing at all.
///
/// # Errors
/// Where nobody took it; in words that may hold secrets.
pub(super) fn post(url: &str, body: Option<&Value>) -> Result<(), String> {
    let agent = agent();
    let began = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let (why, wait) = match once(&agent, url, body) {
            Try::Arrived => return Ok(()),
            Try::Never(why) => return Err(why),
            Try::Again(why, wait) => (why, wait.unwrap_or(Duration::from_secs(1 << (tries - 1)))),
        };
        if tries == TRIES || began.elapsed().saturating_add(wait).saturating_add(ONE) > ALL {
            let times = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
            return Err(format!("{why} ({times} in {:.0} s)", began.elapsed().as_secs_f64()));
        }
        std::thread::sleep(wait);
    }
}

/// The certificates that this machine trusts (or SSL_CERT_FILE names) are believed, as by other
/// programs.
fn agent() -> Agent {
    let trusted: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
        .collect();
    let tls = match trusted.is_empty() {
        true => TlsConfig::default(),
        false => TlsConfig::builder().root_certs(RootCerts::new_with_certs(&trusted)).build(),
    };
    let config = Agent::config_builder()
        .timeout_global(Some(ONE))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .tls_config(tls)
        .user_agent(concat!("drillyard/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

fn once(agent: &Agent, url: &str, body: Option<&Value>) -> Try {
    let request = agent.post(url);
    let answered = match body {
        Some(body) => request.header("content-type", "application/json").send(body.to_string()),
        None => request.send_empty(),
    };
    let response = match answered {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    let status = response.status();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let wait = header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let code = status.as_u16();
    let said = || {
        let mut text = String::new();
        let mut reader = response.into_body().into_reader().take(200);
        let _ = reader.read_to_string(&mut text);
        let text: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
        if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
    };
    match code {
        200..=299 => Try::Arrived,
        300..=399 => Try::Never(format!("the server answered {code}, and sends elsewhere: give the URL that it means")),
        408 | 429 | 500..=599 => Try::Again(format!("the server answered {code}{}", said()), wait),
        _ => Try::Never(format!("the server answered {code}{}", said())),
    }
}

/// An error of a connection, in words without the URL.
fn failed(error: &ureq::Error) -> Try {
    match error {
        ureq::Error::Timeout(_) => Try::Again(format!("no answer within {} s", ONE.as_secs()), None),
        ureq::Error::HostNotFound => Try::Again("its host is not known".to_owned(), None),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Try::Never("it is not a URL".to_owned()),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => Try::Never(format!("its certificate is not trusted: {error}")),
        ureq::Error::Io(error) if error.to_string().contains("certificate") => {
            Try::Never(format!("its certificate is not trusted: {error}"))
        }
        error => Try::Again(error.to_string(), None),
    }
}
