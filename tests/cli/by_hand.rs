//! Going through a drill by hand: what is said at a prompt, and what it does.

use std::io::Write;
use std::process::Stdio;

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::running::{QUICK, Run};

fn begin(runner: &CliRunner, scenario: &str, options: &[&str]) -> Run {
    let scenario = runner.write("drill.yaml", scenario);
    runner.begin_with(&scenario, "local", |command| {
        command.stdin(Stdio::piped()).args(options);
    })
}

fn say(run: &mut Run, words: &str) {
    run.child.stdin.as_mut().expect("a pipe").write_all(words.as_bytes()).expect("said");
}

#[test]
fn q_and_the_end_of_input_interrupt_the_run_and_fail_nothing() {
    for words in ["q\n", ""] {
        let runner = CliRunner::new();
        let mut run = begin(&runner, QUICK, &["--step"]);
        run.wait_said("> ", 1);
        say(&mut run, words);
        drop(run.child.stdin.take());
        assert_eq!(run.exit_code(), Some(130), "{}", run.said());
        let report = runner.report();
        assert_eq!((&report["exit_code"], &report["outcome"]), (&130.into(), &"errored".into()));
        assert_eq!(report["drills"][0]["outcome"], "errored");
        assert_eq!(report["drills"][0]["steps"][0]["outcome"], "skipped", "nothing was run");
        assert!(!run.said().contains("FAIL"), "{}", run.said());
        assert_eq!(runner.left(&run.id), Vec::<String>::new());
    }
}

#[test]
fn anything_but_an_answer_explains_itself_and_runs_nothing() {
    let runner = CliRunner::new();
    let mut run = begin(&runner, QUICK, &["--step"]);
    for (times, words) in ["drop table\n", "?\n", "r\n", "s nosuch\n"].iter().enumerate() {
        run.wait_said("> ", times + 1);
        say(&mut run, words);
    }
    run.wait_said("> ", 5);
    let said = run.said();
    for words in [
        "`drop table` is no answer here, and nothing was run",
        "q         ends the run",
        "there is nothing to try again",
        "there is no node `nosuch` up; there are: master",
        &format!("drillyard shell {}/master", run.id),
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("PGPASSWORD") && said.lines().all(|line| line.len() < 200), "{said}");
    say(&mut run, "\n");
    run.wait_said("before step 1", 1);
    say(&mut run, "c\n");
    assert_eq!(run.exit_code(), Some(0), "{}", run.said());
}

#[test]
fn a_live_run_is_called_running_and_its_nodes_are_reached_and_a_failed_step_is_tried_again() {
    let runner = CliRunner::new();
    let mut run = begin(&runner, &QUICK.replace("[[1]]", "[[1], [2]]"), &["--break", "1"]);
    run.wait_said("> ", 1);
    let runs = said(&runner.output(["runs"]));
    assert!(runs.lines().any(|line| line.starts_with(&run.id) && line.contains("  running  ")), "{runs}");
    say(&mut run, "\n");
    run.wait_said("did not pass", 1);
    let shell = format!("{}/master", run.id);
    let output = runner.output(["shell", &shell, "--", "psql", "-qc", "INSERT INTO t VALUES (2)"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    say(&mut run, "r\n");
    assert_eq!(run.exit_code(), Some(0), "{}", run.said());
    let report = runner.report();
    assert_eq!(report["drills"][0]["steps"][1]["facts"]["tries"], 2, "{report:#}");
    assert!(report["drills"][0]["warnings"].to_string().contains("tried 2 times by hand"), "{report:#}");
    let runs = said(&runner.output(["runs"]));
    assert!(runs.lines().any(|line| line.starts_with(&run.id) && line.contains("  passed ")), "{runs}");
}

/// On a terminal: psql has it until it ends, and Ctrl-C at the prompt ends the run.
#[test]
fn a_shell_has_the_terminal_and_ctrl_c_ends_the_run() {
    let runner = CliRunner::new();
    let scenario = runner.write("drill.yaml", QUICK).display().to_string();
    let program = runner.drillyard::<&str>([]);
    let command = format!("{} run --backend local --step {scenario}", program.get_program().display());
    let mut script = std::process::Command::new("script");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.args(["-qefc", &command, "/dev/null"]).env("TERM", "dumb").env("PAGER", "cat");
    let said = runner.path().join("said");
    let file = std::fs::File::create(&said).expect("a file");
    let Ok(mut child) = script.stdin(Stdio::piped()).stdout(file).spawn() else { return };
    let mut keys = child.stdin.take().expect("a pipe");
    let mut after = |words: &str, times: usize, press: &str| {
        let seen = crate::running::poll(crate::left::PATIENCE, || {
            let text = String::from_utf8_lossy(&std::fs::read(&said).unwrap_or_default()).into_owned();
            if text.matches(words).count() >= times { Ok(()) } else { Err(text) }
        });
        assert_eq!(seen, Ok(()), "{words}");
        keys.write_all(press.as_bytes()).expect("pressed");
        keys.flush().expect("pressed");
    };
    after("explains > ", 1, "s\n");
    after("postgres=#", 1, "SELECT 40 + 2 AS answer;\n");
    after("42", 1, "\u{3}");
    after("postgres=#", 3, "\\q\n");
    after("explains > ", 2, "\u{3}");
    let ended = crate::running::poll(crate::left::PATIENCE, || child.try_wait().expect("a child").ok_or("it hangs"));
    assert_eq!(
        ended.expect("in time").code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&std::fs::read(&said).expect("text"))
    );
}
