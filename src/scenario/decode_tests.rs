use insta::assert_snapshot;
use proptest::prelude::*;
use serde::Deserialize;

use super::super::node::{Node, Style, Value};
use super::super::parse::parse;
use super::super::plain::render;
use super::super::values::Lookup;
use super::*;
use crate::source::{Duration, Regex, Scalar, Setting, Shell, Size, Sql, Time, VersionReq};
use crate::source::{Name, Ordered, Span, Spanned};

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "seen through Debug")]
struct Drill {
    #[serde(default)]
    settings: Ordered<String, Setting>,
    steps: Vec<Spanned<Step>>,
    timeout: Option<Duration>,
    when: Option<VersionReq>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "seen through Debug")]
enum Step {
    Crash(Node_),
    Recover { node: Spanned<Name>, until: Until, then: Option<Then> },
    Sql(Query),
    Load(Load),
    Exec(Exec),
    StopTraffic(Spanned<Name>),
}

#[derive(Debug, Deserialize)]
#[serde(rename = "Node")]
#[expect(dead_code, reason = "seen through Debug")]
struct Node_ {
    node: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "seen through Debug")]
enum Until {
    Latest,
    EndOfBackup,
    Before(Spanned<Name>),
    Time(Time),
    Xid(u32),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "seen through Debug")]
enum Then {
    Promote,
    Pause,
    Follow(Name),
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "seen through Debug")]
struct Query {
    query: Sql,
    #[serde(default)]
    args: Vec<Scalar>,
    fails: Option<Regex>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "seen through Debug")]
struct Load {
    node: Name,
    table: crate::pg::TableName,
    rows: u32,
    rate: Option<f64>,
    size: Option<Size>,
    cascade: Option<bool>,
    between: Option<(Name, Name)>,
    note: Option<String>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "seen through Debug")]
struct Exec {
    run: Vec<Shell>,
    #[serde(default)]
    env: Ordered<String, Setting>,
}

fn values() -> Values {
    let env: Lookup = Box::new(|name| match name {
        "ROWS" => Some("12".to_owned()),
        "ON" => Some("true".to_owned()),
        _ => None,
    });
    let secrets: Lookup = Box::new(|name| (name == "pw").then(|| "hunter2".to_owned()));
    let params = [
        ("rows", Scalar::Integer(1000)),
        ("label", Scalar::Text("fine".to_owned())),
        ("ratio", Scalar::Float("1.50".to_owned())),
    ];
    Values::new(env, secrets).with_params(params.map(|(name, value)| (name.to_owned(), value)))
}

fn decoded<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let source = Source::new("a.yaml", text);
    let parsed = parse(&source);
    assert_eq!(render(&parsed.problems), "");
    let values = values();
    let decoder = Decoder::new(&source, &values);
    let value = decoder.decode(&parsed.root.unwrap());
    let problems = decoder.into_problems();
    assert_eq!(value.is_some(), problems.is_empty());
    value.ok_or_else(|| render(&problems))
}

/// What is told of a file with this text.
fn told<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
    match decoded::<T>(text) {
        Ok(value) => format!("fine: {value:?}\n"),
        Err(problems) => problems,
    }
}

fn each<T: DeserializeOwned + std::fmt::Debug>(cases: &[&str]) -> String {
    cases.iter().map(|case| format!("{case:?}\n{}", told::<T>(case))).collect::<Vec<_>>().join("\n")
}

const GOOD: &str = r#"
timeout: 1h 30m
when: ">=15, <18"
settings: { fsync: off, shared_buffers: 16MB, max_connections: 50, quoted: "x" }
steps:
  - crash: { node: master }
  - crash: {}
  - recover: { node: rescue, until: { before: accident }, then: promote }
  - recover: { node: rescue, until: latest, then: { follow: master } }
  - recover: { node: rescue, until: { time: 2026-11-22T14:00:00+01:00 }, then: }
  - sql: { query: "SELECT $1, $$x$$, $client", args: [1, 1.10, x, true, null, "5"], fails: "^no .* (a|b)$" }
  - load: { node: a, table: shop.orders, rows: "${params.rows}", rate: 2, size: 64MB, cascade: true, between: [a, b] }
  - load: { node: a, table: '"A b".c', rows: "${env.ROWS}", cascade: "${env.ON}", note: "${params.rows} $${x} ${params.label}" }
  - exec: { run: [sh, -c, "echo ${HOME} $1"], env: { A: "${secrets.pw}" } }
  - stop_traffic: users
"#;

#[test]
fn a_good_file_is_decoded() {
    let drill = decoded::<Drill>(GOOD).map(|drill| format!("{drill:?}").replace("}, Spanned", "},\nSpanned"));
    assert_snapshot!(drill.unwrap_or_else(|told| told));
}

