//! Statements in files: what keys are refused, what was done to a file afterwards, and what the
//! page says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;
use jiff::Timestamp;
use tempfile::TempDir;

use crate::journal::Entry;
use crate::report::RunRecord;

use super::*;

/// A folder with a key of openssl's, and a file for statements.
struct Desk {
    folder: TempDir,
    key: SigningKey,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        openssl(folder.path(), "genpkey -algorithm ed25519 -out key.pem");
        openssl(folder.path(), "pkey -in key.pem -pubout -out pub.pem");
        let key = SigningKey::read(&folder.path().join("key.pem")).expect("a key");
        Desk { folder, key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn public(&self) -> VerifyingKey {
        VerifyingKey::read(&self.path("pub.pem")).expect("a key")
    }

    fn file(&self) -> EvidenceFile {
        EvidenceFile::open(&self.path("e.intoto.jsonl"), &self.path("notes"), &self.public(), &unsigned())
            .expect("a file")
    }

    fn append(&self, record: &RunRecord) -> Appended {
        let circumstances = Circumstances::default();
        self.file().append(&self.key, |position| statement(record, &circumstances, position)).expect("appended")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path("e.intoto.jsonl")).expect("the file")
    }

    fn findings(&self, text: &str) -> Vec<String> {
        let found = verify(text, &self.public()).findings;
        found.into_iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }
}

fn unsigned() -> Unsigned {
    Unsigned { started: Timestamp::UNIX_EPOCH, files: vec!["nightly.yaml".to_owned()] }
}

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl").args(args.split(' ')).current_dir(folder).output().expect("openssl runs");
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A recorded run, `days` later, under another id.
fn run(name: &str, days: i64, id: &str) -> RunRecord {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/journals").join(format!("{name}.jsonl"));
    let mut record = RunRecord::default();
    for line in fs::read_to_string(path).expect("a recorded journal").lines() {
        let entry: Entry = serde_json::from_str(line).expect("an event");
        record.hear(&entry);
    }
    let later = |at: Timestamp| at + jiff::SignedDuration::from_hours(24 * days);
    record.started = record.started.map(later);
    id.clone_into(&mut record.run);
    record.finished.get_or_insert((crate::journal::Outcome::Errored, 143, 5000));
    record
}

#[test]
fn what_is_done_to_a_file_is_found_with_its_line() {
    let desk = Desk::new();
    for (day, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
        desk.append(&run("passed", day as i64, id));
    }
    let text = desk.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(desk.findings(&text), Vec::<String>::new());
    let newest = verify(&text, &desk.public()).newest.expect("one");
    assert_eq!((newest.number, newest.digest.as_str()), (4, digest(lines[3].as_bytes()).as_str()));
    let of = |lines: &[&str]| desk.findings(&(lines.join("\n") + "\n")).join("\n");

    assert_eq!(
        of(&[lines[0], lines[2], lines[3]]),
        "2: it is statement number 3: the one before it, number 2, was removed"
    );
    assert_eq!(of(&[lines[3]]), "1: it is statement number 4: 3 before it, numbers 1 to 3, were removed");
    assert!(
        of(&[lines[0], lines[2], lines[1], lines[3]]).contains("3: it is statement number 2 where number 4 should be")
    );
    assert!(of(&[lines[0], lines[1], lines[1], lines[2]]).starts_with("3: it is statement number 2 where number 3"));
    // Not one byte of a line can be another one.
    for at in (0..lines[1].len()).step_by(97).chain(lines[1].len() - 120..lines[1].len()) {
        let mut changed = lines[1].as_bytes().to_vec();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        let found = of(&[lines[0], &changed, lines[2], lines[3]]);
        assert!(found.starts_with("2: ") && found.lines().count() == 1, "byte {at}: {found}");
    }
    for added in [format!(" {}", lines[1]), format!("{}\r", lines[1]), lines[1].replace(":[", ": [")] {
        let found = of(&[lines[0], &added, lines[2], lines[3]]);
        assert_eq!(found, "2: it is no signed statement: it was changed, or something else wrote it");
    }
    assert!(desk.findings(text.trim_end()).join("").starts_with("4: it has no end"));
    let other = Desk::new();
    other.append(&run("passed", 0, "x"));
    let found = other.findings(&text);
    assert!(found.len() == 4 && found[0].contains("1: it was signed with another key: "), "{found:?}");
    // A statement of one's own, of the right number, in another's place.
    let forged = Desk {
        folder: tempfile::tempdir().expect("a folder"),
        key: SigningKey::read(&desk.path("key.pem")).expect("a key"),
    };
    fs::copy(desk.path("pub.pem"), forged.path("pub.pem")).expect("copied");
    forged.append(&run("passed", 9, "p"));
    forged.append(&run("passed", 9, "q"));
    let forged = forged.text();
    let forged: Vec<&str> = forged.lines().collect();
    assert_eq!(
        of(&[lines[0], forged[1], lines[2], lines[3]]).lines().map(|line| &line[..2]).collect::<Vec<_>>(),
        ["2:", "3:"]
    );
}

