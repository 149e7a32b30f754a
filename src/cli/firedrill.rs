//! `drillyard firedrill`

use std::io::{IsTerminal, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::args::{BoardChoice, DrillArgs, FiredrillArgs, KeepChoice, color_of_stdout};
use super::job::{Job, Stage};
use super::keeper::Keeper;
use super::out::print_all;
use super::resume;
use super::runs::EVENTS_FILE;
use super::sealed::{Sealed, Until};
use super::select::{Drills, Selected};
use super::setup;
use super::signals::Interruption;
use super::stop::{Result, Stop};
use super::typed::Typed;
use crate::board::{Board, Tokens, serve};
use crate::firedrill::{self, Announcement, Desk, FacilitatorView, Firedrill, Leave, Options, Voice, hosts};
use crate::journal::{Command, Event, ExitCode, Listener, Outcome, Problem};
use crate::plan::people;
use crate::report::{DEBRIEF, DEBRIEF_MARKDOWN, EVENTS, FiredrillLines, Format};
use crate::run::{Change, Drill, Env, Finished, Order, run_all};

/// Has people play a drill.
pub fn firedrill(mut args: FiredrillArgs) -> Result<ExitCode> {
    if let Some(run) = &args.resume {
        return resume::resume(run);
    }
    args.keeper = Keeper::here()?;
    let Some(keeper) = &args.keeper else { return super::keeper::attend() };
    let typed = args.typed.clone();
    keeper.watch(args.outlives(), move |line| typed.hear(line))?;
    if (args.surprise || args.delay.from < args.delay.to) && args.drills.seed.is_none() {
        // Whoever knows the seed knows the drill: it is told with the debrief.
        args.drills.seed = Some(fastrand::u64(..));
    }
    setup::carry_out(&args)
}

impl Job for FiredrillArgs {
    const COMMAND: Command = Command::Firedrill;
    const RECORDED: &'static [(&'static Format, &'static str)] =
        &[(EVENTS, EVENTS_FILE), (DEBRIEF, "debrief.html"), (DEBRIEF_MARKDOWN, "debrief.md")];

    fn drills(&self) -> &DrillArgs {
        &self.drills
    }

    fn asks(&self) -> bool {
        true
    }

    /// One drill is named, or one is drawn of those that people can play.
    fn check(&self, selected: &Selected) -> Result<()> {
        if !self.surprise && selected.plans().count() > 1 {
            let names: Vec<&str> = selected.plans().map(|plan| plan.name.as_str()).collect();
            let stop = Stop::usage(format!("a firedrill is one drill, and {} were named", names.len()));
            return Err(stop.help("name one file, or let one be drawn: --surprise"));
        }
        if let Some(address) = self.reachable
            && let Err(error) = TcpListener::bind((address, 0))
        {
            let stop = Stop::usage(format!("servers cannot be reached at {address}: {error}"));
            return Err(stop.help("--reachable takes an address of this machine"));
        }
        let mut why = vec![];
        for plan in selected.plans() {
            match people(plan) {
                Ok(_) => return Ok(()),
                Err(problem) => why.push(problem),
            }
        }
        Err(Stop { problems: why, code: ExitCode::InvalidScenario })
    }

    fn has_people(&self) -> bool {
        true
    }

    fn draw(&self, mut drills: Drills) -> Drills {
        drills.skipped.clear();
        // The newest version of each comes last.
        let playable = |drill: &Drill| people(&drill.plan).is_ok_and(|part| !self.surprise || part.incident.is_some());
        drills.drills.retain(playable);
        let at = match self.surprise {
            true if !drills.drills.is_empty() => {
                let count = drills.drills.len();
                fastrand::Rng::with_seed(self.drills.seed()).usize(0..count)
            }
            _ => drills.drills.len().saturating_sub(1),
        };
        drills.drills = drills.drills.into_iter().skip(at).take(1).collect();
        drills
    }

    fn listeners(&self, listeners: Vec<Box<dyn Listener>>, records: PathBuf) -> Vec<Box<dyn Listener>> {
        let color = color_of_stdout(Some(self.drills.out.color));
        let lines = FiredrillLines::new(Box::new(std::io::stdout()), color, records.join("debrief.html"));
        // What people are told first comes first.
        let until = if self.surprise { Until::Ended } else { Until::Ready };
        let listeners = listeners.into_iter().map(|one| Sealed::around(one, until));
        listeners.chain([Box::new(lines) as Box<dyn Listener>]).collect()
    }

    fn keeper(&self) -> Option<&Keeper> {
        self.keeper.as_ref()
    }

    fn outlives(&self) -> bool {
        !matches!(self.keep, KeepChoice::Never)
    }

    fn last_view(&self) -> Option<FacilitatorView> {
        self.desk.get().map(|desk| desk.views().borrow().clone())
    }

    fn sealed(&self, listener: Box<dyn Listener>) -> Box<dyn Listener> {
        if self.surprise { Sealed::around(listener, Until::Ended) } else { listener }
    }

    async fn work(&self, stage: Stage<'_>, drills: Vec<Drill>, first: usize) -> Finished {
        let Some(drill) = drills.into_iter().next() else { return Finished::default() };
        let journal = stage.env.journal.clone();
        match self.hold(stage, drill, first).await {
            Ok(finished) => finished,
            Err(problem) => {
                journal.write(Event::Warned { drill: None, message: problem.text() });
                Finished { outcomes: vec![Outcome::Errored], ..Finished::default() }
            }
        }
    }
}

impl FiredrillArgs {
    async fn hold(&self, stage: Stage<'_>, drill: Drill, first: usize) -> std::result::Result<Finished, Problem> {
        let env = Env { keep: self.keep.into(), ..stage.env };
        let part = people(&drill.plan)?;
        let scratch = hosts(&drill.plan, &part);
        let unjudged = part.left_out.iter().map(|(index, _)| *index).collect();
        let options = Options {
            limit: self.limit,
            delay: self.delay.draw(drill.seed),
            sealed: self.surprise,
            reachable: self.reachable,
            handout: self.handout.clone(),
        };
        let told = Arc::new(Mutex::new(Links::default()));
        let lines = told.clone();
        let (dir, outlives, typed) = (env.dir.clone(), self.outlives(), self.typed.clone());
        let announce = move |ready: &Announcement| {
            let links = lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
            print_all(&first_words(ready, &links, outlives));
            print_all(CAN_BE_TYPED);
            // Whoever takes it up again may be one of the team.
            let links = Links { facilitator: String::new(), ..links };
            keep_words(&dir, &first_words(ready, &links, outlives));
        };
        let (held, desk) = Firedrill::new(
            &drill.plan,
            part,
            options,
            &env.journal,
            Voice { announce: Box::new(announce), offer: Box::new(move |theirs| offer(&typed, theirs)) },
        );
        self.typed.attend(desk.clone());
        env.journal.also_tell(held.hearing());
        let _ = self.desk.set(desk.clone());
        let control = firedrill::listen(&env.dir, desk.clone(), self.leave(&env, stage.interruption))
            .map_err(|error| Problem::new(format!("cannot listen in {}: {error}", env.dir.display())))?;
        let board = self.show_board(desk, &told).await?;
        stage.interruption.confirm();
        let change = Change { attended: true, scratch, unjudged, ..Change::default() };
        let drill = Drill { change: Arc::new(change), people: Some(held), ..drill };
        let order = Order { jobs: 1, fail_fast: false };
        let finished = run_all(Arc::new(env), vec![drill], order, first).await;
        control.abort();
        if let Some(board) = board {
            board.stop().await;
        }
        Ok(finished)
    }

    /// Shows the board; its addresses are among the first words.
    async fn show_board(&self, desk: Desk, told: &Mutex<Links>) -> std::result::Result<Option<Board>, Problem> {
        let BoardChoice::At(listen) = &self.board else { return Ok(None) };
        let tokens = Tokens::random().map_err(|error| Problem::new(format!("no token for the board: {error}")))?;
        let board = serve(desk, listen.clone(), tokens).await.map_err(|error| Problem::new(error.to_string()))?;
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.board = format!("board: {}\n", board.team_url());
        told.facilitator = format!("facilitator: {}\n", board.facilitator_url());
        Ok(Some(board))
    }

    /// Ends it for `drillyard clean`, if the program at the terminal was killed.
    fn leave(&self, env: &Env, interruption: &Interruption) -> Leave {
        let (keeper, cancel, interruption) = (self.keeper.clone(), env.cancel.clone(), interruption.clone());
        Arc::new(move || {
            let alone = keeper.as_ref().is_some_and(Keeper::is_alone);
            if alone {
                interruption.note(ExitCode::Terminated);
                cancel.cancel();
            }
            alone
        })
    }
}

/// Where the board is, a line each.
#[derive(Debug, Clone, Default)]
struct Links {
    board: String,
    facilitator: String,
}

/// Asks whether servers that people have made are to stay. Only of people at a terminal, who may
/// have gone home.
fn offer(typed: &Typed, theirs: &[String]) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return false;
    }
    let question =
        format!("\nYour servers ({}) are still up. Keep everything to look around? [y/N] ", theirs.join(", "));
    let answer = typed.answer(&question, PATIENCE).unwrap_or_default();
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// What the facilitator can do where it was started.
const CAN_BE_TYPED: &str =
    "the facilitator can type here: status, pause, resume, inject N, say TEXT, judge, end, help\n\n";

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What people and scripts read first.
fn first_words(ready: &Announcement, links: &Links, outlives: bool) -> String {
    let Announcement { run, handout, brief, .. } = ready;
    let Links { board, facilitator } = links;
    let mut text = format!("run {run}\nhandout: {}\n{board}{facilitator}", handout.display());
    if outlives {
        text.push_str(&format!(
            "if this terminal is killed: drillyard firedrill --resume {run}; to end it then: drillyard clean {run}\n"
        ));
    }
    text.push_str(&format!("\n{}\n\n", brief.trim()));
    for server in ready.servers.iter().filter(|server| !server.shell.is_empty()) {
        text.push_str(&format!("  {}: drillyard shell {}/{}\n", server.node, ready.run, server.node));
    }
    text.push('\n');
    text
}

/// Keeps the first words for whoever takes it up again.
fn keep_words(dir: &Path, words: &str) {
    let written = std::fs::File::options().write(true).create_new(true).mode(0o600).open(dir.join(resume::FIRST_WORDS));
    // Without them it can be taken up all the same.
    let _ = written.and_then(|mut file| file.write_all(words.as_bytes()));
}
