//! What people do in each drill that ships, and what is left for the drill to do and to check: the
//! table is reviewed like code. Is it what somebody who reads the drill would take it for?

#[path = "common/scenarios.rs"]
mod scenarios;

use std::fmt::Write;

use drillyard::plan::{Plan, people, resolve};
use drillyard::report::render;
use drillyard::scenario::{Values, is_fragment, load};
use drillyard::source::Source;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

fn plan(file: &str, text: &str) -> Plan {
    // What the drills over production need from outside.
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let set = [
        set("prod", "postgresql://drill@db.example/shop"),
        set("stanza", "main"),
        set("config", "/etc/pgbackrest.conf"),
        set("backups", "/srv/backup/*"),
        set("wal", "/srv/wal"),
        set("server", "main"),
        set("url", "s3://backups/main"),
        set("credentials", "/etc/backup/credentials"),
        set("dumps", "/srv/dumps/*"),
        set("globals", "/srv/dumps/globals-*.sql"),
    ];
    let source = Source::new(file.to_owned(), text);
    let plan = load(source, Values::none(), &set).and_then(resolve);
    plan.unwrap_or_else(|problems| {
        panic!("{file}\n{}", problems.iter().map(|problem| render(problem, false)).collect::<String>())
    })
}

/// `recover rescue, until before accident (line 30)`.
fn step(plan: &Plan, index: usize) -> String {
    let step = &plan.steps[index];
    let id = step.head.id.as_ref().map(|id| format!("[{id}] ")).unwrap_or_default();
    let place = step.head.place().replace(&format!("{PROJECT}/"), "");
    format!("{id}{} ({}, {place})", step.head.name, step.head.kind)
}

fn row(plan: &Plan) -> String {
    let mut row = String::new();
    let people = match people(plan) {
        Ok(people) => people,
        Err(problem) => return format!("  NOT PLAYABLE: {}\n", problem.text().replace('\n', "\n    ")),
    };
    let mut write = |name: &str, text: String| writeln!(row, "  {name:9} {text}").expect("written");
    write("incident", people.incident.map_or("none".to_owned(), |index| step(plan, index)));
    write("begins", step(plan, people.begins));
    let parts = [("opening", &people.opening), ("theirs", &people.theirs), ("closing", &people.closing)];
    for (name, steps) in parts.into_iter().chain([("judge", &people.judge)]) {
        for index in steps {
            write(name, step(plan, *index));
            for line in plan.steps.iter().filter(|line| line.head.group == Some(*index) && name == "judge") {
                write("", step(plan, line.head.index));
            }
        }
    }
    for (index, why) in &people.left_out {
        write("left out", format!("{}: {why}", step(plan, *index)));
    }
    if !people.adopt.is_empty() {
        write("adopt", people.adopt.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    }
    row
}

#[test]
fn what_people_do_in_each_drill_that_ships() {
    let mut table = String::new();
    for path in scenarios::below("scenarios") {
        let file = path.strip_prefix(PROJECT).expect("below the project").display().to_string();
        let text = std::fs::read_to_string(&path).expect("a drill");
        if is_fragment(&Source::new("", text.as_str())) {
            continue;
        }
        let plan = plan(&path.display().to_string(), &text);
        writeln!(table, "{file}\n{}", row(&plan)).expect("written");
    }
    insta::assert_snapshot!(table);
}

/// People do steps in their own way: an incident during one of those would never happen.
#[test]
fn a_drill_with_an_incident_during_a_step_of_theirs_is_not_played() {
    const BEFORE: &str = "drillyard: 1
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
steps:
  - { id: rows, create_data: { node: master, table: items, rows: 10 } }
  - { id: nightly, backup: { node: master } }
  - { id: late, sql: { node: master, query: SELECT pg_sleep(1) } }
  - { id: accident, drop_table: { node: master, table: items }, during: { step: late } }
";
    let recovery = "
  - { id: back, recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }, expect: { fails: rescue } }
  - { kill_host: { node: rescue }, during: { step: back } }
  - { recover: { node: again, backup: nightly, until: { before: accident }, then: promote } }
";
    let check = "  - assert_rows: { node: master, table: items, count: 10 }\n";
    let inside = |text: &str| text.replace("\n  ", "\n          ");
    let team = format!("  - team:\n      judge:{}      auto:{}", inside(&format!("\n{check}")), inside(recovery));
    for steps in [format!("{recovery}{check}"), team] {
        let problem = people(&plan("drill.yaml", &format!("{BEFORE}{steps}"))).expect_err("nobody plays it");
        assert_eq!(problem.title, "people cannot play this drill: `kill_host` happens during a step of theirs");
        assert_eq!(problem.places[0].label, "people do `back` in their own way, whenever they want");
    }
    // What happens before they begin happens.
    let whole =
        people(&plan("drill.yaml", &format!("{BEFORE}{}{check}", recovery.replace(", during: { step: back }", ""))));
    assert_eq!(whole.expect("people play it").incident, Some(3));
}

