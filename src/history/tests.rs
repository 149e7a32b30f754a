//! Real histories: a file of SQLite, and a server.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Runtime;

use super::migrations::{MIGRATIONS, current};
use super::*;
use crate::journal::{Command, Outcome};
use crate::node::ClientEnvironment;
use crate::testing::{PASSWORD, Server};

/// Both kinds, new and empty; what they live in is removed when this is dropped.
struct Places {
    places: Vec<Place>,
    _dir: tempfile::TempDir,
    _server: Server,
    _runtime: Runtime,
}

impl Places {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(Server::start());
        let password = PASSWORD.replace('\'', r"\'");
        let conninfo = format!("host=127.0.0.1 port={} user=postgres password='{password}'", server.port());
        let around = Arc::new(ClientEnvironment::default());
        let texts = [dir.path().join("below/history.sqlite").display().to_string(), conninfo];
        let places = texts.iter().map(|text| Place::parse(text, &around).expect("a place")).collect();
        Places { places, _dir: dir, _server: server, _runtime: runtime }
    }
}

fn day(number: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_hours(24 * number)).expect("a time")
}

fn run(number: i64) -> RunRow {
    let started = day(number);
    RunRow {
        id: format!("{:015}-{number:08x}", started.as_millisecond()),
        run: format!("{number:08x}"),
        command: Command::Run,
        version: "0.1.0".to_owned(),
        host: "here".to_owned(),
        started,
        finished: None,
        end: None,
    }
}

fn drill(run: &RunRow, name: &str, outcome: Outcome, rto_ms: u64) -> DrillRow {
    let part = |name, duration_ms, bytes| Part { name, duration_ms, bytes };
    DrillRow {
        run: run.id.clone(),
        number: 0,
        name: name.to_owned(),
        file: "nightly.yaml".to_owned(),
        settings: "prod=service='prod'".to_owned(),
        major: 15,
        postgres: "15.18".to_owned(),
        backend: "local".to_owned(),
        started: run.started,
        end: Some((outcome, rto_ms + 1000)),
        why: (outcome != Outcome::Passed).then(|| "it's broken".to_owned()),
        rto_ms: Some(rto_ms),
        rto_max_ms: Some(60_000),
        recovery_ms: Some(rto_ms),
        lost: Some(0),
        lost_work_ms: None,
        parts: vec![part(PartName::Restore, 100, Some(1 << 40)), part(PartName::Replay, 200, None)],
    }
}

#[test]
fn what_is_written_is_read_again() {
    for place in &Places::new().places {
        let mut history = History::open(place).expect("it opens");
        let (first, second, third) = (run(1), run(2), run(3));
        let rows = [
            drill(&first, "nightly", Outcome::Passed, 2000),
            drill(&second, "nightly", Outcome::Failed, 9000),
            DrillRow { end: None, rto_ms: None, parts: vec![], ..drill(&third, "hourly", Outcome::Passed, 1) },
        ];
        for (run, row) in [&first, &second, &third].into_iter().zip(&rows) {
            history.put_run(run).expect("written");
            // That it has started is told late: its end says when that was.
            let started = row.started.checked_add(SignedDuration::from_millis(400)).expect("a time");
            let begun = DrillRow { started, end: None, why: None, parts: vec![], ..row.clone() };
            history.put_drill(&begun).expect("written");
            history.put_drill(row).expect("written again");
        }
        let end = RunRow { finished: Some(day(2)), end: Some((Outcome::Failed, 1)), ..second.clone() };
        history.put_run(&end).expect("written again");
        drop(history);

        let mut history = History::read(place).expect("it opens").expect("it is there");
        let mut found = history.points(Timestamp::MIN, None).expect("read");
        history.add_parts(found.values_mut().flatten()).expect("read");
        let nightly = &found[&rows[0].series()];
        assert_eq!(nightly.iter().map(|point| &point.drill).collect::<Vec<_>>(), [&rows[0], &rows[1]], "{place}");
        assert_eq!(found[&rows[2].series()][0].drill, rows[2], "{place}: it has not ended");
        assert_eq!(history.points(day(2), Some("nightly")).expect("read").values().map(Vec::len).sum::<usize>(), 1);
        let latest = history.latest().expect("read");
        let told: Vec<_> = latest.iter().map(|one| (one.series.name.as_str(), one.outcome, one.passed)).collect();
        let passed = day(1).checked_add(SignedDuration::from_secs(3)).ok();
        assert_eq!(told, [("hourly", None, None), ("nightly", Some(Outcome::Failed), passed)], "{place}");
        let before = history.before(&rows[1].series(), &second).expect("read").expect("there is one");
        assert_eq!((before.run.as_str(), before.drill.end), ("00000001", Some((Outcome::Passed, 3000))));
        assert_eq!(history.run("0000000").expect("read").len(), 3, "{place}: all of them begin so");
        assert_eq!(history.run("00000002").expect("read").into_values().next().expect("one")[0].drill, rows[1]);
        assert!(history.run("%").expect("read").is_empty(), "{place}");
    }
}

