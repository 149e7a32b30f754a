//! What the facilitator types where `drillyard firedrill` runs: what the board has buttons for, and
//! what is to be seen there.

use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError, mpsc as answers};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::out::{ask, say};
use super::status::status;
use crate::firedrill::{Ask, Desk, Reply};
use crate::report::one_line;

/// What can be typed.
const HELP: &str = "\
status          what happened, what is checked and how it stands, what people ran: not for the team's eyes
pause, resume   the clock stands still; it goes on
inject N        puts the inject with this number in
say TEXT        tells the team something
judge           checks how many assertions hold
end             ends it: it is judged as it stands";

/// How long a second `end` is waited for.
const CONFIRM: Duration = Duration::from_secs(20);

/// Who hears what is typed. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    hears: Arc<Mutex<Hears>>,
}

#[derive(Debug, Default)]
enum Hears {
    /// Nobody yet.
    #[default]
    Nobody,
    /// The firedrill.
    Firedrill(UnboundedSender<String>),
    /// Somebody who has asked a question.
    Answer(answers::Sender<String>),
}

impl Typed {
    /// A line was typed.
    pub fn hear(&self, line: String) {
        match &*self.hears.lock().unwrap_or_else(PoisonError::into_inner) {
            Hears::Nobody => {}
            // Who does not hear any more needs no line.
            Hears::Firedrill(lines) => drop(lines.send(line)),
            Hears::Answer(answer) => drop(answer.send(line)),
        }
    }

    fn set(&self, hears: Hears) {
        *self.hears.lock().unwrap_or_else(PoisonError::into_inner) = hears;
    }

    /// Does from now on what is typed.
    pub fn attend(&self, desk: Desk) {
        let (tell, mut lines) = unbounded_channel::<String>();
        self.set(Hears::Firedrill(tell));
        tokio::spawn(async move {
            let mut end_was_typed = None;
            while let Some(line) = lines.recv().await {
                let told = match Command::of(&line) {
                    Command::Nothing => continue,
                    Command::Help => HELP.to_owned(),
                    Command::Status => status(&desk.views().borrow()),
                    Command::Unknown => format!("`{}`: `help` lists what can be typed here", one_line(&line)),
                    Command::Ask(Ask::End) if !is_recent(end_was_typed) => {
                        end_was_typed = Some(Instant::now());
                        "it will be judged as it stands: type `end` again to end it".to_owned()
                    }
                    Command::Ask(what) => {
                        let Reply { text, .. } = desk.ask(what).await;
                        one_line(&text)
                    }
                };
                // Whoever has done something else meanwhile has thought better of it.
                end_was_typed = end_was_typed.filter(|_| Command::of(&line) == Command::Ask(Ask::End));
                say(&told);
            }
        });
    }

    /// Asks a question. None where nobody answers in time.
    pub fn answer(&self, question: &str, within: Duration) -> Option<String> {
        let (tell, told) = answers::channel();
        self.set(Hears::Answer(tell));
        ask(question);
        told.recv_timeout(within).ok()
    }
}

fn is_recent(at: Option<Instant>) -> bool {
    at.is_some_and(|at| at.elapsed() < CONFIRM)
}

/// What somebody wants who has typed a line.
#[derive(Debug, PartialEq)]
enum Command {
    Nothing,
    Help,
    Status,
    Unknown,
    Ask(Ask),
}

impl Command {
    fn of(line: &str) -> Self {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (word, rest.trim()) {
            ("", _) => Command::Nothing,
            ("help" | "?", "") => Command::Help,
            ("status", "") => Command::Status,
            ("pause", "") => Command::Ask(Ask::Pause),
            ("resume", "") => Command::Ask(Ask::Resume),
            ("judge", "") => Command::Ask(Ask::Judge),
            ("end", "") => Command::Ask(Ask::End),
            ("say", text) if !text.is_empty() => Command::Ask(Ask::Say(text.to_owned())),
            ("inject", number) => number.parse().map_or(Command::Unknown, |number| Command::Ask(Ask::Inject(number))),
            _ => Command::Unknown,
        }
    }
}

/// How often it is looked whether something was typed.
const LOOK: Duration = Duration::from_millis(300);

/// The lines that are typed at this terminal, or come through a pipe. What is typed for another
/// program, while this one is in the background, is left to that.
pub fn lines() -> UnboundedReceiver<String> {
    let (tell, told) = unbounded_channel();
    // Without such a thread nothing can be typed; the board and other terminals have the same.
    let _ = std::thread::Builder::new().name("typed".to_owned()).spawn(move || {
        let stdin = std::io::stdin();
        let mut text = Vec::new();
        while !tell.is_closed() {
            let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::NONE);
            match poll(&mut polled, timeout) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            if is_in_background(&stdin) {
                std::thread::sleep(LOOK);
                continue;
            }
            let mut part = [0; 4096];
            match nix::unistd::read(stdin.as_fd(), &mut part) {
                Ok(0) => return,
                Ok(read) => text.extend_from_slice(&part[..read]),
                Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => continue,
                Err(_) => return,
            }
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let _ = tell.send(String::from_utf8_lossy(&line).trim().to_owned());
            }
            // No line that a person types is as long.
            text.truncate(1 << 16);
        }
    });
    told
}

/// Whether another job has the terminal.
fn is_in_background(stdin: &impl AsFd) -> bool {
    nix::unistd::tcgetpgrp(stdin.as_fd()).is_ok_and(|group| group != nix::unistd::getpgrp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_board_has_buttons_for_can_be_typed() {
        for (line, what) in [
            ("pause", Ask::Pause),
            (" resume ", Ask::Resume),
            ("inject 2", Ask::Inject(2)),
            ("say  ten minutes left", Ask::Say("ten minutes left".to_owned())),
            ("judge", Ask::Judge),
            ("end", Ask::End),
        ] {
            assert_eq!(Command::of(line), Command::Ask(what), "{line}");
        }
        assert_eq!(
            [Command::of(""), Command::of("help"), Command::of("status")],
            [Command::Nothing, Command::Help, Command::Status]
        );
        for line in ["say", "inject", "inject all", "end now", "drop"] {
            assert_eq!(Command::of(line), Command::Unknown, "{line}");
        }
    }
}
