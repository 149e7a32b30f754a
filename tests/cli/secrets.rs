//! No secret is in anything that drillyard prints or keeps, whatever the secrets are.

use std::path::Path;

use crate::cli_runner::CliRunner;
use crate::program::said;

const DRILL: &str = r#"
drillyard: 1
name: connects as ${secrets.pw}
about: the password is ${secrets.pw}, and ${secrets.other}
nodes:
  master: { settings: { log_statement: all, app.secret: "${secrets.pw}" } }
steps:
  - sql: { node: master, query: 'SELECT $1::text, $2::text, $3::text', args: ["${secrets.pw}", "${secrets.key}", "${secrets.year}"] }
  - exec: { node: master, run: [sh, -c, 'printf "%s" "$PW" | base64; echo "$KEY"'], env: { PW: "${secrets.pw}", KEY: "${secrets.key}" } }
  - exec: { node: master, run: [sh, -c, 'psql -c "SELECT to_json(''$KEY''::text), to_json(current_setting(''app.secret''))"'], env: { KEY: "${secrets.key}" } }
  - assert_rows: { node: master, query: "SELECT current_setting('app.secret')", equals: [["not ${secrets.pw}"]] }
"#;

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----";

fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn none_is_printed_or_kept() {
    let password = "p@ss/w#rd gr\u{fc}n \"7";
    for (year, other) in [("2026", "step"), ("passed", "fail")] {
        let runner = CliRunner::new();
        let scenario = runner.write("secret.yaml", DRILL).display().to_string();
        let outputs =
            ["r.json", "r.xml", "html", "r.md", "events.jsonl"].map(|name| runner.path().join("state").join(name));
        let [json, xml, html, md, events] = outputs.map(|path| path.display().to_string());
        let run = [
            &["run", "--backend", "local", "-v", "--report-json", &json, "--report-junit", &xml][..],
            &["--report-html", &html, "--report-md", &md, "--events", &events, &scenario],
        ];
        let mut printed = String::new();
        for (args, code) in [
            (run.concat(), 1),
            (vec!["plan", &scenario], 0),
            (vec!["list", &scenario], 0),
            (vec!["check", &scenario], 0),
            (vec!["runs"], 0),
            (vec!["runs", "show", ""], 0),
        ] {
            let mut command = runner.drillyard(&args);
            command.env("DRILLYARD_SECRET_PW", password).env("DRILLYARD_SECRET_KEY", KEY);
            command.env("DRILLYARD_SECRET_YEAR", year).env("DRILLYARD_SECRET_OTHER", other);
            let output = command.output().expect("drillyard runs");
            assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
            printed += &said(&output);
        }
        let kept = files_below(&runner.path().join("state"));
        let read = |path: &std::path::PathBuf| {
            (path.display().to_string(), String::from_utf8_lossy(&std::fs::read(path).expect("read")).into_owned())
        };
        let all = kept.iter().map(read).chain([("what is printed".to_owned(), printed)]);
        let mut logs = 0;
        for (name, text) in all {
            logs += usize::from(name.ends_with(".log") && text.contains("execute"));
            for hidden in ["p@ss", "w#rd", "7\\\"", "p%40ss", "cEBzcy93", "MIIEvQIB", "8cKj", "UFJJVkFURSBLRVk"] {
                assert!(!text.contains(hidden), "{hidden} is in {name}:\n{text}");
            }
        }
        assert_eq!(logs, 1, "the server's log is kept: {kept:?}");
        let report = runner.path().join("state/r.json");
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
        assert_eq!(
            (&report["outcome"], &report["drills"][0]["steps"][3]["outcome"]),
            (&"failed".into(), &"failed".into())
        );
        assert_eq!(report["drills"][0]["steps"][3]["kind"], "assert_rows");
    }
}

/// `${files}` is a copy of the scenario's folder without what is secret in it; what is left out is
/// told, and an error where it is named.
#[test]
fn no_secret_file_is_copied_to_a_host() {
    let deep = "a/b/c/d/e/f/g/h/i";
    let drill = |steps: &str| {
        format!("drillyard: 1\nnodes: {{ master: {{}} }}\nsteps:\n{steps}  - assert_primary: {{ node: master }}\n")
    };
    let list = r#"  - exec: { node: master, run: [sh, -c, 'cd "$DRILLYARD_FILES"; ls -R; ! find . | grep -e kept -e pass -e notes -e link -e i/'], env: { X: "${secrets.word}" } }
"#;
    let runner = CliRunner::new();
    let write = |name: &str, text: &str| {
        let name = format!("drill/{name}");
        std::fs::create_dir_all(runner.path().join(&name).parent().expect("a folder")).expect("made");
        runner.write(&name, text).display().to_string()
    };
    let with = |secrets: &str, steps: &str, code: i32| {
        let file = write("drill.yaml", &drill(steps));
        let mut command = runner.drillyard(["run", "--backend", "local", "-v", &file]);
        command.env("DRILLYARD_SECRETS_DIR", runner.path().join(secrets)).env("DRILLYARD_SECRET_WORD", "sesame");
        let output = command.env("PGPASSFILE", runner.path().join("drill/pass.txt")).output().expect("drillyard runs");
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        said(&output)
    };
    let said_by = |steps: &str, code: i32| with("drill/kept", steps, code);
    for (name, text) in
        [("kept/word", "sesame"), ("pass.txt", "*:*:*:*:x"), ("notes.txt", "open sesame"), ("sub/run.sh", "true")]
    {
        write(name, text);
    }
    write(&format!("{deep}/far.txt"), "far");
    std::os::unix::fs::symlink("sub/run.sh", runner.path().join("drill/link")).expect("a link");
    let all = said_by(list, 0);
    for part in [
        "kept (it is kept for what is secret)",
        "pass.txt (it is",
        "notes.txt (a value in it",
        "link (it is no plain",
        "i (it lies too deep",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(!all.contains("sesame"), "{all}");
    let run = |path: &str| format!("  - exec: {{ node: master, run: [sh, \"${{files}}/{path}\"] }}\n");
    said_by(&run("sub/run.sh"), 0);
    for path in ["kept/word", "link", &format!("{deep}/far.txt")] {
        let named = said_by(&run(path), 4);
        assert!(named.contains("is on no host of the drill") && named.contains("drill.yaml:4"), "{named}");
    }
    // A folder that is kept for secrets, or lies below one, has nothing for anybody.
    for (secrets, steps) in [("drill", list), ("", list), ("", &run("sub/run.sh"))] {
        let none = with(secrets, steps, 4);
        assert!(none.contains("the scenario's folder is on no host") && none.contains("drill.yaml:4"), "{none}");
    }
}
