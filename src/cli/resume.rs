//! `drillyard firedrill --resume RUN`: a firedrill is followed from another terminal, or taken up
//! again when its own one was killed.

use std::path::Path;
use std::time::{Duration, Instant};

use super::args::color_of_stdout;
use super::dirs;
use super::orphaned::Orphan;
use super::out::print_all;
use super::runs::{heard, record_of};
use super::status::{team_status, users_line, verdict_lines};
use super::stop::{Result, Stop};
use crate::firedrill::{Phase, TeamView, VerdictView, follow, is_held};
use crate::journal::{ExitCode, Outcome};
use crate::report::{duration, one_line, score_lines};
use crate::run::{RunState, run_directories, state};

/// The file in a run's directory with what people were told first.
pub(super) const FIRST_WORDS: &str = "first-words";

/// How often it is told what users see.
const OFTEN: Duration = Duration::from_secs(30);

/// How long the end of a run may take: reports, notifications, clean-up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Follows it to its end, and ends as it does.
pub fn resume(run: &str) -> Result<ExitCode> {
    let all = dirs::all_work().iter().flat_map(|dir| run_directories(dir)).collect::<Vec<_>>();
    let there: Vec<_> = all.into_iter().filter(|(id, ..)| id.starts_with(run)).collect();
    let held: Vec<_> = there.iter().filter(|(_, path, state)| *state != RunState::Dead && is_held(path)).collect();
    if let [_, _, ..] = held.as_slice() {
        return Err(Stop::usage(format!("there are several firedrills `{run}`")).help("write more of its id"));
    }
    let mut following = Following::default();
    let followed = held.first().map(|(id, path, _)| follow(path, |view| following.see(id, path, view)));
    match (followed, following.over, held.first()) {
        (Some(Ok(())), Some(verdict), Some((id, path, _))) => Ok(tell(&verdict, id, path)),
        // Nobody answers, or whoever did is gone.
        _ => {
            let there = there.first().map(|(id, path, _)| (id.as_str(), path.as_path()));
            Err(Orphan::find(run, there)?.not_resumed())
        }
    }
}

/// What was told so far.
#[derive(Default)]
struct Following {
    said: usize,
    introduced: bool,
    over: Option<VerdictView>,
    /// When it was told last what users see.
    users: Option<Instant>,
}

impl Following {
    fn see(&mut self, run: &str, directory: &Path, view: &TeamView) {
        if !std::mem::replace(&mut self.introduced, true) {
            let brief = || format!("run {run}\n\n{}\n\n", view.brief.trim());
            print_all(&std::fs::read_to_string(directory.join(FIRST_WORDS)).unwrap_or_else(|_| brief()));
            print_all(&team_status(view));
            if let Some(clock) = view.clock_ms {
                let bought = view.hints.iter().filter(|hint| hint.text.is_some()).count();
                print_all(&format!(
                    "the clock: {} of {}; hints bought: {bought}\n",
                    duration(clock),
                    duration(view.limit_ms)
                ));
            }
        }
        for one in view.said.iter().skip(self.said) {
            print_all(&format!("{}  {}\n", one.at, one_line(&one.text)));
        }
        self.said = view.said.len();
        self.tell_users(view);
        if let (Phase::Over, Some(verdict)) = (view.phase, &view.verdict) {
            self.over = Some(verdict.clone());
        }
    }
}

impl Following {
    /// What users see, now and then.
    fn tell_users(&mut self, view: &TeamView) {
        let told = self.users.get_or_insert_with(Instant::now);
        if told.elapsed() >= OFTEN && view.phase < Phase::Judging {
            *told = Instant::now();
            view.users.iter().for_each(|users| print_all(&format!("{}\n", one_line(&users_line(users)))));
        }
    }
}

/// Tells how it came out, once all reports are written; the exit code that it ends with.
fn tell(verdict: &VerdictView, run: &str, directory: &Path) -> ExitCode {
    let end = Instant::now() + PATIENCE;
    while state(directory) == RunState::Alive && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    print_all(&verdict_lines(verdict));
    print_all(&score_lines(&verdict.score, verdict.points, color_of_stdout(None)));
    let debrief = verdict.debrief.as_ref().map(|debrief| format!("debrief: {debrief}\n")).unwrap_or_default();
    print_all(&format!("it is over: {}\n{debrief}", verdict.outcome));
    let record = record_of(run).map(|dir| heard(&dir)).unwrap_or_default();
    record.finished.and_then(|(_, code, _)| ExitCode::of(code)).unwrap_or(match verdict.outcome.as_str() {
        outcome if outcome == Outcome::Passed.as_str() => ExitCode::Passed,
        outcome if outcome == Outcome::Failed.as_str() => ExitCode::Failed,
        _ => ExitCode::Lab,
    })
}