#[test]
fn places_are_those_of_the_value_and_of_its_entry() {
    let text = "- recover: { node:  rescue, until: latest }\n- stop_traffic: users\n";
    let steps = decoded::<Vec<Spanned<Step>>>(text).unwrap();
    assert_eq!(&text[steps[0].span.start..steps[0].span.end], "recover: { node:  rescue, until: latest }");
    let Step::Recover { node, .. } = &steps[0].value else { panic!("another step") };
    assert_eq!(&text[node.span.start..node.span.end], "rescue");
    assert_eq!(&text[node.entry.start..node.entry.end], "node:  rescue");
    let Step::StopTraffic(users) = &steps[1].value else { panic!("another step") };
    assert_eq!(&text[users.entry.start..users.entry.end], "stop_traffic: users");
}

#[test]
fn all_the_errors_of_a_file_are_told_in_one_go() {
    assert_snapshot!(told::<Drill>(
        r#"
timeout: 10
steps:
  - crash: { nodee: master }
  - load: { tabel: shop.orders, rows: many, cascade: yes }
  - recover: { node: 1st, until: { befor: accident } }
  - recover: { until: { time: 2026-11-22T14:00:00 }, then: promot }
  - crsh: { node: master }
  - sql: { query: "SELECT ${params.rows}", fails: "(" }
  - load: { node: a, table: t, rows: 5 }
  - stop_traffic:
when: ">=99"
settings: [a]
extra: 1
"#
    ));
}

#[test]
fn unknown_keys_are_told_with_what_is_near() {
    assert_snapshot!(each::<Exec>(&["{ rum: [a], run: [b], x: 1, Env: {} }", "{ run: [a], xyz: {} }"]));
    assert_snapshot!("unknown_keys_of_one", told::<Node_>("{ nod: a, other: b }"));
}

#[test]
fn missing_keys_are_told_all_at_once() {
    assert_snapshot!(each::<Load>(&[
        "{ rate: 1 }",
        "{}",
        "{ node: a, table: b }",
        "{ node: 1, table: b }",
        "{ nod: a, rows: 1 }"
    ]));
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "seen through Debug")]
    struct All {
        a: Time,
        b: Size,
        c: Spanned<Name>,
        d: Vec<Step>,
        e: Box<Until>,
        f: Ordered<Name, Name>,
        g: Scalar,
        h: VersionReq,
        i: (u8, bool, f32),
        j: Regex,
        k: Sql,
        l: Option<u8>,
        m: Query,
    }
    assert_snapshot!("missing_keys_of_every_type", told::<All>("{ l: 1 }"));
    assert_snapshot!("missing_keys_and_wrong_ones", told::<All>("{ l: x, a: y, n: z }"));
}

#[test]
fn booleans_are_true_and_false() {
    assert_snapshot!(each::<Vec<bool>>(&[
        "[true, false]",
        "[yes, No, on, off, True, FALSE, y]",
        "['true', 1, x, ~, [a], {}]"
    ]));
}

#[test]
fn whole_numbers_are_plain_digits() {
    assert_snapshot!(each::<Vec<u32>>(&[
        "[0, 5, 4294967295]",
        "[100_000, '1,000', \"5\", 1.0, 1e3, 0x1f, 007, +5, -1, 4294967296]",
        "[abc, true, ~]"
    ]));
    assert_snapshot!(
        "whole_numbers_with_a_sign",
        each::<Vec<i8>>(&["[-128, 127]", "[-129, 128, 99999999999999999999999999999999999999999999]"])
    );
    assert_snapshot!("numbers", each::<Vec<f64>>(&["[1, -2.5, 1e3]", "['1', x, .inf, .nan, true]"]));
}

#[test]
fn text_that_is_something_else_needs_quotes() {
    assert_snapshot!(each::<Vec<String>>(&["[yes, \"5\", 'true', 1.2.3]", "[5, 1.5, true, null, ~, [x], {}]"]));
}

#[test]
fn empty_values_are_told_at_their_key() {
    assert_snapshot!(told::<Load>("node:\ntable: ~\nrows:\nrate:\n"));
    assert_snapshot!(
        "empty_steps",
        told::<Drill>(
            "steps:\n  - crash:\n  - stop_traffic:\n  - recover: { node: a, until: }\n  - exec: { run: }\n  - \n"
        )
    );
}

#[test]
fn choices_are_told() {
    assert_snapshot!(each::<Until>(&[
        "latest",
        "latst",
        "before",
        "{ before: }",
        "{ latest: 5 }",
        "{ latest: }",
        "{ before: a, xid: 1 }",
        "{}",
        "[latest]",
        "5",
        "{ xid: x }",
        "{ Before: x }",
    ]));
}

