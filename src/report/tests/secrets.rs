//! Whatever a run's secrets are, none of them is in any report, and every report is still whole.

use proptest::prelude::*;

use crate::journal::{
    BreakHead, BreakOutline, BreakVerdict, Command, CommandRun, Event, Facts, Form, HintOutline, InjectOutline,
    Journal, Language, NodeOutline, Outcome, PeopleOutline, Place, Placeholder, PlanOutline, Problem, Redactor,
    RpoOutline, RtoOutline, Sign, StepHead, StepOutline, TrapOutline,
};

use super::*;

/// A run in which every text that is not drillyard's own is this one.
fn events(text: &str) -> Vec<Event> {
    let own = || text.to_owned();
    let place =
        Place { file: own(), line: 3, column: 5, width: 4, text: format!("  - {text}"), label: own(), used: None };
    let problem = Problem::new(own()).at(place).note("log", own()).help(own());
    let head_of = |name: &str| BreakHead { name: format!("{name} {text}"), step: Some(0), remedy: own() };
    let tried = |name: &str, verdict| Event::BreakTried { drill: 1, name: format!("{name} {text}"), verdict };
    let mut facts = Facts::new();
    facts.insert("output".to_owned(), serde_json::json!({ "lines": [text], text: { "said": text } }));
    facts.insert(format!("rows of {text}"), 7.into());
    let head = head(text);
    vec![
        Event::RunStarted {
            run: "7f3a".to_owned(),
            version: "0".to_owned(),
            command: Command::Prove,
            drills: 1,
            backend: "local".to_owned(),
            backend_reason: own(),
            seed: 1,
        },
        Event::DrillStarted {
            drill: 0,
            name: own(),
            file: own(),
            about: own(),
            postgres: "17.2".to_owned(),
            backend: "local".to_owned(),
            seed: 1,
            settings: vec![own()],
            releases: [(own(), "17.1".to_owned())].into(),
            steps: vec![head],
        },
        Event::NodeReady { drill: 0, node: own(), duration_ms: 1 },
        Event::StepStarted { drill: 0, index: 0, started_ms: 1 },
        Event::StepWaiting { drill: 0, index: 0, waiting_for: own() },
        Event::CommandRun {
            drill: 0,
            index: 0,
            command: Box::new(CommandRun {
                about: own(),
                node: own(),
                language: Language::Shell,
                text: own(),
                form: Form::Exact,
                duration_ms: Some(1),
                checks: vec![own()],
                placeholders: vec![Placeholder { name: own(), value: own(), about: own() }],
            }),
        },
        Event::StepFinished {
            drill: 0,
            index: 0,
            outcome: Outcome::Failed,
            started_ms: 1,
            duration_ms: 2,
            message: Some(own()),
            problem: Some(problem.clone()),
            facts,
        },
        Event::NodeKept { drill: 0, node: own(), shell: format!("drillyard shell 7f3a/{text}") },
        Event::Warned { drill: Some(0), message: own() },
        Event::Warned { drill: None, message: own() },
        Event::DrillFinished {
            drill: 0,
            outcome: Outcome::Failed,
            duration_ms: 9,
            message: Some(own()),
            problem: Some(problem),
            again: own(),
            kept: true,
        },
        Event::ProofStarted { drill: 1, name: own(), file: own(), breaks: vec![head_of("a"), head_of("b")] },
        tried("a", BreakVerdict::Noticed(Sign { by: own(), place: own(), said: own() })),
        tried("b", BreakVerdict::Missed { passed: vec![own()] }),
        tried("c", BreakVerdict::Ignored { because: own() }),
        tried("d", BreakVerdict::Errored { why: own() }),
        Event::DrillFinished {
            drill: 1,
            outcome: Outcome::Passed,
            duration_ms: 9,
            message: None,
            problem: None,
            again: own(),
            kept: false,
        },
        Event::ProofFinished { drill: 1, outcome: Outcome::Failed, duration_ms: 9 },
        Event::PlanMade { plan: Box::new(plan(text)) },
        Event::CleanedUp { left: vec![own()], duration_ms: 1 },
        Event::RunFinished { outcome: Outcome::Failed, exit_code: 1, duration_ms: 10 },
    ]
}

/// A step with the text in what a scenario says of it.
fn head(text: &str) -> StepHead {
    StepHead {
        index: 0,
        id: Some(text.to_owned()),
        kind: "exec".to_owned(),
        name: text.to_owned(),
        line: 3,
        recovers: true,
        ..StepHead::default()
    }
}

