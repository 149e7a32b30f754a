//! Whatever happens in a run, all reports count the same.

use proptest::prelude::*;

use crate::journal::{
    BreakHead, BreakVerdict, Budget, BudgetName, Command, Event, Outcome, Problem, Sign, StepHead, TrafficCount,
};

use super::junit_schema::junit_errors;
use super::*;

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![4 => Just(Outcome::Passed), 1 => Just(Outcome::Failed), 1 => Just(Outcome::Errored), 1 => Just(Outcome::Skipped)]
}

#[derive(Debug, Clone)]
struct Drill {
    steps: Vec<(bool, Option<Outcome>, bool)>,
    budgets: Vec<Outcome>,
    end: Option<(Outcome, bool, bool)>,
    announced: bool,
    /// Acknowledged, checked, without a ledger; and how many of those checked are lost, where
    /// anybody looked.
    users: Option<(u64, u64, u64, Option<u64>)>,
    /// What came of the ways of breaking it, if it is proved, and of the proof.
    breaks: Vec<Option<BreakVerdict>>,
    proof: Option<Outcome>,
}

fn verdict() -> impl Strategy<Value = BreakVerdict> {
    let text = |text: &str| text.to_owned();
    let sign = Sign { by: text("a step"), place: text("a.yaml:1"), said: text("other rows") };
    prop_oneof![
        4 => Just(BreakVerdict::Noticed(sign)),
        1 => Just(BreakVerdict::Missed { passed: vec![text("a step")] }),
        1 => Just(BreakVerdict::Ignored { because: text("no matter") }),
        1 => Just(BreakVerdict::Errored { why: text("no Docker") }),
    ]
}

/// What became of a drill's users, as the drill counts it.
fn traffic() -> impl Strategy<Value = (u64, u64, u64, Option<u64>)> {
    let found = prop::option::of(0..3000_u64);
    (0..3000_u64, 0..3000_u64, 0..3000_u64, found).prop_map(|(checked, without, later, lost)| match lost {
        Some(lost) => (checked + without + later, checked, without, Some(lost.min(checked)).filter(|_| checked > 0)),
        None => (checked + without + later, 0, 0, None),
    })
}

fn drill() -> impl Strategy<Value = Drill> {
    let steps = prop::collection::vec((any::<bool>(), prop::option::weighted(0.8, outcome()), any::<bool>()), 0..5);
    let budgets = prop::collection::vec(outcome(), 0..3);
    let end = prop::option::weighted(0.8, (outcome(), any::<bool>(), any::<bool>()));
    let announced = prop::bool::weighted(0.9);
    let users = prop::option::of(traffic());
    let breaks = prop::collection::vec(prop::option::weighted(0.8, verdict()), 0..4);
    let proof = prop::option::weighted(0.8, outcome());
    let all = (steps, budgets, end, announced, users, breaks, proof);
    all.prop_map(|(steps, budgets, end, announced, users, breaks, proof)| Drill {
        steps,
        budgets,
        end,
        announced,
        users,
        breaks,
        proof,
    })
}