#[test]
fn lists_are_of_the_right_length() {
    assert_snapshot!(each::<(Name, Name)>(&["[a, b]", "[a]", "[a, b, c]", "a", "{ a: b }", "[a, 5]"]));
    assert_snapshot!("a_list_of_one", each::<Vec<Name>>(&["users", "'a b'", "{ a: b }"]));
}

#[test]
fn nothing_is_substituted_in_sql_and_shell_text() {
    assert_snapshot!(each::<Vec<Sql>>(&[
        "[SELECT $client + $1 AS x, $$text$$, '$${json}$$']",
        "[\"SELECT '${params.rows}', ${x}\"]",
        "- |\n  SELECT 1,\n    ${env.X}\n",
        "[5]"
    ]));
    assert_snapshot!(
        "shell",
        each::<Vec<Shell>>(&[
            "[echo, '${HOME} ${x:-y} $1']",
            "['a ${HOME} ${params.rows}', '${ env.X }', '${secrets.pw}']"
        ])
    );
}

#[test]
fn references_are_told_at_their_exact_place() {
    assert_snapshot!(told::<Vec<String>>(
        "- ${params.labl}\n- 'it''s ${params.label} ${params.nope} ${env.NOPE}'\n- \"a\\tb ${secrets.nope}\"\n- |\n  two lines\n  and ${param.label} ${params.label\n- \"\\x24{params.nope}\"\n"
    ));
    assert_snapshot!("references_in_keys", told::<Ordered<String, Setting>>("{ \"${params.label}\": 1 }"));
}

#[test]
fn a_scalar_full_of_wrong_references_is_told_in_short() {
    let source = Source::new("a.yaml", format!("- |\n{}", "  ${params.x} ${params.y}\n".repeat(1000)));
    let (root, values) = (parse(&source).root.unwrap(), Values::none());
    let decoder = Decoder::new(&source, &values);
    assert_eq!(decoder.decode::<Vec<String>>(&root), None);
    assert_eq!(decoder.into_problems().len(), 10);
}

#[test]
fn thousands_of_problems_are_counted() {
    let source = Source::new("a.yaml", (0..1000).map(|n| format!("k{n}: 1\n")).collect::<String>());
    let (root, values) = (parse(&source).root.unwrap(), Values::none());
    let decoder = Decoder::new(&source, &values);
    assert!(decoder.decode::<Node_>(&root).is_none());
    let last = decoder.into_problems().pop().map(|problem| problem.title);
    assert_eq!(last.as_deref(), Some("and 800 more problems"));
}

#[test]
fn a_value_that_is_one_reference_has_its_own_type() {
    assert_snapshot!(each::<Vec<Scalar>>(&[
        "[\"${params.rows}\", '${params.label}', '${params.ratio}', 'x${params.rows}', '${env.ROWS}']"
    ]));
    assert_snapshot!(
        "references_of_other_types",
        each::<Vec<u32>>(&[
            "['${params.rows}', '${env.ROWS}']",
            "['${params.label}', '${params.rows}0', '${params.ratio}']"
        ])
    );
}

#[test]
fn a_secret_is_in_no_message() {
    let all = [
        told::<Vec<u32>>("['${secrets.pw}', 'x${secrets.pw}']"),
        told::<Vec<Duration>>("['${secrets.pw}', '5${secrets.pw}']"),
        told::<Vec<Regex>>("['(${secrets.pw}']"),
        told::<Vec<Then>>("['${secrets.pw}', { '${secrets.pw}': 1 }]"),
        told::<Vec<crate::pg::TableName>>("['a b${secrets.pw}']"),
        told::<Vec<Vec<u8>>>("['${secrets.pw}']"),
        told::<Vec<bool>>("['${secrets.pw}']"),
        told::<Vec<f64>>("['${secrets.pw}']"),
        told::<Vec<Exec>>("['${secrets.pw}']"),
        // What follows a used secret keeps it, too.
        told::<Vec<Name>>("['${secrets.pw}', 'a hunter2']").replace("'a hunter2'", ""),
    ]
    .join("\n");
    assert!(!all.contains("hunter2"), "{all}");
    assert_snapshot!(all);
}