/// A plan of which the same is true.
fn plan(text: &str) -> PlanOutline {
    let own = || text.to_owned();
    let head = head(text);
    PlanOutline {
        name: own(),
        file: own(),
        about: own(),
        postgres: vec![17],
        timeout_ms: 1,
        nodes: vec![NodeOutline {
            name: own(),
            follows: Some(own()),
            archive_to: Some(own()),
            releases: vec![],
            external: false,
            settings: vec![(own(), own())],
            made_by: None,
        }],
        repos: vec![(own(), Some(own()))],
        steps: vec![StepOutline {
            head,
            within_ms: 1,
            within: Some(own()),
            fails: Some(own()),
            when: None,
            finally: false,
            refers: vec![own()],
            part: None,
        }],
        people: Some(PeopleOutline {
            brief: Some(own()),
            within_ms: Some(1),
            auto: vec![0],
            judge: vec![0],
            adopt: vec![own()],
            hints: vec![HintOutline { text: own(), costs: 1, after_ms: 0 }],
            injects: vec![InjectOutline { after_ms: Some(1), when: None, say: Some(own()), steps: vec![] }],
            traps: vec![TrapOutline { name: own(), when: 0, costs: 1 }],
        }),
        rto: Some(RtoOutline { from: own(), to: own(), max_ms: 1, of_last: None }),
        rpo: Some(RpoOutline { traffic: own(), max_lost: Some(0), max_time_ms: None, only_checked: false }),
        breaks: vec![BreakOutline { name: own(), ignored: Some(own()) }],
        checks: true,
    }
}

/// Every report of these events, by its name.
fn reports(events: Vec<Event>, redactor: Redactor) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (terminal, github) = (Paper::default(), Paper::default());
    fs::write(path("summary"), "").expect("a file");
    let options = TerminalOptions { color: false, progress: false, verbosity: Verbosity::Verbose, width: 80 };
    let options = ReportOptions {
        terminal: Some((options, Box::new(terminal.clone()))),
        files: FORMATS.iter().map(|format| (format, path(format.name))).collect(),
        github: Some(GithubOptions { out: Box::new(github.clone()), summary: Some(path("summary")) }),
        pipes: vec![],
    };
    let journal = Journal::new(options.open().expect("reports").listeners, redactor);
    events.into_iter().for_each(|event| journal.write(event));
    drop(journal);
    let read = |name: &str, path: &Path| (name.to_owned(), fs::read_to_string(path).expect("a report"));
    let files = FORMATS.iter().map(|format| read(format.name, &format.file(&path(format.name))));
    let papers = [("terminal".to_owned(), terminal.text()), ("github".to_owned(), github.text())];
    files.chain([read("summary", &path("summary"))]).chain(papers).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn none_is_in_any_report(
        secret in prop_oneof!["[a-zA-Z0-9]{9,20}", "[a-zß\"\\\\'{}:/@# ]{4,20}Q[0-9]{3}ü"],
        line in "[A-Z0-9+/]{20}",
        others in prop::collection::vec(
            prop::sample::select(vec!["2026", "step", "fail", "passed", "event", "null", "\"", "{", "a", "0", "***", "drill"]),
            0..4,
        ),
        around in "[ a-z]{0,5}",
    ) {
        let several = format!("-----BEGIN KEY-----\n{line}\n-----END KEY-----\n");
        let all = [secret.clone(), several.clone()].into_iter().chain(others.iter().map(|text| (*text).to_owned()));
        let json = serde_json::Value::from(secret.as_str()).to_string();
        let text = format!("{around}{secret}{around} {json} {several}");
        let hidden = [secret.as_str(), json.trim_matches('"'), line.as_str()];
        for (name, report) in reports(events(&text), Redactor::of(all)) {
            for hidden in hidden {
                prop_assert!(!report.contains(hidden), "{hidden} is in {name}:\n{report}");
            }
            match name.as_str() {
                "events" => {
                    let entries = report.lines().map(serde_json::from_str::<Entry>).collect::<Result<Vec<_>, _>>();
                    let entries = entries.expect("every line is an event");
                    prop_assert_eq!(entries.len(), events("").len());
                }
                "json" => {
                    let told: serde_json::Value = serde_json::from_str(&report).expect("JSON");
                    prop_assert_eq!(&told["outcome"], "failed");
                    prop_assert_eq!(&told["drills"][0]["steps"][0]["kind"], "exec");
                }
                "junit" => prop_assert!(quick_junit::Report::deserialize_from_str(&report).is_ok(), "{report}"),
                _ => {}
            }
        }
    }
}
