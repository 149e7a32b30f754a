//! What people do between the incident and the moment in which the drill has nothing more to do
//! before them; and what they see of an archive that was broken, who was not to be told.

use std::path::Path;

use crate::cli_runner::CliRunner;
use crate::left::{PATIENCE, poll};
use crate::program::said;

/// A drill whose archive_command fails. Its lunch lasts until somebody comments on the table.
const DRILL: &str = "
drillyard: 1
name: lunch
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
steps:
  - create_data: { node: master, table: items, rows: 100 }
  - { id: nightly, backup: { node: master, repo: onsite } }
  - { id: stopped, break_archive: { node: master, how: fails } }
  - name: lunch
    wait_for: { node: master, query: \"SELECT obj_description('items'::regclass) = 'eaten'\", equals: true }
  - mend_archive: { node: master }
  - recover: { node: rescue, backup: nightly, until: latest, then: promote }
  - assert_rows: { node: rescue, table: items, count: 100 }
";

/// The server's log, which is the file below a folder that has these words in it.
fn log_with(folder: &Path, words: &str) -> Option<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.into_iter().find_map(|path| match path.is_dir() && !path.is_symlink() {
        true => log_with(&path, words),
        false => std::fs::read_to_string(&path).ok().filter(|text| text.contains(words)),
    })
}

#[test]
fn what_people_do_at_lunch_counts_and_a_broken_archive_looks_like_any_other() {
    let runner = CliRunner::new();
    let file = runner.write("lunch.yaml", DRILL).display().to_string();
    let mut held = runner.hold(&["--surprise", "--board", "off", "--for", "5m", &file]);
    let master = held.host("master");
    let psql = |query: &str| said(&master.run(&["psql", "-XAtc", query]));
    let broken = poll(PATIENCE, || match psql("SHOW archive_command") {
        command if command.contains("/archivedir/") => Ok(command),
        command => Err(command),
    });
    let command = broken.expect("a broken archive_command");
    assert!(command.starts_with("cp %p /") && !command.contains("break"), "{command}");
    // Whoever is answered after the incident is answered when drillyard has looked at what it left.
    let told = held.ask(&["scratch", "mine"]);
    let env = std::fs::read_to_string(held.handout.join("env")).expect("a handout");
    let backup = env.lines().find_map(|line| line.strip_prefix("DRILLYARD_BACKUP='")).expect("a backup");
    std::fs::remove_file(Path::new(backup.trim_end_matches('\'')).join("PG_VERSION")).expect("removed");
    assert!(psql("COMMENT ON TABLE items IS 'eaten'").contains("COMMENT"));

    let log = log_with(&runner.work(), "cp: cannot create regular file").expect("the server's log");
    let since = log.find("ALTER SYSTEM SET archive_command").expect("what was done");
    // Others connect meanwhile: this test does.
    let process = |line: &str| line.split_once('[')?.1.split_once(']').map(|(process, _)| process.to_owned());
    let doer = log.lines().find(|line| line.contains("ALTER SYSTEM SET archive_command")).and_then(process);
    let mut who = log.lines().filter(|line| line.contains("connection authorized: "));
    let who = who.find(|line| doer.is_some() && process(line) == doer).expect("who has done it");
    assert!(who.ends_with("application_name=pgAdmin 4 - CONN:7340218"), "{who}");
    for tells in ["break_archive", "drillyard: ", "incident"] {
        assert!(!log[since..].contains(tells), "{tells}: {}", &log[since..]);
    }

    // A place has the name that people gave it.
    let place = said(&runner.output(["shell", "mine", "--", "sh", "-c", "cd $DRILLYARD_SCRATCH && pwd"]));
    assert!(told.contains(&format!("DRILLYARD_SCRATCH='{}'", place.trim())), "{place} is not in {told}");
    assert!(said(&held.say(&["scratch", "master"])).contains("is the name of another place or server"));

    // Without a board the facilitator types.
    held.types("pause");
    held.wait_said("a pause would tell them");
    held.types("say the auditors come at four");
    held.wait_said("facilitator: the auditors come at four");
    assert!(!held.said().contains("what happened"), "{}", held.said());
    held.types("status");
    held.wait_said("archive_command of master fails (line 9)");
    held.types("end");
    held.wait_said("type `end` again to end it");
    held.types("end");
    let ended = held.end().with(1, "failed").says(&[
        "the facilitator ended it after",
        "time to decide: not seen",
        "-20  second accident: backups or WAL removed",
    ]);
    let _ = ended.debriefs(&["is not known here: no run of this drill has passed"]);
}