fn events(command: Command, drills: &[Drill], planned: usize, end: Option<(Outcome, u8)>, left: bool) -> Vec<Entry> {
    let text = |text: &str| text.to_owned();
    let mut events = vec![Event::RunStarted {
        run: text("7f3a"),
        version: text("0"),
        command,
        drills: planned,
        backend: text("local"),
        backend_reason: String::new(),
        seed: 1,
    }];
    for (drill, of) in drills.iter().enumerate() {
        let heads = of.steps.iter().enumerate().map(|(index, _)| StepHead {
            index,
            kind: text("sql"),
            name: text("the same name"),
            line: index + 1,
            ..StepHead::default()
        });
        if of.announced && command == Command::Prove {
            let name = |at: usize| format!("left-out {at}");
            let head = |at| BreakHead { name: name(at), step: Some(at), remedy: text("check more") };
            let breaks = (0..of.breaks.len()).map(head).collect();
            events.push(Event::ProofStarted { drill, name: text("a"), file: text("a.yaml"), breaks });
        }
        if of.announced {
            events.push(Event::DrillStarted {
                drill,
                name: text("a"),
                file: text("a.yaml"),
                about: String::new(),
                postgres: text("17.2"),
                backend: text("local"),
                seed: 1,
                settings: vec![],
                releases: Default::default(),
                steps: heads.collect(),
            });
        }
        for (index, (began, ended, problem)) in of.steps.iter().enumerate() {
            if *began {
                events.push(Event::StepStarted { drill, index, started_ms: 1 });
            }
            if let Some(outcome) = *ended {
                let problem = problem.then(|| Problem::new("broken"));
                let (message, facts) = (None, Default::default());
                let (started_ms, duration_ms) = (1, 2);
                events.push(Event::StepFinished {
                    drill,
                    index,
                    outcome,
                    started_ms,
                    duration_ms,
                    message,
                    problem,
                    facts,
                });
            }
        }
        for outcome in of.budgets.iter().copied() {
            let (measured_ms, max_ms) = (Some(1), Some(2));
            let name = BudgetName::Rto;
            let (measured_lost, max_lost, checked, not_checked) = (None, None, None, None);
            let budget = Budget { name, outcome, measured_ms, max_ms, measured_lost, max_lost, checked, not_checked };
            events.push(Event::BudgetJudged { drill, budget, problem: None });
        }
        if let Some((acknowledged, checked, without_ledger, lost)) = of.users {
            let (not_checked, duplicated) = (acknowledged - checked, lost.map(|_| 0));
            let id = text("users");
            let count = TrafficCount {
                id,
                acknowledged,
                checked,
                not_checked,
                without_ledger,
                lost,
                duplicated,
                ..Default::default()
            };
            events.push(Event::TrafficFinished { drill, count });
        }
        if let Some((outcome, message, problem)) = of.end {
            let message = message.then(|| text("told"));
            let problem = problem.then(|| Problem::new("told at length"));
            let again = text("again");
            events.push(Event::DrillFinished { drill, outcome, duration_ms: 9, message, problem, again, kept: false });
        }
        if command == Command::Prove {
            for (at, verdict) in of.breaks.iter().enumerate() {
                let Some(verdict) = verdict.clone() else { continue };
                events.push(Event::BreakTried { drill, name: format!("left-out {at}"), verdict });
            }
            let ended = of.proof.map(|outcome| Event::ProofFinished { drill, outcome, duration_ms: 10 });
            events.extend(ended);
        }
    }
    if let Some((outcome, exit_code)) = end {
        let left = if left { vec![text("container")] } else { vec![] };
        events.push(Event::CleanedUp { left, duration_ms: 1 });
        events.push(Event::RunFinished { outcome, exit_code, duration_ms: 10 });
    }
    let at = jiff::Timestamp::UNIX_EPOCH;
    events.into_iter().map(|event| Entry { at, elapsed_ms: 1, event }).collect()
}

/// The number in an attribute of an element's start.
fn attribute(element: &str, name: &str) -> usize {
    let after = element.split_once(&format!(" {name}=\"")).map_or("", |(_, after)| after);
    after.split('"').next().and_then(|number| number.parse().ok()).expect("a number")
}

fn count(items: &serde_json::Value, outcome: &str) -> usize {
    items.as_array().expect("a list").iter().filter(|item| item["outcome"] == outcome).count()
}

/// The same of the breaks of a drill that was proved.
fn count_breaks(drill: &serde_json::Value, outcome: &str) -> usize {
    let verdict = match outcome {
        "passed" => "noticed",
        "failed" => "missed",
        "skipped" => "ignored",
        other => other,
    };
    let breaks = drill["breaks"].as_array().into_iter().flatten();
    breaks.filter(|one| one["verdict"] == verdict).count()
}

/// What each report says of users.
struct Told {
    terminal: String,
    page: Vec<String>,
    xml: Vec<String>,
    markdown: String,
}

fn users_of(users: &TrafficCount) -> Told {
    let TrafficCount { acknowledged, checked, not_checked, lost, .. } = users;
    let number = |number: &u64| thousands(*number);
    let row = |name: &str, value: &str| format!("<tr><td>{name}</td><td>{value}");
    let property = |name: &str, value: &u64| format!("<property name=\"users.{name}\" value=\"{value}\"/>");
    let unknown = if *not_checked > 0 { format!(" ({} not checked)", number(not_checked)) } else { String::new() };
    let mut xml = vec![
        property("acknowledged", acknowledged),
        property("checked", checked),
        property("not_checked", not_checked),
    ];
    xml.extend(lost.as_ref().map(|lost| property("lost", lost)));
    Told {
        terminal: format!(
            "users: {} acknowledged, {} checked, {} not checked{}{}, ",
            number(acknowledged),
            number(checked),
            number(not_checked),
            facts::why_not_checked(users),
            lost.as_ref().map(|lost| format!(", {} lost", number(lost))).unwrap_or_default(),
        ),
        page: vec![
            row("acknowledged", &number(acknowledged)),
            row("checked", &number(checked)),
            row("not checked", &number(not_checked)),
            row("lost", &lost.as_ref().map_or("not checked".to_owned(), number)),
        ],
        xml,
        markdown: match lost {
            Some(lost) => format!("| {} of {}{unknown} |", number(lost), number(checked)),
            None if *not_checked > 0 => format!("| {} not checked |", number(not_checked)),
            None => "|  |".to_owned(),
        },
    }
}