#[test]
fn who_cuts_off_the_newest_lines_is_found_by_the_next_run() {
    let desk = Desk::new();
    for id in ["a", "b"] {
        assert_eq!(desk.append(&run("passed", 0, id)).missing, None);
    }
    let text = desk.text();
    let second = text.lines().nth(1).expect("a line");
    fs::write(desk.path("e.intoto.jsonl"), format!("{}\n", text.lines().next().expect("a line"))).expect("cut");
    let appended = desk.append(&run("passed", 1, "c"));
    let missing = Link { number: 2, digest: digest(second.as_bytes()) };
    assert_eq!((appended.link.number, appended.missing), (2, Some(missing)));
    let found = desk.findings(&desk.text());
    assert!(found.len() == 1 && found[0].starts_with("2: when it was written, statement number 2 ("), "{found:?}");
    // Another machine, which has its own notes, has written since: nothing is missing.
    let other = EvidenceFile::open(&desk.path("e.intoto.jsonl"), &desk.path("other"), &desk.public(), &unsigned())
        .expect("a file");
    let circumstances = Circumstances::default();
    let record = run("passed", 2, "d");
    other.append(&desk.key, |position| statement(&record, &circumstances, position)).expect("appended");
    assert_eq!(desk.append(&run("passed", 3, "e")).missing, None);
    // A line that was never finished is taken away, and what it was is said.
    let whole = desk.text();
    fs::write(desk.path("e.intoto.jsonl"), format!("{whole}{{\"payloadType\":\"app")).expect("torn");
    assert_eq!(desk.append(&run("passed", 4, "f")).torn, 19);
    assert!(desk.text().starts_with(&whole) && desk.findings(&desk.text()).len() == 1);
}

#[test]
fn a_run_that_leaves_no_statement_is_in_the_next_one() {
    let desk = Desk::new();
    let record = run("passed", 0, "a");
    let append = |file: &EvidenceFile| {
        let circumstances = Circumstances::default();
        file.append(&desk.key, |position| statement(&record, &circumstances, position)).expect("appended").unsigned
    };
    // One that is alive, and one that need not leave a statement, are not meant.
    let alive = desk.file();
    desk.file().need_not();
    assert_eq!(append(&desk.file()), []);
    // One that ended without a statement is, whatever ended it.
    drop(desk.file());
    let panicked = std::panic::catch_unwind(|| {
        let _file = desk.file();
        std::panic::resume_unwind(Box::new("a bug"));
    });
    assert!(panicked.is_err());
    assert_eq!(append(&desk.file()), [unsigned(), unsigned()]);
    // As after SIGKILL: nobody had the time to let go of anything.
    let script = format!(
        "cp {0}/notes/*.begun-* {0}/mark && mv {0}/mark $(ls {0}/notes/*.begun-* | head -n 1)x",
        desk.folder.path().display()
    );
    assert!(Command::new("sh").args(["-c", &script]).status().expect("sh runs").success());
    assert_eq!(append(&desk.file()), [unsigned()]);
    assert_eq!(append(&alive), []);
    let statements = verify(&desk.text(), &desk.public()).statements;
    assert_eq!(statements[2].1.predicate.unsigned, [unsigned()]);
}

