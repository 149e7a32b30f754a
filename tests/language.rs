//! Every key and every form of a value in docs/language.md is accepted: scenarios written to that
//! page by people who never saw the code must run. That the page names every key and every step is
//! compared in tests/docs.

use drillyard::plan::{Plan, people as people_of, resolve};
use drillyard::report::render;
use drillyard::scenario::{Values, load};
use drillyard::source::Source;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// Reads and resolves a scenario, as `check` does; its errors as `check` shows them.
fn read(text: &str) -> Result<Plan, String> {
    let env = |name: &str| (name == "PROD_URL").then(|| "postgresql://drill@db.example/shop".to_owned());
    let secrets = |name: &str| (name == "password").then(|| "hunter2".to_owned());
    let source = Source::new(format!("{PROJECT}/scenarios/page.yaml"), text);
    let scenario = load(source, Values::new(Box::new(env), Box::new(secrets)), &[]);
    scenario.and_then(resolve).map_err(|problems| problems.iter().map(|problem| render(problem, false)).collect())
}

fn accepted(text: &str) -> Plan {
    read(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// A file with a backup, users, and an accident, and these steps after them.
fn with_steps(steps: &str) -> Plan {
    let steps: String = steps.lines().map(|line| format!("  {line}\n")).collect();
    accepted(&format!(
        "drillyard: 1
repos: {{ onsite: {{}}, offsite: {{ copy_of: onsite }} }}
nodes:
  master: {{ archive_to: onsite }}
  standby: {{ follows: master }}
  prod: {{ external: {{ url: \"${{env.PROD_URL}}\" }} }}
steps:
  - id: data
    create_data: {{ node: master, table: items, rows: 10 }}
  - id: nightly
    backup: {{ node: master, repo: onsite }}
  - id: users
    traffic: {{ node: master, transactions: {{ visit: {{ sql: SELECT 1 }} }} }}
  - id: release
    mark: {{ node: master }}
  - id: before
    snapshot: {{ node: master, tables: [items] }}
  - id: accident
    drop_table: {{ node: master, table: items, cascade: true }}
{steps}"
    ))
}

#[test]
fn the_file_of_the_page() {
    let plan = accepted(
        "drillyard: 1
name: dropped-table
about: A developer drops a table and goes to lunch; users keep writing.
tags: [pitr, human-error]
postgres: [15, 17]
params: { rows: 100000 }
timeout: 10m
repos:
  onsite: {}
  offsite: { copy_of: onsite }
nodes:
  master: { archive_to: onsite, settings: { archive_timeout: 5s } }
  standby: { follows: master }
  prod: { external: { url: \"${env.PROD_URL}\" } }
budgets:
  rto: { from: accident, to: imported, max: 60s }
  rpo: { traffic: users, max_lost: 0 }
steps:
  - create_data: { table: visits, rows: \"${params.rows}\" }
  - id: users
    traffic:
      transactions:
        visit:
          sql: INSERT INTO visits (client, seq) VALUES ($client, $seq)
          ledger: { table: visits, client: client, seq: seq }
          weight: 2
          tolerate: [undefined_table, \"40001\"]
      clients: 2
      rate: 100
  - id: accident
    drop_table: { table: visits }
  - id: imported
    sql: { query: SELECT 1 }
  - assert_traffic: { traffic: users }
finally:
  - stop_traffic: users
  - assert_primary: {}
",
    );
    assert_eq!((plan.name.as_str(), plan.postgres.as_slice()), ("dropped-table", &[15, 17][..]));
    assert_eq!(plan.timeout.as_secs(), 600);
    assert_eq!(plan.steps.iter().filter(|step| step.finally).count(), 2);
    let prod = plan.nodes["prod"].external.as_ref().map(|address| &address.conninfo);
    assert_eq!(prod.and_then(|conninfo| conninfo.get("host")), Some("db.example"));
    assert!(plan.rto.is_some() && plan.rpo.is_some());
}

#[test]
fn the_least_that_a_file_can_be() {
    let plan = accepted("drillyard: 1\nrepos: { x: {} }\nnodes: { a: {} }\nsteps:\n  - assert_primary: {}\n");
    assert_eq!((plan.name.as_str(), plan.timeout.as_secs()), ("page", 900));
    accepted("drillyard: 1\nrepos:\n  x:\nnodes:\n  a:\nsteps:\n  - assert_primary: { node: a }\n");
    accepted(
        "drillyard: 1\nrepos: { x: { kind: directory } }\nnodes: { a: {} }\nsteps:\n  - assert_primary:\n      node: a\n",
    );
}

#[test]
fn common_keys() {
    let plan = with_steps(
        "- id: one
  name: in words
  within: 1m 30s
  expect: { fails: \"does not exist\" }
  when: { postgres: \">=15, <18\" }
  sql: { node: master, query: SELECT 1 }
- when: { postgres: 17 }
  within: 500ms
  assert_primary: { node: master }",
    );
    let one = plan.steps.iter().find(|step| step.head.id.as_deref() == Some("one")).expect("the step");
    assert_eq!((one.head.name.as_str(), one.deadline.as_secs()), ("in words", 90));
    assert!(one.fails.is_some() && one.when.is_some());
}

#[test]
fn data_and_load() {
    with_steps(
        "- create_data: { node: master, table: shop.orders, rows: 5, columns: { id: bigint primary key, note: text } }
- create_data: { node: master, file: fixtures/shop.sql }
- create_data: { table: '\"Weird Schema\".\"Order Items\"', rows: 5 }
- sql: { node: master, query: \"UPDATE items SET note = $1 WHERE id = $2\", args: [paid, 17] }
- sql: { node: master, query: \"SELECT $1, $2, $3, $4\", args: [null, true, 1.5, \"x\"] }
- sql: { node: master, file: fixtures/shop.sql }
- sql: { query: \"SELECT 1; SELECT 2\" }
- id: more
  traffic:
    nodes: [master, standby]
    clients: 8
    rate: 0.5
    transactions: { a: { sql: SELECT 1, weight: 3, tolerate: [undefined_table, unique_violation, 42P01] } }
- wait_for: { traffic: users, acked: 2000 }
- wait_for: { traffic: users, acked: 2000, since: accident }
- wait_for: { node: standby, query: SELECT count(*) FROM items, equals: 100 }
- wait_for: { query: SELECT true, equals: true }
- wait_for: { node: standby, log: started streaming WAL }
- stop_traffic: users",
    );
}

#[test]
fn incidents_and_protection() {
    with_steps(
        "- id: second
  truncate_table: { node: master, table: orders }
- drop_table: { table: '\"Weird Schema\".\"Order Items\"' }
- id: weekly
  backup: { node: master }
- id: third
  backup: {}
- id: point
  mark: {}
- wait_archived: { node: master }
- wait_archived: { node: master, through: point }
- wait_archived: { node: master, through: nightly }
- wait_archived: { through: second }
- sync: { repo: offsite }",
    );
}

#[test]
fn every_target_of_a_recovery() {
    for until in [
        "latest",
        "end_of_backup",
        "{ before: accident }",
        "{ before: accident, minus: 1s }",
        "{ after: accident }",
        "{ before: nightly }",
        "{ after: release }",
        "{ mark: release }",
        "{ time: 2026-11-22T14:00:00Z }",
        "{ time: \"2026-11-22 14:00:00.5+01:00\" }",
        "{ lsn: 0/3000028 }",
        "{ xid: 745 }",
    ] {
        for then in ["promote", "pause", "shutdown", "{ follow: master }"] {
            let step = format!("- recover: {{ node: rescue, backup: nightly, until: {until}, then: {then} }}");
            let plan = with_steps(&step);
            assert_eq!(plan.made, ["rescue"], "{step}");
        }
    }
    for by in ["time", "xid", "lsn"] {
        with_steps(&format!(
            "- recover: {{ node: r, backup: nightly, until: {{ before: accident }}, by: {by}, then: promote }}"
        ));
    }
    for until in ["{ mark: release }", "{ before: release }", "{ after: release }"] {
        with_steps(&format!("- recover: {{ node: r, backup: nightly, until: {until}, by: name, then: promote }}"));
    }
    with_steps(
        "- sync: { repo: offsite }
- recover: { node: r, backup: nightly, repo: offsite, until: { before: accident }, then: pause }
- recover: { node: r, until: { after: accident }, then: shutdown }
- recover: { node: r, until: latest, then: promote }
- assert_primary: { node: r }",
    );
}

#[test]
fn recovery() {
    with_steps(
        "- promote: { node: standby }
- recover: { node: rescue, backup: nightly, until: latest, then: promote }
- id: tables
  dump: { node: rescue, tables: [items, shop.orders], dependents: true }
- id: schemas
  dump: { node: rescue, schemas: [shop] }
- reimport: { dump: tables, node: master }
- reimport: { dump: schemas }",
    );
}

#[test]
fn judgement() {
    with_steps(
        "- assert_rows: { node: master, query: SELECT 1, equals: [[1]] }
- assert_rows: { query: SELECT 1 WHERE false, equals: [], allow_empty: true }
- assert_rows: { query: \"SELECT $1, NULL, true, 1.10, 'x'\", args: [5], equals: [[5, null, true, 1.10, x]] }
- assert_rows: { node: master, table: items, count: 10 }
- assert_rows: { node: master, table: items, count: 0, allow_empty: true }
- assert_rows: { node: master, table: items, same_as: before }
- assert_rows: { node: master, table: items, same_as: data }
- assert_rows: { node: prod, table: items, same_as: standby }
- id: whole
  snapshot: { tables: [items], catalog_only: true }
- assert_catalog: { node: master, same_as: before }
- assert_traffic: { traffic: users, node: master, lost: 0, duplicated: 0 }
- assert_traffic: { traffic: users, node: standby, before: accident }
- assert_traffic: { traffic: users, allow_empty: true }
- assert_streaming: { standby: standby, primary: master }
- assert_log: { node: master, has: started }
- assert_log: { node: master, lacks: PANIC, since: accident }
- assert_in_recovery: { node: standby }
- assert_primary: { node: master }
- all:
    - assert_primary: { node: master }
    - id: inside
      name: a line with common keys
      assert_in_recovery: { node: standby }",
    );
}

#[test]
fn people() {
    let plan = with_steps(
        "- id: back
  name: Orders are failing
  within: 45m
  team:
    brief: |
      Support reports that no order can be placed since about noon.
    hints:
      - { text: \"Which tables are there?\", costs: 5 }
      - { after: 15m, text: \"The backup and the WAL archive are whole.\" }
    injects:
      - { after: 5m, say: \"The managing director asks how long it will take.\" }
      - { when: { node: master, log: ready }, say: \"Hurry.\", steps: [ { crash: { node: standby } } ] }
      - when: { query: SELECT 1, equals: 1 }
        steps:
          - id: second
            overwrite: { node: master, query: DELETE FROM items }
          - wait_archived: { node: master, through: second }
    adopt: [rescue]
    judge:
      - assert_traffic: { traffic: users, node: master, lost: 0 }
      - all:
          - assert_primary: { node: rescue }
          - assert_rows: { node: rescue, table: items, same_as: data }
    auto:
      - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
      - id: orders
        dump: { node: rescue, tables: [items], dependents: true }
      - reimport: { dump: orders, node: master }
    traps:
      - { name: the standby was promoted, when: { node: standby, log: received promote request }, costs: 20 }
- assert_primary: { node: rescue }",
    );
    let people = people_of(&plan).expect("people can play it");
    let kind = |index: &usize| plan.steps[*index].head.kind.as_str();
    let kinds = |indices: &[usize]| indices.iter().map(kind).collect::<Vec<_>>().join(" ");
    assert_eq!(people.incident.as_ref().map(kind), Some("drop_table"));
    assert_eq!((kind(&people.begins), people.within.map(|within| within.as_secs())), ("team", Some(2700)));
    assert_eq!(kinds(&people.theirs), "recover dump reimport");
    assert_eq!(kinds(&people.judge), "assert_traffic all");
    assert_eq!(kinds(&people.closing), "assert_primary");
    assert_eq!(people.left_out, []);
    assert_eq!(people.adopt, ["rescue"]);
    assert_eq!(people.brief.as_deref(), Some("Support reports that no order can be placed since about noon."));
    assert_eq!(
        people.hints.iter().map(|hint| (hint.costs, hint.after.as_secs())).collect::<Vec<_>>(),
        [(5, 0), (0, 900)]
    );
    let [by_time, by_log, by_query] = people.injects.as_slice() else { panic!("{:?}", people.injects) };
    assert_eq!((by_time.after.map(|after| after.as_secs()), by_time.when, by_time.steps.len()), (Some(300), None, 0));
    assert_eq!((by_log.say.as_deref(), kinds(&by_log.steps).as_str()), (Some("Hurry."), "crash"));
    assert_eq!(kinds(&by_query.steps), "overwrite wait_archived");
    let [trap] = people.traps.as_slice() else { panic!("{:?}", people.traps) };
    for moment in [by_log.when.expect("a moment"), by_query.when.expect("a moment"), trap.when] {
        // It may come as long as people are at work.
        assert_eq!((kind(&moment), plan.steps[moment].deadline.as_secs()), ("wait_for", 2700));
    }
}

#[test]
fn people_alone_make_servers_of_any_name() {
    let plan = with_steps(
        "- team:
    adopt: [new, newer]
    judge: [ { assert_rows: { node: new, table: items, same_as: data } } ]",
    );
    assert_eq!(plan.made, ["new", "newer"]);
    assert!(plan.only_for_people().expect("nobody else can play it").text().contains("no `auto`"));
}

#[test]
fn references_stand_in_scalars() {
    let plan = accepted(
        "drillyard: 1
params: { rows: 5, table: items, quick: true, node: master, wait: 5s }
nodes: { master: {}, prod: { external: { url: \"postgresql://drill:${secrets.password}@db/shop\" } } }
steps:
  - create_data: { node: master, table: \"shop.${params.table}\", rows: \"${params.rows}\" }
  - within: ${params.wait}
    id: rows
    snapshot: { node: \"${params.node}\", tables: [\"${params.table}\"], catalog_only: \"${params.quick}\" }
  - name: with $${params.rows} rows, that is ${params.rows}
    assert_rows: { node: prod, query: SELECT $1, args: [\"${params.rows}\"], equals: [[\"${params.rows}\"]] }
",
    );
    assert_eq!(plan.steps[1].deadline.as_secs(), 5);
    assert_eq!(plan.steps[0].head.name, "5 rows in shop.items on master");
    assert_eq!(plan.steps[2].head.name, "with ${params.rows} rows, that is 5");
    assert_eq!(plan.secrets, ["hunter2"]);
}
