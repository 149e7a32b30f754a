//! Whatever ends a run, nothing of it is left; and what belongs to another live run is never
//! touched.

use crate::cli_runner::CliRunner;
use crate::running::{ENDLESS, QUICK, backends, orphaned_segments, poll, segment_of};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

#[test]
fn after_a_pass_and_after_a_failure() {
    let failing = QUICK.replace("[[1]]", "[[2]]");
    for backend in backends() {
        let runner = CliRunner::new();
        for (text, code) in [(QUICK, 0), (failing.as_str(), 1)] {
            let scenario = runner.write("quick.yaml", text);
            let mut run = runner.begin(&scenario, backend);
            assert_eq!(run.exit_code(), Some(code), "{backend}");
            assert_eq!(runner.left(&run.id), Vec::<String>::new(), "{backend}, exit code {code}");
        }
    }
}

#[test]
fn after_a_signal_and_the_reports_say_so() {
    for backend in backends() {
        for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 143)] {
            let runner = CliRunner::new();
            let scenario = runner.write("endless.yaml", ENDLESS);
            let mut run = runner.begin(&scenario, backend);
            run.wait_for("users' rate", |event| event["event"] == "traffic_rate");
            run.signal(signal);
            assert_eq!(run.exit_code(), Some(code), "{backend} {signal}");
            assert_eq!(runner.left(&run.id), Vec::<String>::new(), "{backend} {signal}");
            let report = runner.report();
            assert_eq!(report["exit_code"], code, "{backend} {signal}");
            assert_eq!(report["outcome"], "errored");
            assert_eq!(report["drills"][0]["outcome"], "errored");
        }
    }
}

/// At the run's start, while servers start, when the first has started, in mid-traffic.
#[test]
fn at_every_phase() {
    for backend in backends() {
        for phase in ["run_started", "drill_started", "node_ready", "step_started", "step_finished"] {
            let runner = CliRunner::new();
            let scenario = runner.write("endless.yaml", ENDLESS);
            let mut run = runner.begin(&scenario, backend);
            run.wait_event(phase);
            run.signal(Signal::SIGINT);
            assert_eq!(run.exit_code(), Some(130), "{backend} {phase}");
            assert_eq!(runner.left(&run.id), Vec::<String>::new(), "{backend} {phase}");
            assert_eq!(runner.report()["exit_code"], 130, "{backend} {phase}");
        }
    }
}

