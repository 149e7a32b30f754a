//! Evidence, as arguments: where a run's goes, and what is done with it later.

use std::path::PathBuf;

use clap::Subcommand;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::evidence::PageFormat;

/// Where a run's evidence goes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Evidence")]
pub struct EvidenceArgs {
    /// Append a signed statement of the run to FILE, which ends in .intoto.jsonl by custom
    #[arg(long, value_name = "FILE", env = "DRILLYARD_EVIDENCE", requires = "evidence_key")]
    pub evidence: Option<PathBuf>,
    /// The private key that signs it: ed25519, as a PEM file that only its owner can read
    #[arg(long, value_name = "KEY.pem", env = "DRILLYARD_EVIDENCE_KEY")]
    pub evidence_key: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
pub enum EvidenceCommand {
    /// Verify that statements are as they were signed, and that none is missing
    Verify(EvidenceVerifyArgs),
    /// Print a page on the drills of a time, for readers who do not know drillyard
    Report(EvidenceReportArgs),
}

#[derive(Debug, Clone, clap::Args)]
pub struct EvidenceVerifyArgs {
    /// The file of statements
    pub file: PathBuf,
    /// The public key, as a PEM file
    #[arg(long, value_name = "PUB.pem", env = "DRILLYARD_KEY")]
    pub key: PathBuf,
    /// A digest that was written down earlier: its statement must be there still
    #[arg(long, value_name = "DIGEST", env = "DRILLYARD_LAST", value_parser = digest)]
    pub last: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct EvidenceReportArgs {
    /// Files of statements, each a chain of its own
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The public key, as a PEM file
    #[arg(long, value_name = "PUB.pem", env = "DRILLYARD_KEY")]
    pub key: PathBuf,
    /// Runs from here on: 2026-10-01, or a time as in 2026-10-01T06:00:00Z (dates are UTC)
    #[arg(long, value_name = "DATE", env = "DRILLYARD_SINCE", value_parser = since)]
    pub since: Timestamp,
    /// Runs up to here; of a date, to the end of that day (default: now)
    #[arg(long, value_name = "DATE", env = "DRILLYARD_UNTIL", value_parser = until)]
    pub until: Option<Timestamp>,
    /// As what
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "html", env = "DRILLYARD_FORMAT")]
    pub format: PageFormat,
    /// A digest that was written down earlier: its statement must be there still
    #[arg(long, value_name = "DIGEST", env = "DRILLYARD_LAST", value_parser = digest)]
    pub last: Option<String>,
}

fn since(text: &str) -> Result<Timestamp, String> {
    moment(text, |date| date)
}

fn until(text: &str) -> Result<Timestamp, String> {
    moment(text, |date| date.saturating_add(1.day()))
}

/// A time, or the beginning of a day.
fn moment(text: &str, day: impl Fn(Date) -> Date) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let date = text.parse::<Date>().ok().and_then(|date| day(date).to_zoned(TimeZone::UTC).ok());
    date.map(|zoned| zoned.timestamp())
        .ok_or_else(|| "write a date as in 2026-10-01, or a time as in 2026-10-01T06:00:00Z".to_owned())
}

fn digest(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    let is_digest = text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    if is_digest {
        Ok(text)
    } else {
        Err("a digest is 64 hexadecimal digits, as `drillyard evidence verify` prints it".to_owned())
    }
}