#[test]
fn scalars_of_the_language_are_strict() {
    assert_snapshot!(
        "durations",
        each::<Vec<Duration>>(&[
            "[500ms, 30s, 5m, 1h 30m, 0s, '2 days']",
            "[10, '10', 0, 1.5, 5M, 3 weeks, 10 parsecs, s, -5s, '', 99999999999999999999h]"
        ])
    );
    assert_snapshot!(
        "sizes",
        each::<Vec<Size>>(&[
            "[64MB, 1kB, 2 GB, 0B, 1TB]",
            "[64, 64mb, 64M, 64KB, 1.5GB, MB, x, -1MB, 99999999999999TB, 5 parsecs]"
        ])
    );
    assert_snapshot!(
        "times",
        each::<Vec<Time>>(&[
            "[2026-11-22T14:00:00Z, '2026-11-22 14:00:00.5+01:00']",
            "[2026-11-22T14:00:00, 2026-11-22 14:00, 2026-11-22, yesterday, 5, 2026-13-22T14:00:00Z]"
        ])
    );
    assert_snapshot!(
        "versions",
        each::<Vec<VersionReq>>(&[
            "[17, '>=17', '>=15, <18', '=16', '> 14,<=19']",
            "['>=17.2', '~17', x, '>=99', '<16, >17', '']"
        ])
    );
    assert_snapshot!("regexes", each::<Vec<Regex>>(&["[a.*b, '^x$']", "['(', '[a', 'a{2,1}', 5]"]));
    assert_snapshot!("settings", each::<Vec<Setting>>(&["[off, 5, 16MB, '', true, 1.50, 'a b']", "[~, [a]]"]));
    assert_snapshot!(
        "any_scalars",
        each::<Vec<Scalar>>(&[
            "[~, true, 5, -3, 1.10, 1e5, yes, x, '5']",
            "[True, 007, 0x1f, 99999999999999999999, [a], {}]"
        ])
    );
}

#[test]
fn sizes_are_shown_as_they_are_written() {
    let shown = |text: &str| Size::parse(text).map(|size| size.to_string());
    assert_eq!(shown("64MB"), Ok("64MB".to_owned()));
    assert_eq!(shown("1024kB"), Ok("1MB".to_owned()));
    assert_eq!(shown("1025B"), Ok("1025B".to_owned()));
    assert_eq!(shown("0kB"), Ok("0B".to_owned()));
    assert_eq!(Size::parse("64MB"), Ok(Size(64 * 1024 * 1024)));
}

#[test]
fn a_map_may_be_decoded_in_parts() {
    let source = Source::new("a.yaml", "node: master\nid: x\nother: 1\n");
    let (root, values) = (parse(&source).root.unwrap(), Values::none());
    let decoder = Decoder::new(&source, &values);
    assert!(decoder.decode_without::<Node_>(&root, |key| key == "id" || key == "other").is_some());
    assert!(decoder.decode_without::<Node_>(&root, |key| key == "id").is_none());
    assert_snapshot!(render(&decoder.into_problems()));
}

#[test]
fn a_problem_that_an_alias_repeats_is_told_where_it_is_written() {
    assert_snapshot!(told::<Vec<Query>>("- &q { query: 5 }\n- *q\n- *q\n"));
}

#[test]
fn schemas_know_the_scalars() {
    let schema = schemars::schema_for!(std::collections::BTreeMap<String, (Duration, Size, Time, Regex, Scalar)>);
    assert_snapshot!(serde_json::to_string_pretty(&schema).unwrap_or_default());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_files_are_decoded_or_told(at in 0..GOOD.len(), gone in 0..30usize, put in r#"[\[\]{}:,\-'"é \n#&*|$0-9a-z]{0,4}"#) {
        let end = (at + gone).min(GOOD.len());
        let source = Source::new("a.yaml", format!("{}{put}{}", &GOOD[..at], &GOOD[end..]));
        let parsed = parse(&source);
        let values = values();
        let decoder = Decoder::new(&source, &values);
        if let Some(root) = parsed.root {
            let drill = decoder.decode::<Drill>(&root);
            let problems = decoder.into_problems();
            // An alias that stands for nothing was told by the parser.
            let is_told = !problems.is_empty() || !parsed.problems.is_empty();
            prop_assert!(drill.is_some() || is_told);
            prop_assert!(drill.is_none() || problems.is_empty());
            for place in problems.iter().flat_map(|problem| &problem.places) {
                prop_assert!(place.column + place.width <= place.text.chars().count() + 2, "{:?}", place);
            }
        }
    }

    #[test]
    fn any_scalar_text_is_decoded_or_told(text in any::<String>()) {
        let _ = (Duration::parse(&text), Size::parse(&text), Time::parse(&text), VersionReq::parse(&text), Scalar::of_plain(&text));
        let node = Node { span: Span::default(), value: Value::Scalar { text, style: Style::Quoted } };
        let (source, values) = (Source::new("a.yaml", "x"), values());
        let decoder = Decoder::new(&source, &values);
        prop_assert_eq!(decoder.decode::<u32>(&node).is_none(), decoder.problems().count() > 0);
    }
}
