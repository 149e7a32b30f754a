//! The arguments of `firedrill`, and of what people say while one is held.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use super::drills::{DrillArgs, KeepChoice};
use super::parsers::{duration, some_time};
use crate::board::{Listen, ListenError};
use crate::cli::keeper::Keeper;
use crate::cli::typed::Typed;
use crate::firedrill::Desk;

#[derive(Debug, Clone, clap::Args)]
pub struct FiredrillArgs {
    #[command(flatten)]
    pub drills: DrillArgs,
    /// Draw one of the drills, and tell nobody which until the debrief
    #[arg(long, env = "DRILLYARD_SURPRISE", help_heading = "Firedrill")]
    pub surprise: bool,
    /// How long after everything is ready the incident comes; of a range, a moment is drawn
    #[arg(long, value_name = "0s..20m", default_value = "0s", env = "DRILLYARD_DELAY", value_parser = delay, help_heading = "Firedrill")]
    pub delay: Delay,
    /// How long people have, unless the drill says so itself
    #[arg(long = "for", value_name = "DURATION", default_value = "60m", env = "DRILLYARD_FOR", value_parser = some_time, help_heading = "Firedrill")]
    pub limit: Duration,
    /// Where the board is shown, or off
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:0", env = "DRILLYARD_BOARD", value_parser = board, help_heading = "Firedrill")]
    pub board: BoardChoice,
    /// The address of this machine at which others reach the servers, by TCP with TLS
    #[arg(long, value_name = "ADDR", env = "DRILLYARD_REACHABLE", value_parser = reachable, help_heading = "Firedrill")]
    pub reachable: Option<IpAddr>,
    /// Where the handout is written (default: in the run's own directory)
    #[arg(long, value_name = "DIR", env = "DRILLYARD_HANDOUT", help_heading = "Firedrill")]
    pub handout: Option<PathBuf>,
    /// Leave servers running after the firedrill; it then also outlives a terminal that is killed
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = KeepChoice::Never, env = "DRILLYARD_KEEP", help_heading = "How")]
    pub keep: KeepChoice,
    /// Take up a firedrill whose terminal is gone, or follow one from another terminal
    #[arg(long, value_name = "RUN", env = "DRILLYARD_RESUME", help_heading = "Firedrill")]
    pub resume: Option<String>,
    /// The process that keeps it.
    #[arg(skip)]
    pub keeper: Option<Keeper>,
    /// The way to the firedrill, once it is held.
    #[arg(skip)]
    pub desk: OnceLock<Desk>,
    /// What is typed where it was started.
    #[arg(skip)]
    pub typed: Typed,
}

/// When the incident comes, after everything is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// At the earliest.
    pub from: Duration,
    /// At the latest.
    pub to: Duration,
}

impl Delay {
    /// One of them, the same for the same seed.
    pub fn draw(&self, seed: u64) -> Duration {
        let span = self.to.saturating_sub(self.from).as_millis() as u64;
        self.from + Duration::from_millis(fastrand::Rng::with_seed(seed).u64(0..=span))
    }
}

fn delay(text: &str) -> Result<Delay, String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (duration(from.trim())?, duration(to.trim())?);
    match from <= to {
        true => Ok(Delay { from, to }),
        false => Err("the range ends before it begins".to_owned()),
    }
}

/// Where the board is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoardChoice {
    /// Nowhere.
    Off,
    /// At this address; port 0 is any that is free.
    At(Listen),
}

fn reachable(text: &str) -> Result<IpAddr, String> {
    match text.parse::<IpAddr>() {
        Ok(address) if !address.is_unspecified() => Ok(address),
        _ => Err("write the address by which other machines reach this one, such as 192.0.2.7".to_owned()),
    }
}

fn board(text: &str) -> Result<BoardChoice, String> {
    match text {
        "off" => Ok(BoardChoice::Off),
        text => text.parse().map(BoardChoice::At).map_err(|error: ListenError| format!("{error}; or off")),
    }
}

/// Which firedrill is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct HeldArgs {
    /// The run's id, or its beginning (default: the one that is held)
    pub run: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct DoneArgs {
    #[command(flatten)]
    pub held: HeldArgs,
    /// Give up: it is judged as it stands, and ends
    #[arg(long, env = "DRILLYARD_GIVE_UP")]
    pub give_up: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub struct HintArgs {
    #[command(flatten)]
    pub held: HeldArgs,
    /// Which hint (default: the next one)
    #[arg(short, long, value_name = "N", env = "DRILLYARD_NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub number: Option<u32>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct NoteArgs {
    /// What to write down
    pub text: String,
    #[command(flatten)]
    pub held: HeldArgs,
    /// Also say that you see that something is wrong
    #[arg(long, env = "DRILLYARD_SEEN")]
    pub seen: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub struct ScratchArgs {
    /// What you call the place
    pub name: String,
    #[command(flatten)]
    pub held: HeldArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_a_moment_or_a_range() {
        let seconds = Duration::from_secs;
        assert_eq!(delay("5s"), Ok(Delay { from: seconds(5), to: seconds(5) }));
        let range = delay("0s..20m").expect("a range");
        assert_eq!((range.from, range.to), (seconds(0), seconds(1200)));
        let drawn = range.draw(7);
        assert!(drawn <= range.to && drawn == range.draw(7) && drawn != range.draw(8));
        assert!(delay("20m..0s").is_err() && delay("soon").is_err() && delay("5").is_err());
    }

    #[test]
    fn a_board_has_an_address_or_is_off() {
        assert_eq!(board("off"), Ok(BoardChoice::Off));
        assert!(matches!(board("127.0.0.1:0"), Ok(BoardChoice::At(_))));
        assert!(board("localhost").is_err());
    }
}
