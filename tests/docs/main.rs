//! The documentation's examples are run: what README.md, docs/ and the manual pages show is what
//! the program does.

mod evidence;
mod examples;
mod language;
mod language_server;
mod links;
#[path = "../common/program.rs"]
mod program;
mod reports;
mod schema;
mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use drillyard::harness::manual;
use drillyard::scenario::{Values, load};
use drillyard::source::Source;
use drillyard::steps::KINDS;
use program::said;
use regex::Regex;

/// Every step of the language, version 1.
const LANGUAGE: &str = "create_data sql traffic stop_traffic wait_for \
    drop_table truncate_table overwrite crash kill_host lose_backup lose_host stop start restart pause unpause cut heal wipe corrupt lose_wal \
    break_archive mend_archive fill_disk lose_site \
    backup mark wait_archived sync \
    recover promote rewind rebuild dump reimport reconcile runbook find_in_wal team exec \
    assert_rows snapshot assert_catalog assert_traffic assert_streaming assert_intact assert_log assert_in_recovery \
    assert_primary all \
    drop_database drop_schema drop_column drop_role set set_clock create_tablespace free_disk use \
    assert_backup assert_recoverable assert_fresh assert_same assert_roles";

/// A fenced block of a document.
struct Block {
    /// Where it begins: `README.md:12`.
    place: String,
    language: String,
    text: String,
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: impl AsRef<Path>) -> String {
    let path = top().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = [".", "docs"]
        .iter()
        .flat_map(|dir| std::fs::read_dir(top().join(dir)).expect("the folder can be read"))
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    found.sort();
    found
}

fn blocks(name: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim_start() != "```").collect();
        found.push(Block {
            place: format!("{name}:{}", number + 1),
            language: language.to_owned(),
            text: body.join("\n") + "\n",
        });
    }
    found
}

/// What is wrong with a scenario, where it stands in `dir`; nothing where it is valid.
fn wrong_with(dir: &Path, text: &str) -> Vec<String> {
    let source = Source::new(dir.join("example.yaml").display().to_string(), text);
    let anything =
        |name: &str| Some(if name.ends_with("_URL") { "host=db.example.com user=drill" } else { "given" }.to_owned());
    let values = Values::new(Box::new(anything), Box::new(anything));
    let resolved = load(source, values, &[]).and_then(drillyard::plan::resolve);
    resolved.err().unwrap_or_default().iter().map(|problem| drillyard::report::render(problem, false)).collect()
}

/// The program's answer, as it is where a terminal has 100 columns.
fn drillyard(dir: &Path, args: &[&str]) -> Output {
    program::drillyard(dir).args(args).env("COLUMNS", "100").output().expect("drillyard starts")
}

/// What differs from run to run and from machine to machine, put out of sight.
fn redacted(text: &str) -> String {
    let replace = |text: &str, pattern: &str, by: &str| {
        Regex::new(pattern).expect("a pattern").replace_all(text, by).into_owned()
    };
    let text = replace(text, r"(?m)^run [0-9a-f]{8}: (.*) on \w+ \(.*\), seed", "run ID: $1 on BACKEND, seed");
    let text = replace(&text, r"\[ *[0-9.]+s\]", "[TIME]");
    let text = replace(&text, r"(RTO|in) [0-9.]+ m?s\b", "$1 TIME");
    let text = replace(&text, r"\(\d+\.\d+, (local|docker)\)", "(VERSION, BACKEND)");
    replace(&text, r"[0-9,]+ (acknowledged|checked|rejected|in doubt)", "N $1")
}

fn readme_console(command: &str) -> String {
    let wanted = format!("$ {command}\n");
    let readme = blocks("README.md", &read("README.md"));
    let found = readme.iter().find_map(|block| block.text.strip_prefix(&wanted));
    found.unwrap_or_else(|| panic!("README.md has no block that begins with {wanted}")).to_owned()
}

/// The scenario of the README that `new` writes.
fn readme_scenario() -> String {
    let readme = blocks("README.md", &read("README.md"));
    let mut scenarios = readme.into_iter().filter(|block| block.text.starts_with("drillyard: 1\nname: my-drill"));
    scenarios.next().expect("README.md has a scenario").text
}