/// The breaks of a plan that leave out SQL.
fn sql_left_out(plan: &Plan) -> Vec<String> {
    let names = plan.breaks.iter().map(|one| one.name.clone());
    names.filter(|name| name.starts_with("left-out sql")).collect()
}

/// SQL is a part of the recovery if it changes what that has brought: neither what users do
/// meanwhile, nor a row that is written to see whether the server takes it.
#[test]
fn sql_that_repairs_is_told_from_what_users_do() {
    let text = "drillyard: 1
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
steps:
  - { id: rows, create_data: { node: master, table: items, rows: 10 } }
  - { id: nightly, backup: { node: master } }
  - { id: first, drop_table: { node: master, table: items } }
  - wait_archived: { node: master, through: first }
  - recover: { node: early, backup: nightly, until: { before: first }, then: promote }
  - sql: { node: early, query: DELETE FROM items WHERE id = 1 }
  - { id: accident, overwrite: { node: early, query: DELETE FROM items } }
  - sql: { node: master, query: UPDATE items SET id = 1 }
  - recover: { node: rescue, backup: nightly, until: { before: first }, then: promote }
  - sql: { node: master, query: UPDATE items SET id = 2 }
  - { id: repaired, sql: { node: rescue, query: ALTER TABLE items RENAME TO items_as_they_were } }
  - sql: { node: rescue, query: 'INSERT INTO other VALUES (1)' }
  - sql: { node: rescue, query: SELECT count(*) FROM items_as_they_were }
  - { id: old, dump: { node: rescue, tables: [items_as_they_were] } }
  - { reimport: { dump: old, node: master } }
  - sql: { node: master, query: INSERT INTO items SELECT * FROM items_as_they_were }
  - { sql: { node: master, query: DROP TABLE nothing }, expect: { fails: nothing } }
  - assert_rows: { node: master, table: items, count: 10 }
";
    let plan = plan("drill.yaml", text);
    assert_eq!(sql_left_out(&plan), ["left-out sql:master"]);
    assert!(plan.breaks.iter().any(|one| one.name == "left-out repaired"));
    let people = people(&plan).expect("people play it");
    let theirs: Vec<String> = people.theirs.iter().map(|index| plan.steps[*index].head.name.clone()).collect();
    assert_eq!(theirs.last().map(String::as_str), Some("INSERT INTO items SELECT * FROM items_as_they_were on master"));
}

/// The mistake may be SQL itself: what a recovery goes back before. What it is about is no repair.
#[test]
fn sql_that_repairs_what_sql_has_spoilt() {
    let drill = |accident: &str| {
        let text = format!(
            "drillyard: 1
repos: {{ onsite: {{}} }}
nodes: {{ master: {{ archive_to: onsite }} }}
steps:
  - {{ create_data: {{ node: master, table: items, rows: 10 }} }}
  - {{ id: nightly, backup: {{ node: master }} }}
  - sql: {{ node: master, query: DELETE FROM items WHERE id = 1 }}
  - {{ id: accident, sql: {{ node: master, query: UPDATE items SET id = -id }} }}
  - recover: {{ node: rescue, backup: nightly, until: {{ {accident}: accident }}, then: promote }}
  - {{ id: old, dump: {{ node: rescue, tables: [items] }} }}
  - {{ reimport: {{ dump: old, node: master }} }}
  - sql: {{ node: master, query: UPDATE items SET id = 2 }}
  - {{ id: again, sql: {{ node: master, query: UPDATE items SET id = 3 }} }}
  - recover: {{ node: other, backup: nightly, until: {{ {accident}: again }}, then: promote }}
  - assert_rows: {{ node: master, table: items, count: 10 }}
"
        );
        let plan = plan("drill.yaml", &text);
        let names = plan.breaks.iter().map(|one| one.name.clone());
        names
            .filter(|name| name.contains("sql") || name.contains("accident") || name.contains("again"))
            .collect::<Vec<_>>()
    };
    assert_eq!(drill("before"), ["left-out sql:master"]);
    // Nothing is undone.
    assert!(drill("after").is_empty());
}

#[test]
fn sql_that_repairs_in_the_drills_that_ship() {
    let mut found = vec![];
    for path in scenarios::below("scenarios") {
        let text = std::fs::read_to_string(&path).expect("a drill");
        if is_fragment(&Source::new("", text.as_str())) {
            continue;
        }
        let plan = plan(&path.display().to_string(), &text);
        found.extend(sql_left_out(&plan).into_iter().map(|name| format!("{}: {name}", plan.name)));
    }
    assert_eq!(found, ["dropped-column: left-out sql:rescue", "dropped-column: left-out sql:master"]);
}