#[test]
fn statements_of_the_first_version_are_read_by_all_later_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/evidence");
    let key = VerifyingKey::read(&folder.join("v1.pub.pem")).expect("a key");
    let text = fs::read_to_string(folder.join("v1.intoto.jsonl")).expect("a file");
    let verified = verify(&text, &key);
    assert_eq!((verified.statements.len(), verified.findings), (2, vec![]));
    let drills: Vec<&str> = verified.statements.iter().map(|(_, one)| one.predicate.drills[0].name.as_str()).collect();
    assert_eq!(drills, ["nightly", "nightly"]);
}

#[test]
fn any_number_of_runs_append_at_once() {
    let desk = Desk::new();
    let record = run("passed", 0, "a");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| desk.append(&record));
        }
    });
    let verified = verify(&desk.text(), &desk.public());
    assert_eq!((verified.statements.len(), verified.findings), (20, vec![]));
}

#[test]
fn a_file_of_another_key_is_not_continued() {
    let (desk, other) = (Desk::new(), Desk::new());
    desk.append(&run("passed", 0, "a"));
    let open = |path: &Path| EvidenceFile::open(path, &other.path("notes"), &other.public(), &unsigned());
    let told = open(&desk.path("e.intoto.jsonl")).expect_err("another key").to_string();
    assert!(told.contains("its last line was signed with another key"), "{told}");
    let told = open(other.folder.path()).expect_err("a folder").to_string();
    assert!(told.contains("it is no file"), "{told}");
    fs::write(other.path("notes.txt"), "milk\n").expect("a file");
    let told = open(&other.path("notes.txt")).expect_err("no evidence").to_string();
    assert!(told.contains("its last line is no signed statement"), "{told}");
    assert_eq!(fs::read_to_string(other.path("notes.txt")).expect("the file"), "milk\n");
}

#[test]
fn keys_that_cannot_be_used_are_told_in_words() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    for args in [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem",
        "pkey -in rsa.pem -pubout -out rsa.pub.pem",
        "pkey -in key.pem -aes256 -passout pass:x -out locked.pem",
        "req -x509 -key key.pem -subj /CN=a -days 1 -out cert.pem",
        "pkey -in key.pem -outform DER -out key.der",
    ] {
        openssl(desk.folder.path(), args);
    }
    fs::write(desk.path("empty.pem"), "\n").expect("a file");
    fs::write(desk.path("broken.pem"), "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n")
        .expect("a file");
    fs::copy(desk.path("key.pem"), desk.path("open.pem")).expect("copied");
    for entry in fs::read_dir(desk.folder.path()).expect("the folder").flatten() {
        let mode = if entry.file_name() == "open.pem" { 0o644 } else { 0o600 };
        fs::set_permissions(entry.path(), PermissionsExt::from_mode(mode)).expect("permissions");
    }
    let names = [
        "rsa.pem",
        "ec.pem",
        "pub.pem",
        "locked.pem",
        "cert.pem",
        "key.der",
        "empty.pem",
        "broken.pem",
        "open.pem",
        "none.pem",
        "",
    ];
    let mut told = String::new();
    let mut tell = |error: KeyError| {
        let error_text = format!("{error}\n  help: {}\n", error.help);
        told.push_str(&error_text.replace(&format!("{}/", desk.folder.path().display()), ""));
    };
    names.into_iter().for_each(|name| tell(SigningKey::read(&desk.path(name)).expect_err(name)));
    let names = ["key.pem", "rsa.pub.pem", "cert.pem", "empty.pem", "key.der", "none.pem"];
    names.into_iter().for_each(|name| tell(VerifyingKey::read(&desk.path(name)).expect_err(name)));
    assert_snapshot!(told);
}

