use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::scenario::plain::render;

/// What is told of a file with this text.
fn told(text: &str) -> String {
    render(&parse(&Source::new("a.yaml", text)).problems)
}

fn root(text: &str) -> Node {
    let parsed = parse(&Source::new("a.yaml", text));
    assert_eq!(render(&parsed.problems), "", "of {text}");
    parsed.root.unwrap_or_else(|| null(Span::default()))
}

/// The tree with the piece of the file that every scalar covers.
fn pieces(text: &str, node: &Node) -> String {
    let at = |span: Span| text.get(span.start..span.end).unwrap_or("NOT THERE").to_owned();
    match &node.value {
        Value::Scalar { text: value, style } => format!("{style:?} {value:?} from {:?}\n", at(node.span)),
        Value::Seq(items) => {
            let items: String = items.iter().map(|item| pieces(text, item)).collect();
            format!("list from {:?}\n{}", at(node.span), indented(&items))
        }
        Value::Map(entries) => {
            let entries: String =
                entries.iter().map(|e| pieces(text, &e.key) + &indented(&pieces(text, &e.value))).collect();
            format!("map from {:?}\n{}", at(node.span), indented(&entries))
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[test]
fn every_value_knows_its_place() {
    let text = "# c\na: 1 # one\nb: 'it''s'\n\nlist:\n  - \"q\\n\"\n  - { k: [x, y ], empty: }\n  - é: ü\n# comment\nsql: |\n  SELECT 1\n  FROM t\n\nnull: \nlast:\n";
    assert_snapshot!(pieces(text, &parse(&Source::new("a.yaml", text)).root.unwrap()));
    let windows = text.replace('\n', "\r\n");
    assert_snapshot!(
        "every_value_knows_its_place_crlf",
        pieces(&windows, &parse(&Source::new("a.yaml", windows.as_str())).root.unwrap())
    );
}

#[test]
fn all_duplicate_keys_are_told_and_the_first_is_kept() {
    let text = "a: 1\nb: { x: 1, y: 2, x: 3 }\na: 2\n'a': 3\n";
    assert_snapshot!(told(text));
    let parsed = parse(&Source::new("a.yaml", text));
    let root = parsed.root.unwrap();
    assert_eq!(root.get("a").and_then(|entry| entry.value.text()), Some("1"));
    assert_eq!(root.entries().len(), 2);
}

#[test]
fn a_duplicate_among_many_keys_is_found() {
    let keys: String = (0..40).map(|n| format!("k{n}: {n}\n")).collect();
    assert_snapshot!(told(&format!("{keys}k3: again\nk39: again\nk40: 1\nk40: 2\n")));
}

#[test]
fn problems_that_are_no_use_in_number_are_cut() {
    let parsed = parse(&Source::new("a.yaml", "a: 1\n".repeat(500)));
    assert_eq!(parsed.problems.len(), MAX_PROBLEMS + 1);
    assert_eq!(parsed.problems.last().map(|p| p.title.as_str()), Some("and 399 more problems like these"));
}

#[test]
fn one_file_is_one_document() {
    assert_snapshot!(told("a: 1\n---\nb: 2\n"));
    assert_eq!(told("---\na: 1\n...\n"), "");
}

#[test]
fn a_file_without_anything_is_told() {
    for text in ["", "\n\n", "# nothing\n", "---\n", "---\n# x\n...\n", "\u{feff}"] {
        assert!(told(text).starts_with("error: the file is empty\n"), "{text:?}: {}", told(text));
        assert!(parse(&Source::new("a.yaml", text)).root.is_none());
    }
    assert_snapshot!(told("# nothing\n"));
}

#[test]
fn yaml_errors_are_told_in_plain_words() {
    let cases = [
        "steps:\n\t- crash: {}\n",
        "a:\n  b: 1\n\tc: 2\n",
        "a: 1\n  b: 2\n",
        "a:\n    b: 1\n  c: 2\n",
        "a:\n  - 1\n - 2\n",
        "a: \"never closed\nb: 1\n",
        "a: 'never closed\n",
        "a: [1, 2\nb: 3\n",
        "a: { b: 1\n",
        "a: { b: [1 }\n",
        "a: ]\n",
        "a: b: c\n",
        "a: @home\n",
        "a: `x`\n",
        "a: \"x\" y\n",
        "a: 'it's'\n",
        "a: \"C:\\data\"\n",
        "just a line\nand: more\n",
        "a: 1\nword\nb: 2\n",
        "a: - b\n",
        "a: |x\n  y\n",
        "a: {b:1, c: 2}\n",
        "{a: 1}}\n",
        "a: %x\n",
        "a: 1\n- b\n",
        "- a\nb: 1\n",
        "a: &\n",
    ];
    assert_snapshot!(cases.map(|case| format!("{case:?}\n{}", told(case))).join("\n"));
}

#[test]
fn a_carriage_return_alone_is_told() {
    assert_snapshot!(told("a: 1\r\nb: 2\rc: 3\n"));
}

#[test]
fn keys_are_text() {
    assert_snapshot!(told("1: a\ntrue: b\n[x]: c\n{ y: 1 }: d\n? - z\n: e\n~: f\n: g\n1.5: h\nyes: fine\n'2': fine\n"));
}

#[test]
fn tags_are_told_with_their_place() {
    assert_snapshot!(told("a: !!binary aGk=\nb: !mine [x]\nc: !!str 5\n"));
}

#[test]
fn aliases_stand_for_their_values() {
    let text = "base: &b { x: [1] }\nuse: *b\nagain: [*b]\n";
    assert_snapshot!(pieces(text, &root(text)));
    assert_snapshot!("aliases_that_do_not_work", told("a: &a [*a]\nb: *nope\nc: *a\nd:\n  <<: *a\n"));
}

#[test]
fn a_bomb_of_aliases_is_one_clear_error() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let alias = format!("*a{}", n - 1);
        text += &format!("a{n}: &a{n} [{}]\n", [alias.as_str(); 10].join(", "));
    }
    assert_snapshot!(told(&text));
    assert!(parse(&Source::new("a.yaml", text.as_str())).root.is_none());
}

#[test]
fn anchors_within_anchors_cost_no_more_than_aliases() {
    let opened: String = (0..60).map(|n| format!("&a{n} [")).collect();
    let text = format!("{opened}{}{}", "x, ".repeat(20_000), "]".repeat(60));
    assert!(told(&text).contains("more than 100000 values"), "{}", &told(&text)[..200]);
}

#[test]
fn too_many_values_are_one_clear_error() {
    let text = "- x\n".repeat(MAX_NODES + 5);
    assert_snapshot!(told(&text));
}

#[test]
fn nesting_has_an_end() {
    let ends = |text: String| {
        let problems = parse(&Source::new("a.yaml", text.as_str())).problems;
        let titles: Vec<_> = problems.iter().map(|problem| problem.title.as_str()).collect();
        assert_eq!(
            titles,
            ["lists and maps are nested deeper than 64 levels"],
            "{}",
            text.get(..20).unwrap_or_default()
        );
    };
    ends("[".repeat(100_000));
    ends("{a: ".repeat(100_000));
    ends("- ".repeat(100_000));
    ends("? ".repeat(100_000));
    ends((0..1_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect());
    ends(format!("{}x{}", "[".repeat(65), "]".repeat(65)));
    ends(format!("{}[{}x{}]", "- ".repeat(40), "[".repeat(30), "]".repeat(30)));
    ends(format!("- &a {}x{}\n- [[[[[*a]]]]]\n", "[".repeat(60), "]".repeat(60)));
    assert_eq!(told(&format!("{}x{}", "[".repeat(64), "]".repeat(64))), "");
}

/// A scenario as people write it.
pub(crate) const SCENARIO: &str = r#"drillyard: 1
name: dropped-table
about: A developer drops a table and goes to lunch; users keep writing. Get it back, lose nothing.
tags: [pitr, human-error]
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite, settings: { archive_timeout: 5s } }
  standby: { follows: master }
  prod: { external: { url: "${env.PROD_URL}" } }   # a server drillyard did not make
params: { rows: 100_000, "label": 'it''s' }
steps:
  - create_data: { node: master, file: fixtures/shop.sql }
  - id: users
    traffic:
      node: master
      transactions:
        order:
          weight: 2
          sql: >-
            INSERT INTO shop.orders (client, seq, amount)
            VALUES ($client, $seq, 42)
          tolerate: &these [undefined_table]
        visit: { sql: "INSERT INTO \"vïsits\" VALUES ($client)", tolerate: *these }
  - recover: { node: rescue, backup: nightly, until: { before: accident, minus: 1s }, then: promote }
  - sql:
      query: |
        SELECT 1;
"#;

/// Every span is in the text and on characters' boundaries, and no tree is deeper than allowed.
fn sound(source: &Source, node: &Node, depth: usize) {
    assert!(depth <= MAX_DEPTH);
    assert!(node.span.start <= node.span.end);
    assert!(source.text().get(node.span.start..node.span.end).is_some(), "{:?}", node.span);
    node.items().iter().for_each(|item| sound(source, item, depth + 1));
    for entry in node.entries() {
        sound(source, &entry.key, depth + 1);
        sound(source, &entry.value, depth + 1);
        assert!(entry.key.text().is_some());
        assert!(entry.key.span.end <= entry.value.span.end, "{:?}", entry);
    }
}

fn parses_soundly(text: &str) {
    let source = Source::new("a.yaml", text);
    let parsed = parse(&source);
    assert!(parsed.root.is_some() || !parsed.problems.is_empty(), "neither a tree nor a problem");
    if let Some(root) = &parsed.root {
        sound(&source, root, 0);
    }
    for place in parsed.problems.iter().flat_map(|problem| &problem.places) {
        assert!(place.column + place.width <= place.text.chars().count() + 2, "{place:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_soundly(text in any::<String>()) {
        parses_soundly(&text);
    }

    #[test]
    fn text_like_yaml_is_parsed_soundly(text in r#"([\[\]{}:,\-?&*!|>'"%@`#~<]|[a-cé$ \t\r\n]|: |- |\n  |"\\u00e9"|<<: ){0,60}"#) {
        parses_soundly(&text);
    }

    #[test]
    fn mutated_scenarios_are_parsed_soundly(at in 0..SCENARIO.len(), gone in 0..40usize, put in r#"[\[\]{}:,\-'"é \t\r\n#&*|]{0,4}"#) {
        let floor = |at: usize| (0..=at.min(SCENARIO.len())).rev().find(|at| SCENARIO.is_char_boundary(*at)).unwrap_or(0);
        let (start, end) = (floor(at), floor(at + gone).max(floor(at)));
        parses_soundly(&format!("{}{put}{}", &SCENARIO[..start], &SCENARIO[end..]));
    }
}
