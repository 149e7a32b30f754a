//! In containers a team works through `drillyard shell`.

use crate::cli_runner::CliRunner;
use crate::ends::SMALL;
use crate::program::said;

#[test]
fn docker_a_team_recovers_in_a_container() {
    let runner = CliRunner::new();
    let file = runner.write("small.yaml", SMALL).display().to_string();
    let mut held = runner.hold_on("docker", &["--postgres", "15", "--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let team = held.team("container.sh");
    assert_eq!(team.status.code(), Some(0), "{}\n{}", said(&team), held.said());
    let ended = held.end().with(0, "passed").says(&["a server came up as `rescue`", "everything holds after"]);
    let _ = ended.debriefs(&["SELECT count(\\*) FROM items"]);
}
