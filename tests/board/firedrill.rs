//! A firedrill as the board sees one: what is asked changes what is to be seen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use drillyard::board::{Board, Tokens, serve};
use drillyard::firedrill::{
    Ask, CheckState, CheckView, Desk, DeskEnd, FacilitatorView, HintView, IncidentView, InjectView, MarkView, Phase,
    PlaceView, RanView, Reply, SaidView, ScorePart, ServerView, Speaker, Standing, TeamView, TrapView, UsersView,
    VerdictView,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// A board that is served, and whoever plays the firedrill behind it.
pub struct Firedrill {
    runtime: Runtime,
    board: Option<Board>,
    views: watch::Sender<FacilitatorView>,
    pub desk: Desk,
    pub tokens: Tokens,
}

impl Firedrill {
    pub fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (desk, end) = Desk::new();
        let views = end.views.clone();
        views.send_replace(at_work());
        runtime.spawn(play(end));
        let mut firedrill =
            Firedrill { runtime, board: None, views, desk, tokens: Tokens::random().expect("random numbers") };
        firedrill.serve(SocketAddr::from(([127, 0, 0, 1], 0)));
        firedrill
    }

    /// Serves it, for the first time or again.
    pub fn serve(&mut self, listen: SocketAddr) {
        let board = self.runtime.block_on(serve(self.desk.clone(), listen, self.tokens.clone()));
        self.board = Some(board.expect("a board"));
    }

    fn board(&self) -> &Board {
        self.board.as_ref().expect("a board that is served")
    }

    pub fn team_url(&self) -> String {
        self.board().team_url()
    }

    pub fn facilitator_url(&self) -> String {
        self.board().facilitator_url()
    }

    pub fn addr(&self) -> SocketAddr {
        self.board().addr
    }

    /// Ends the board, and says where it was.
    pub fn stop(&mut self) -> SocketAddr {
        let board = self.board.take().expect("a board that is served");
        let addr = board.addr;
        self.runtime.block_on(board.stop());
        addr
    }

    /// Changes what is to be seen.
    pub fn show(&self, change: impl FnOnce(&mut FacilitatorView)) {
        self.views.send_modify(change);
    }

    /// Says something to the firedrill, as a terminal does.
    pub fn ask(&self, ask: Ask) -> Reply {
        self.runtime.block_on(self.desk.ask(ask))
    }

    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

/// Answers whatever is asked, and lets the clock go on.
async fn play(mut end: DeskEnd) {
    let mut game = Game { began: Instant::now() - Duration::from_secs(125), tries: 0 };
    loop {
        let asked = tokio::time::timeout(Duration::from_millis(500), end.asks.recv()).await;
        match asked {
            Ok(None) => return,
            Ok(Some((ask, answer))) => {
                let mut text = String::new();
                end.views.send_modify(|view| text = game.asked(view, &ask));
                let _ = answer.send(Reply { ok: !text.is_empty(), text });
            }
            Err(_) => end.views.send_modify(|view| game.tick(view)),
        }
    }
}

struct Game {
    began: Instant,
    tries: usize,
}

impl Game {
    fn tick(&self, view: &mut FacilitatorView) {
        if view.team.phase == Phase::Recovering {
            let clock = u64::try_from(self.began.elapsed().as_millis()).unwrap_or_default();
            view.clock_ms = Some(clock);
            view.team.clock_ms = Some(clock);
            for users in &mut view.team.users {
                users.acknowledged += 400;
                users.history.rotate_left(1);
            }
        }
    }

    fn asked(&mut self, view: &mut FacilitatorView, ask: &Ask) -> String {
        let mut say = |by, text: &str| {
            view.team.said.push(SaidView { at: "12:07:10Z".to_owned(), by, text: text.to_owned() });
            "done".to_owned()
        };
        match ask {
            Ask::Note(text) => say(Speaker::Team, text),
            Ask::Seen => say(Speaker::Team, "We see it"),
            Ask::Say(text) => say(Speaker::Facilitator, text),
            Ask::Hint(number) => {
                let Some(hint) = view.team.hints.get_mut(number - 1) else { return String::new() };
                hint.text = Some("Which tables are there? \\d shop.*".to_owned());
                "hint bought".to_owned()
            }
            Ask::Inject(number) => {
                say(Speaker::Drill, "The CEO asks how long it will take.");
                view.injects[number - 1].came = Some("12:07:11Z".to_owned());
                "sent".to_owned()
            }
            Ask::Pause => self.phase(view, Phase::Paused),
            Ask::Resume => self.phase(view, Phase::Recovering),
            Ask::Judge => {
                view.team.standing = Some(Standing { held: 3, of: 5 });
                "3 of 5 hold".to_owned()
            }
            Ask::Done => {
                self.tries += 1;
                let held = if self.tries == 1 { 3 } else { 5 };
                view.team.standing = Some(Standing { held, of: 5 });
                if held == 5 {
                    over(view, "passed");
                }
                format!("{held} of 5 hold")
            }
            Ask::GiveUp | Ask::End => over(view, "failed"),
            Ask::Ran { .. } | Ask::Scratch(_) => "no board asks for this".to_owned(),
        }
    }

    fn phase(&self, view: &mut FacilitatorView, phase: Phase) -> String {
        view.team.phase = phase;
        "done".to_owned()
    }
}

fn over(view: &mut FacilitatorView, outcome: &str) -> String {
    let part = |name: &str, measured: &str, points, of| ScorePart {
        name: name.to_owned(),
        measured: measured.to_owned(),
        points,
        of,
    };
    view.team.phase = Phase::Over;
    view.team.verdict = Some(VerdictView {
        outcome: outcome.to_owned(),
        lines: vec![format!(
            "{} after 4 min 12 s",
            if outcome == "passed" { "everything holds" } else { "the team gave up" }
        )],
        checks: view.checks.clone(),
        score: vec![
            part("time to notice", "48 s", 10, 10),
            part("time to recover", "4 min 12 s of 45 min", 38, 40),
            part("commits lost", "0 of 18,204", 40, 40),
            part("hints", "1", -5, 0),
        ],
        points: 83,
        debrief: Some("/var/lib/drillyard/runs/7f3a91c2/debrief.html".to_owned()),
    });
    "over".to_owned()
}

/// A firedrill two minutes after its incident.
fn at_work() -> FacilitatorView {
    let said = |at: &str, by, text: &str| SaidView { at: at.to_owned(), by, text: text.to_owned() };
    let hint = |number, costs, opens_in_ms| HintView { number, costs, text: None, opens_in_ms };
    let place = |name: &str, text: &str| PlaceView { name: name.to_owned(), text: text.to_owned() };
    let server = |node: &str, port: u16| ServerView {
        node: node.to_owned(),
        psql: format!("psql service={node}"),
        shell: format!("drillyard shell 7f3a91c2/{node} # port {port}"),
    };
    let history = |at: u64| if at < 75 { (780 + at * 37 % 90, 0) } else { (390 + at * 53 % 60, 395 + at * 31 % 40) };
    let team = TeamView {
        run: "7f3a91c2".to_owned(),
        phase: Phase::Recovering,
        brief: BRIEF.to_owned(),
        clock_ms: Some(125_000),
        limit_ms: 2_700_000,
        users: vec![UsersView {
            id: "users".to_owned(),
            per_second: 412,
            refused_per_second: 409,
            acknowledged: 68_204,
            refused: 18_733,
            errors: vec![("42P01".to_owned(), 18_731), ("57P01".to_owned(), 2)],
            history: (0..120).map(history).collect(),
        }],
        servers: vec![server("master", 5433), server("standby", 5434)],
        places: vec![
            place("newest backup", "/tmp/drillyard-7f3a91c2/repos/onsite/backups/nightly"),
            place("archive", "/tmp/drillyard-7f3a91c2/repos/onsite/wal"),
            place("restore_command", "cp /tmp/drillyard-7f3a91c2/repos/onsite/wal/%f %p"),
            place("scratch", "/tmp/drillyard-7f3a91c2/scratch (port 5440)"),
        ],
        hints: vec![hint(1, 5, 0), hint(2, 10, 600_000)],
        said: vec![
            said("12:04:31Z", Speaker::Drill, "Support reports that no order can be placed."),
            said("12:05:19Z", Speaker::Team, "We see it: every order fails with undefined_table"),
            said("12:06:02Z", Speaker::Facilitator, "Who keeps the notes?"),
        ],
        standing: None,
        verdict: None,
    };
    FacilitatorView { team, clock_ms: Some(125_000), ..behind_the_scenes() }
}

fn behind_the_scenes() -> FacilitatorView {
    let check = |line: u32, name: &str, state, said: &str| CheckView {
        place: format!("line {line}"),
        name: name.to_owned(),
        state,
        said: said.to_owned(),
    };
    let mark = |id: &str, lsn: &str, at: &str| MarkView { id: id.to_owned(), lsn: lsn.to_owned(), at: at.to_owned() };
    let ran = |at: &str, node: &str, text: &str| RanView {
        at: at.to_owned(),
        node: node.to_owned(),
        by: "postgres (psql)".to_owned(),
        text: text.to_owned(),
    };
    FacilitatorView {
        drill: "dropped-table".to_owned(),
        file: "scenarios/human-error/dropped-table.yaml".to_owned(),
        about: "A developer drops a table and goes to lunch; users keep writing.".to_owned(),
        seed: 1,
        incident: Some(IncidentView {
            place: "line 47".to_owned(),
            name: "the wrong terminal window: DROP TABLE shop.orders CASCADE".to_owned(),
            at: "12:04:30Z".to_owned(),
        }),
        marks: vec![mark("nightly", "0/3000028", "12:03:58Z"), mark("accident", "0/5A1C3F0", "12:04:30Z")],
        checks: vec![
            check(61, "assert_traffic: nothing is lost", CheckState::Fails, "relation \"shop.orders\" does not exist"),
            check(62, "assert_catalog: as before", CheckState::Fails, "table shop.orders is missing"),
            check(63, "assert_streaming: standby follows", CheckState::Holds, ""),
            check(64, "assert_intact", CheckState::Unknown, ""),
        ],
        injects: vec![
            InjectView {
                number: 1,
                text: "The CEO asks how long it will take.".to_owned(),
                comes: "after 5m".to_owned(),
                came: None,
            },
            InjectView {
                number: 2,
                text: "The standby's disk is full.".to_owned(),
                comes: String::new(),
                came: Some("12:05:40Z".to_owned()),
            },
        ],
        traps: vec![
            TrapView { name: "a write on the standby's copy".to_owned(), costs: 20, sprung: None },
            TrapView {
                name: "the archive is polluted".to_owned(),
                costs: 20,
                sprung: Some("12:06:11Z: 000000010000000000000007 was overwritten".to_owned()),
            },
        ],
        ran: vec![
            ran("12:05:02Z", "master", "SELECT * FROM shop.orders LIMIT 1"),
            ran("12:05:31Z", "master", "\\dt shop.*"),
            ran("12:06:40Z", "scratch", "pg_ctl -D /tmp/drillyard-7f3a91c2/scratch start"),
        ],
        ..FacilitatorView::default()
    }
}

/// It tries to be more than text, too.
const BRIEF: &str = "\
# Orders are failing
Support reports that **no order** can be placed since about noon. The shop's other pages work.

- Get the orders back, and lose none.
- Customers must be able to go on *meanwhile*.

Look first with `psql service=master`:

```
SELECT count(*) FROM shop.orders;
```
<img src=x onerror=\"document.title='broken in'\"> is only text.
";