#[test]
fn during_clean_up_itself() {
    for backend in backends() {
        let runner = CliRunner::new();
        let scenario = runner.write("quick.yaml", QUICK);
        let mut run = runner.begin(&scenario, backend);
        run.wait_event("drill_finished");
        run.signal(Signal::SIGTERM);
        let code = run.exit_code();
        // The signal may come when all is told.
        assert_eq!(runner.report()["exit_code"].as_i64(), code.map(i64::from), "{backend}");
        assert!(code == Some(143) || code == Some(0), "{backend}: {code:?}");
        runner.assert_nothing_left(&run.id, backend);
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once_and_the_reaper_cleans_up() {
    for backend in backends() {
        let runner = CliRunner::new();
        let scenario = runner.write("endless.yaml", ENDLESS);
        let mut run = runner.begin(&scenario, backend);
        run.wait_event("step_started");
        run.signal(Signal::SIGINT);
        run.signal(Signal::SIGTERM);
        let code = run.exit_code();
        assert!(code == Some(130) || code == Some(143), "{backend}: {code:?}");
        runner.assert_nothing_left(&run.id, backend);
    }
}

#[test]
fn after_sigkill_of_the_run_or_of_its_whole_process_group() {
    for backend in backends() {
        for phase in ["run_started", "drill_started", "node_ready", "traffic_rate"] {
            for whole_group in [false, true] {
                let runner = CliRunner::new();
                let scenario = runner.write("endless.yaml", ENDLESS);
                let mut run = runner.begin(&scenario, backend);
                run.wait_event(phase);
                match whole_group {
                    true => killpg(Pid::from_raw(run.child.id().cast_signed()), Signal::SIGKILL).expect("a signal"),
                    false => run.signal(Signal::SIGKILL),
                }
                assert_eq!(run.exit_code(), None);
                runner.assert_nothing_left(&run.id, &format!("{backend}, {phase}, whole group: {whole_group}"));
            }
        }
    }
}

/// As after a power cut: nobody is left who could clean up. `clean` does it, and so does the next
/// run.
#[test]
fn after_sigkill_of_the_run_and_its_reaper() {
    for backend in backends() {
        for next in ["clean", "run"] {
            let runner = CliRunner::new();
            let scenario = runner.write("endless.yaml", ENDLESS);
            let mut run = runner.begin(&scenario, backend);
            run.wait_event("traffic_rate");
            kill(run.reaper(), Signal::SIGKILL).expect("a signal");
            run.signal(Signal::SIGKILL);
            assert_eq!(run.exit_code(), None);
            assert_ne!(runner.left(&run.id), Vec::<String>::new(), "nobody can have cleaned up yet");
            let quick = runner.write("quick.yaml", QUICK);
            let output = match next {
                "clean" => runner.output(["clean", &run.id]),
                _ => runner.output(["run", "--backend", backend, &quick.display().to_string()]),
            };
            assert_eq!(output.status.code(), Some(0), "{backend} {next}: {}", crate::program::said(&output));
            assert!(
                crate::program::said(&output).contains(&run.id),
                "{backend} {next}: {}",
                crate::program::said(&output)
            );
            assert_eq!(runner.left(&run.id), Vec::<String>::new(), "{backend} {next}");
        }
    }
}

/// Two runs side by side: one is killed and cleaned up after, also by `clean`, and the other
/// passes.
#[test]
fn another_live_run_is_never_touched() {
    for backend in backends() {
        let runner = CliRunner::new();
        let endless = runner.write("endless.yaml", ENDLESS);
        let mut killed = runner.begin(&endless, backend);
        killed.wait_event("node_ready");
        let lasting =
            runner.write("lasting.yaml", &ENDLESS.replace("SELECT false", "SELECT to_regclass('go') IS NOT NULL"));
        let mut other = runner.begin(&lasting, backend);
        other.wait_event("traffic_rate");
        killed.signal(Signal::SIGKILL);
        runner.assert_nothing_left(&killed.id, backend);
        let output = runner.output(["clean", &killed.id[..], &other.id]);
        assert_eq!(output.status.code(), Some(0), "{}", crate::program::said(&output));
        let said = crate::program::said(&output);
        assert!(said.contains(&format!("run {} is at work", other.id)) && !said.contains("removed run"), "{said}");
        assert!(other.child.try_wait().expect("a child").is_none(), "{backend}: the other run has ended");
        assert!(!runner.left(&other.id).is_empty(), "{backend}: the other run's things are gone");
        other.signal(Signal::SIGINT);
        assert_eq!(other.exit_code(), Some(130));
        let events = runner.report();
        let failed =
            events["drills"][0]["steps"].as_array().expect("steps").iter().any(|step| step["outcome"] == "failed");
        assert!(!failed, "{backend}: {events:#}");
    }
}

/// A postmaster that is killed with its run leaves a segment that only its id in postmaster.pid
/// leads to.
#[test]
fn shared_memory_of_killed_servers_is_given_back() {
    let runner = CliRunner::new();
    let scenario = runner.write("endless.yaml", ENDLESS);
    let mut run = runner.begin(&scenario, "local");
    run.wait_event("traffic_rate");
    let directory = runner.work().join(format!("drillyard-{}", run.id));
    let data: Vec<_> = ["master", "standby"]
        .iter()
        .filter_map(|node| {
            let drills = std::fs::read_dir(&directory).expect("the run's directory").flatten();
            drills.map(|drill| drill.path().join(format!("node-{node}/data"))).find(|data| data.exists())
        })
        .collect();
    let segments: Vec<String> = data.iter().filter_map(|data| segment_of(data)).collect();
    assert_eq!(segments.len(), 2, "both servers have one: {data:?}");
    for pid in crate::left::processes_under(&directory) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    run.signal(Signal::SIGKILL);
    runner.assert_nothing_left(&run.id, "local");
    let left = poll(crate::left::CLEAN_WITHIN, || {
        let orphans = orphaned_segments();
        let left: Vec<&String> = segments.iter().filter(|id| orphans.contains(id)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    assert_eq!(left, Ok(()));
}