#[test]
fn what_is_forgotten_is_waited_for_again_once_it_is_run() {
    for place in &Places::new().places {
        let mut history = History::open(place).expect("it opens");
        let put = |history: &mut History, number: i64, rto_ms: u64| {
            history.put_run(&run(number)).expect("written");
            let row = drill(&run(number), "nightly", Outcome::Passed, rto_ms);
            history.put_drill(&row).expect("written");
            row.series()
        };
        let series = (1..=4).map(|number| put(&mut history, number, 1000 * number.unsigned_abs())).last().expect("one");
        assert_eq!(history.last_rtos(&series, 3).expect("read"), [4000, 3000, 2000], "{place}");
        history.forget(&series, Forgotten::Watch, day(5)).expect("written");
        assert_eq!(history.latest().expect("read"), [], "{place}");
        assert_eq!(history.last_rtos(&series, 3).expect("read").len(), 3, "{place}: it is still measured");
        history.forget(&series, Forgotten::Measure, day(5)).expect("written");
        assert!(history.last_rtos(&series, 3).expect("read").is_empty(), "{place}");
        put(&mut history, 6, 6000);
        assert_eq!(history.latest().expect("read").len(), 1, "{place}");
        assert_eq!(history.last_rtos(&series, 3).expect("read"), [6000], "{place}");
    }
}

#[test]
fn twenty_runs_at_once_make_one_history() {
    for place in &Places::new().places {
        let work = |number: i64| {
            let mut history = History::open(place)?;
            let run = run(number);
            history.put_run(&run)?;
            history.put_drill(&drill(&run, "nightly", Outcome::Passed, 2000))
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..20).map(|number| scope.spawn(move || work(number))).collect();
            for thread in threads {
                assert_eq!(thread.join().expect("no panic"), Ok(()), "{place}");
            }
        });
        let mut history = History::open(place).expect("it opens");
        assert_eq!(history.points(Timestamp::MIN, None).expect("read").values().map(Vec::len).sum::<usize>(), 20);
    }
}

#[test]
fn a_history_of_the_first_version_is_brought_up_with_all_it_holds() {
    for place in &Places::new().places {
        let mut old = opened::open(place).expect("it opens");
        old.script("CREATE TABLE drillyard_history (version BIGINT NOT NULL, oldest BIGINT NOT NULL)").expect("made");
        old.script("INSERT INTO drillyard_history VALUES (1, 1)").expect("made");
        old.script(MIGRATIONS[0]).expect("made");
        old.script(
            "INSERT INTO runs VALUES ('1-a', 'a', 'run', '0.0.9', 'here', 1000, 5000, 'passed', 0);
             INSERT INTO drills VALUES ('1-a', 0, 'nightly', 'n.yaml', '', 15, '15.3', 'local', 1000, 3000, 'passed', NULL,
                                        2000, 60000, 2000, 0, NULL)",
        )
        .expect("written");
        let mut history = History::open(place).expect("it is brought up");
        let found = history.points(Timestamp::MIN, None).expect("read");
        let point = &found.values().next().expect("it is there")[0];
        assert_eq!((point.drill.rto_ms, point.drill.parts.len(), point.run.as_str()), (Some(2000), 0, "a"), "{place}");
        history.put_run(&run(7)).expect("written");
        history.put_drill(&drill(&run(7), "nightly", Outcome::Passed, 2000)).expect("with its parts");
        // The older program still writes, beside this one.
        old.script("INSERT INTO runs VALUES ('2-b', 'b', 'run', '0.0.9', 'here', 2000, NULL, NULL, NULL)")
            .expect("written");
        drop(history);
        let rows = old.query("SELECT version, oldest FROM drillyard_history", &[]).expect("read");
        assert_eq!((rows[0].number(0), rows[0].number(1), rows.len()), (Some(current()), Some(1), 1), "{place}");
    }
}

#[test]
fn a_newer_history_is_used_if_it_can_be_and_left_alone_if_not() {
    for place in &Places::new().places {
        drop(History::open(place).expect("it opens"));
        let mut newer = opened::open(place).expect("it opens");
        newer
            .script("ALTER TABLE drills ADD COLUMN weather TEXT; UPDATE drillyard_history SET version = 99")
            .expect("done");
        let mut history = History::open(place).expect("it only has more in it");
        history.put_run(&run(1)).expect("written");
        history.put_drill(&drill(&run(1), "nightly", Outcome::Passed, 2000)).expect("written");
        assert_eq!(history.points(Timestamp::MIN, None).expect("read").len(), 1);
        drop(history);
        newer.script("UPDATE drillyard_history SET oldest = 99").expect("done");
        let refused = History::open(place).err().expect("it is refused");
        assert!(refused.message.contains("of a newer drillyard"), "{refused}");
    }
}

#[test]
fn a_server_that_lets_nobody_make_a_schema_is_told() {
    let places = Places::new();
    let place = &places.places[1];
    let mut admin = opened::open(place).expect("it opens");
    admin.script("CREATE ROLE plain LOGIN PASSWORD 'plain'; DROP SCHEMA drillyard").expect("made");
    let port = places._server.port();
    let plain = format!("postgres://plain:plain@127.0.0.1:{port}/postgres");
    let plain = Place::parse(&plain, &Arc::new(ClientEnvironment::default())).expect("a place");
    let refused = History::open(&plain).err().expect("it is refused");
    assert!(refused.message.contains("permission denied for database postgres"), "{refused}");
    assert!(refused.help.is_some_and(|help| help.contains("CREATE on that database")));
    admin.script("CREATE SCHEMA drillyard AUTHORIZATION plain").expect("made");
    let mut history = History::open(&plain).expect("an administrator has made it");
    history.put_run(&run(1)).expect("written");
    assert!(!format!("{plain} {plain:?}").contains("plain:"), "no password");
}