/// The recorded run in which everything is wrong, with other texts.
fn with_text(text: &str) -> Vec<Entry> {
    let mut entries = journal("nasty");
    for entry in &mut entries {
        match &mut entry.event {
            Event::DrillStarted { name, file, postgres, .. } => {
                [name, file, postgres].map(|old| *old = text.to_owned())
            }
            Event::StepFinished { message: Some(message), problem: Some(problem), .. } => {
                [message, &mut problem.title, &mut problem.notes[0].text].map(|old| *old = text.to_owned())
            }
            _ => continue,
        };
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_text_breaks_a_report(text in "(?s)x(.|[\\x00-\\x1f<>&\"'`|]|\u{feff}|\u{ffff}|\\x1b\\]){0,30}") {
        let record = record(&with_text(&text));
        let xml = junit::render(&record).expect("XML");
        prop_assert_eq!(junit_errors(&xml), Vec::<String>::new(), "{}", xml);
        let read = quick_junit::Report::deserialize_from_str(&xml);
        prop_assert!(read.is_ok_and(|report| report.tests == 3 && report.failures == 1), "{xml}");
        let forbidden = |c: char| (c < ' ' && !"\n\r\t".contains(c)) || ('\u{fffe}'..='\u{ffff}').contains(&c);
        prop_assert!(!xml.contains(forbidden), "{xml:?}");
        let told: serde_json::Value = serde_json::from_str(&json::render(&record).expect("JSON")).expect("JSON");
        prop_assert_eq!(told["drills"][0]["name"].as_str(), Some(text.as_str()));
        // The tags are ours alone: a text changes neither their number nor the lines of the table.
        let (page, other) = (html::render(&record).expect("HTML"), with_text("x"));
        let other = super::record(&other);
        prop_assert_eq!(page.matches('<').count(), html::render(&other).expect("HTML").matches('<').count());
        let rows = |record: &RunRecord| markdown::markdown(record).lines().filter(|line| line.starts_with("| ")).count();
        prop_assert_eq!(rows(&record), rows(&other));
    }

    #[test]
    fn json_junit_and_the_terminal_count_the_same(
        command in prop_oneof![Just(Command::Run), Just(Command::Prove)],
        drills in prop::collection::vec(drill(), 0..5),
        missing in 0..2_usize,
        end in prop::option::weighted(0.9, (outcome(), 0..7_u8)),
        left in any::<bool>(),
    ) {
        let entries = events(command, &drills, drills.len() + missing, end, left);
        let record = record(&entries);
        let json: serde_json::Value = serde_json::from_str(&json::render(&record).expect("JSON")).expect("JSON");
        let xml = junit::render(&record).expect("XML");
        let paper = Paper::default();
        let options = TerminalOptions { color: false, progress: false, verbosity: Verbosity::Normal, width: 80 };
        tell(Terminal::new(options, Box::new(paper.clone())), &entries);
        let page = html::render(&record).expect("HTML");

        let annotations = Paper::default();
        tell(github::Github::new(Box::new(annotations.clone()), None, WriteFailures::default()), &entries);

        let drills = &json["drills"];
        let told = |outcome: &str| count(drills, outcome);
        let [passed, failed, errored, skipped] = ["passed", "failed", "errored", "skipped"].map(told);
        let line = format!("{passed} passed, {failed} failed, {errored} errored, {skipped} skipped in ");
        prop_assert!(paper.text().contains(&line), "{line} is not in\n{}", paper.text());
        prop_assert!(markdown::markdown(&record).contains(line.trim_end_matches(" in ")));
        for outcome in ["passed", "failed", "errored", "skipped"] {
            let card = format!("class=\"card {outcome}\"");
            prop_assert_eq!(page.matches(&card).count(), told(outcome));
        }

        let drill_list = drills.as_array().expect("a list");
        if command == Command::Prove {
            let breaks = |outcome: &str| drill_list.iter().map(|drill| count_breaks(drill, outcome)).sum::<usize>();
            let (noticed, counted) = (breaks("passed"), breaks("passed") + breaks("failed") + breaks("errored"));
            let score = format!("score: {noticed} of {counted} (");
            prop_assert!(drill_list.is_empty() || paper.text().contains(&score), "{score}\n{}", paper.text());
            for outcome in ["passed", "failed", "errored", "skipped"] {
                prop_assert_eq!(page.matches(&format!("<tr class=\"{outcome}\">")).count(), breaks(outcome));
            }
            let rows = markdown::markdown(&record).lines().filter(|line| line.contains("| left-out ")).count();
            prop_assert_eq!(rows, counted + breaks("skipped"));
        }
        for drill in record.drills.values() {
            let Some(users) = drill.traffic.first() else { continue };
            let told = users_of(users);
            // Of a drill that was skipped the terminal says no more than why.
            // Of a proof it says no more than what came of the breaks.
            let terminal = drill.outcome() == Outcome::Skipped || drill.proof.is_some() || paper.text().contains(&told.terminal);
            prop_assert!(terminal, "{}\n{}", told.terminal, paper.text());
            for part in told.page {
                prop_assert!(page.contains(&part), "{part}\n{page}");
            }
            for part in told.xml {
                prop_assert!(xml.contains(&part), "{part}\n{xml}");
            }
            let in_table = command == Command::Prove || markdown::markdown(&record).contains(&told.markdown);
            prop_assert!(in_table, "{}", told.markdown);
        }
        let numbers: Vec<_> = drills.as_array().expect("a list").iter().flat_map(|drill| drill["traffic"].as_array()).flatten().collect();
        let counted = record.drills.values().flat_map(|drill| &drill.traffic);
        for (told, count) in numbers.into_iter().zip(counted) {
            let of = |name: &str| told[name].as_u64();
            prop_assert_eq!(of("acknowledged"), Some(count.acknowledged));
            prop_assert_eq!(of("checked").zip(of("not_checked")).map(|(a, b)| a + b), of("acknowledged"));
            prop_assert_eq!(of("lost"), count.lost);
            prop_assert!(count.checked > 0 || told["lost"].is_null());
        }
        prop_assert_eq!(junit_errors(&xml), Vec::<String>::new(), "{}", xml);

        let suites: Vec<&str> = xml.lines().filter(|line| line.contains("<testsuite ")).collect();
        for (drill, suite) in drill_list.iter().zip(&suites) {
            let breaks = |outcome: &str| count_breaks(drill, outcome);
            let parts = |outcome: &str| count(&drill["steps"], outcome) + count(&drill["budgets"], outcome) + breaks(outcome);
            let lengths = ["steps", "budgets", "breaks"].map(|name| drill[name].as_array().map_or(0, Vec::len));
            let cases = lengths.iter().sum::<usize>();
            // A case for the drill itself, where its outcome is not that of a part.
            let own = attribute(suite, "tests") - cases;
            prop_assert!(own <= 1);
            let own_of = |outcome: &str| if drill["outcome"] == outcome { own } else { 0 };
            prop_assert_eq!(attribute(suite, "failures"), parts("failed") + own_of("failed"), "{}\n{}", suite, drill);
            prop_assert_eq!(attribute(suite, "errors"), parts("errored") + own_of("errored"), "{}\n{}", suite, drill);
            let (failures, errors) = (attribute(suite, "failures"), attribute(suite, "errors"));
            match drill["outcome"].as_str() {
                Some("failed") => prop_assert!(failures > 0),
                Some("errored") => prop_assert!(errors > 0),
                _ => prop_assert_eq!((failures, errors), (0, 0)),
            }
        }
        let all = xml.lines().find(|line| line.contains("<testsuites ")).expect("the root");
        let green = attribute(all, "failures") + attribute(all, "errors") == 0;
        let passes = ["passed", "skipped"].contains(&json["outcome"].as_str().expect("an outcome"));
        prop_assert_eq!(green, passes && json["left"].is_null(), "{}\n{}", xml, json);
        prop_assert_eq!(green, !annotations.text().contains("::error "), "{}\n{}", annotations.text(), json);
        let badge = format!("<span class=\"badge {}\">", json["outcome"].as_str().expect("an outcome"));
        prop_assert!(page.contains(&badge), "{badge} is not in\n{page}");
        let code = json["exit_code"].as_u64().map_or("none: the run broke off".to_owned(), |code| code.to_string());
        prop_assert!(page.contains(&format!("<dd>{code}</dd>")), "{code} is not in\n{page}");
    }
}