#[test]
fn scenarios_in_the_documents_are_valid() {
    let mut checked = 0;
    for path in documents() {
        let name = path.strip_prefix(top()).unwrap_or(&path).display().to_string();
        for block in blocks(&name, &read(&path)).iter().filter(|block| block.language == "yaml") {
            let yaml: Result<serde_yaml::Value, _> = serde_yaml::from_str(&block.text);
            assert!(yaml.is_ok(), "{}: {yaml:?}", block.place);
            if block.text.contains("drillyard: 1") {
                assert_eq!(wrong_with(top(), &block.text), Vec::<String>::new(), "{}", block.place);
                checked += 1;
            }
        }
    }
    assert!(checked > 0, "no document has a scenario");
}

/// The items of a list of steps, each alone.
fn items(example: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in example.lines() {
        match (line.starts_with("- "), items.last_mut()) {
            (false, Some(item)) => item.push_str(&format!("  {line}\n")),
            _ => items.push(format!("  {line}\n")),
        }
    }
    items
}

/// What the manual pages' examples take for granted, by what makes it. An example that makes one
/// itself takes its place.
const BEFORE: &[(&str, &str)] = &[
    ("id: data", "  - id: data\n    create_data: { node: master, table: shop.orders, rows: 10 }\n"),
    ("id: nightly", "  - id: nightly\n    backup: { node: master, repo: onsite }\n"),
    (
        "id: users",
        "  - id: users\n    traffic: { node: master, transactions: { visit: { sql: 'INSERT INTO v VALUES ($client, $seq)', \
         ledger: { table: v, client: client, seq: seq } } } }\n",
    ),
    ("sync:", "  - sync: { repo: offsite }\n"),
    ("id: before", "  - id: before\n    snapshot: { node: master, tables: [shop.orders] }\n"),
    ("id: release", "  - id: release\n    mark: { node: master }\n"),
    ("id: accident", "  - id: accident\n    drop_table: { node: master, table: shop.orders }\n"),
    ("node: rescue, backup:", "  - recover: { node: rescue, backup: nightly, until: end_of_backup, then: pause }\n"),
    ("cut:", "  - cut: { between: [master, standby] }\n"),
    ("node: corrupted, backup:", "  - recover: { node: corrupted, backup: nightly, until: latest, then: pause }\n"),
    ("id: size", "  - id: size\n    sql: { node: master, capture: { orders: SELECT count(*) FROM shop.orders } }\n"),
    ("id: waldump", "  - id: waldump\n    exec: { node: master, run: [pg_waldump], capture: { record: desc } }\n"),
    ("id: orders", "  - id: orders\n    dump: { node: rescue, tables: [shop.orders] }\n"),
];

#[test]
fn the_manual_pages_examples_are_valid() {
    let files = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(files.path().join("fixtures")).expect("a directory");
    for file in ["shop.sql", "migration.sql"] {
        std::fs::write(files.path().join("fixtures").join(file), "SELECT 1;\n").expect("a file");
    }
    std::fs::create_dir(files.path().join("lib")).expect("a directory");
    for file in ["lib/shop.yaml", "lib/orders.yaml"] {
        std::fs::copy(top().join("scenarios").join(file), files.path().join(file)).expect("a fragment");
    }
    let world = "nodes: { master: { archive_to: onsite }, standby: { follows: master }, delayed: { follows: master }, reports: { follows: master } }\n";
    for kind in KINDS {
        let examples = blocks(kind.name, &manual(kind));
        let examples: Vec<&Block> = examples.iter().filter(|block| block.language == "yaml").collect();
        assert!(!examples.is_empty(), "the manual page of `{}` has no example", kind.name);
        for example in examples {
            assert!(example.text.contains(&format!("{}:", kind.name)), "{}: an example of something else", kind.name);
            if !example.text.starts_with('-') {
                // A scenario's own keys, too.
                let world = if example.text.contains("nodes:") { "" } else { world };
                let text = format!("drillyard: 1\n{world}{}", example.text);
                assert_eq!(wrong_with(files.path(), &text), Vec::<String>::new(), "{}", example.place);
                continue;
            }
            for item in items(&example.text) {
                let mut steps: Vec<&str> = vec![];
                for (makes, step) in BEFORE {
                    match item.contains(makes) {
                        true if steps.contains(&item.as_str()) => {}
                        true => steps.push(&item),
                        false => steps.push(step),
                    }
                }
                if !steps.contains(&item.as_str()) {
                    steps.push(&item);
                }
                let steps = steps.concat();
                let repos = "repos: { onsite: {}, offsite: { copy_of: onsite } }\n";
                let text = format!("drillyard: 1\n{repos}{world}steps:\n{steps}");
                assert_eq!(wrong_with(files.path(), &text), Vec::<String>::new(), "{}:\n{item}", example.place);
            }
        }
    }
}