#[test]
fn another_release_that_a_node_runs_is_named() {
    let (desk, mut record, mut tools) = (Desk::new(), run("passed", 0, "a1"), vec![]);
    for drill in record.drills.values_mut() {
        drill.releases.insert("standby".to_owned(), "17.1".to_owned());
    }
    let said = desk.file().append(&desk.key, |position| {
        let said = statement(&record, &Circumstances::default(), position);
        tools.extend(said.predicate.tools.iter().map(|tool| (tool.name.clone(), tool.version.clone())));
        said
    });
    said.expect("appended");
    assert!(tools.contains(&("PostgreSQL of standby".to_owned(), Some("17.1".to_owned()))), "{tools:?}");
}

#[test]
fn the_page_says_what_a_quarter_has_shown() {
    let desk = Desk::new();
    let named = |mut record: RunRecord| {
        for drill in record.drills.values_mut().take(1) {
            "nightly".clone_into(&mut drill.name);
            "17.2".clone_into(&mut drill.postgres);
            "docker".clone_into(&mut drill.backend);
        }
        record
    };
    for (at, (name, id)) in
        [("passed", "a1"), ("failed", "a2"), ("interrupted", "a3"), ("passed", "a4"), ("mixed", "b1"), ("proof", "c1")]
            .into_iter()
            .enumerate()
    {
        let record = run(name, 7 * at as i64, id);
        desk.append(&if id.starts_with('a') { named(record) } else { record });
    }
    // One that came to no drill.
    let record = RunRecord {
        drills: Default::default(),
        finished: Some((crate::journal::Outcome::Errored, 4, 9)),
        ..run("lab", 60, "d1")
    };
    let selected = vec![Selected {
        name: "nightly".to_owned(),
        file: "nightly.yaml".to_owned(),
        sha256: None,
        fragments: Default::default(),
    }];
    let circumstances =
        Circumstances { selected, why: vec!["no Docker daemon answers".to_owned()], ..Circumstances::default() };
    desk.file().append(&desk.key, |position| statement(&record, &circumstances, position)).expect("appended");
    let text = desk.text();
    let page_of = |text: &str, format, lost| {
        let chains = [Chain { name: "q.intoto.jsonl".to_owned(), verified: verify(text, &desk.public()) }];
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let told =
            page(&chains, desk.key.id(), (time("2026-11-01T00:00:00Z"), time("2027-03-01T00:00:00Z")), lost, format);
        let id = desk.key.id();
        chains[0]
            .verified
            .newest
            .iter()
            .fold(told.replace(id, "KEY"), |told, link| told.replace(&link.digest, "DIGEST"))
    };
    assert_snapshot!(page_of(&text, PageFormat::Markdown, None));
    let html = page_of(&text, PageFormat::Html, None);
    for bad in ["<script", "http:", "src=", "@import", "url(", "onerror"] {
        assert!(!html.contains(bad), "{bad}");
    }
    let rows = |page: &str| page.lines().filter(|line| line.starts_with("<tr><td")).count();
    let of_markdown = page_of(&text, PageFormat::Markdown, None);
    let markdown_rows = of_markdown.lines().filter(|line| line.starts_with("| ")).count();
    let heads = of_markdown.lines().filter(|line| line.starts_with("|---")).count();
    assert_eq!(rows(&html), markdown_rows - heads);
    // What keeps it from being believed stands before anything else.
    let cut: String =
        text.lines().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| format!("{line}\n")).collect();
    let told = page_of(&cut, PageFormat::Markdown, Some("0000"));
    let (first, _) = told.split_once("drills in").expect("a summary");
    assert!(
        first.contains("not as it was signed")
            && first.contains("line 2: it is statement number 3")
            && first.contains("0000"),
        "{first}"
    );
}