#[test]
fn every_step_of_the_language_is_explained() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut language = BTreeSet::new();
    for step in LANGUAGE.split_whitespace() {
        language.insert(step);
        let output = drillyard(dir.path(), &["explain", step]);
        assert_eq!(output.status.code(), Some(0), "{step}: {}", said(&output));
        assert!(said(&output).starts_with(&format!("{step}\n\n")), "{}", said(&output));
    }
    let known: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(known, language);
}

#[test]
fn the_readmes_drill_says_what_the_readme_shows() {
    let dir = tempfile::tempdir().expect("a directory");
    let scenario = top().join("scenarios/human-error/dropped-table.yaml");
    let output = drillyard(dir.path(), &["run", "--backend", "local", &scenario.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(redacted(&said(&output)), redacted(&readme_console("./ci/drill")));
}

#[test]
fn the_readmes_own_drill_is_what_new_writes_and_passes() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(drillyard(dir.path(), &["new", "my-drill"]).status.code(), Some(0));
    let written = std::fs::read_to_string(dir.path().join("my-drill.yaml")).expect("new has written it");
    assert!(written.ends_with(&readme_scenario()), "{written}");
    let output = drillyard(dir.path(), &["run", "--backend", "local", "my-drill.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn the_readmes_mistake_is_told_as_the_readme_shows() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(drillyard(dir.path(), &["new", "my-drill"]).status.code(), Some(0));
    change(dir.path(), "rows: 10000", "row: 10000");
    let output = drillyard(dir.path(), &["check", "my-drill.yaml"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let shown = readme_console("drillyard check my-drill.yaml");
    assert!(said(&output).contains(&shown), "{}\n--- README.md\n{shown}", said(&output));
}

#[test]
fn the_readmes_failure_is_told_as_the_readme_shows() {
    let dir = tempfile::tempdir().expect("a directory");
    assert_eq!(drillyard(dir.path(), &["new", "my-drill"]).status.code(), Some(0));
    change(dir.path(), "{ before: accident }", "{ after: accident }");
    let output = drillyard(dir.path(), &["run", "--backend", "local", "my-drill.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    // The README names no backend.
    let said = said(&output).replace(" --backend local", "");
    let (shown, said) = (redacted(&readme_console("drillyard run my-drill.yaml")), redacted(&said));
    assert!(said.contains(&shown), "{said}\n--- README.md\n{shown}");
}

#[test]
fn the_scenario_with_every_key_passes() {
    let document = blocks("docs/language.md", &read("docs/language.md"));
    let scenario = document.iter().find(|block| block.text.contains("name: every-key")).expect("it is there");
    // A server of somebody else's is not there.
    let external = Regex::new(r"(?m)^  production:.*\n    external:.*\n").expect("a pattern");
    let text = external.replace(&scenario.text, "").into_owned();
    assert_ne!(text, scenario.text);
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("fixtures")).expect("a directory");
    std::fs::copy(top().join("fixtures/shop.sql"), dir.path().join("fixtures/shop.sql")).expect("it can be copied");
    std::fs::write(dir.path().join("every-key.yaml"), text).expect("it can be written");
    let output = drillyard(dir.path(), &["run", "--backend", "local", "--postgres", "15", "every-key.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

/// Changes the scenario that `new` has written.
fn change(dir: &Path, from: &str, to: &str) {
    let path = dir.join("my-drill.yaml");
    let text = std::fs::read_to_string(&path).expect("new has written it");
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replace(from, to)).expect("it can be written");
}
