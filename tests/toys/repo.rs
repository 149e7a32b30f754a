//! A toy: a kind of repo with names and a format of its own, so that the tests show what a new kind
//! needs. A backup is one tar file, a segment of WAL a gz file.

use async_trait::async_trait;

use crate::host::{Host, Program};
use crate::node::{Node, Purpose};
use crate::repo::{Ability, Archive, BackupOrder, Label, Listed, Place, RepoError, RepoKind, Result, Storage, Taken};

/// A directory with `ID.tar` and `SEGMENT.gz`.
#[derive(Debug)]
pub struct Toy(Place);

impl RepoKind for Toy {
    const NAME: &'static str = "toy";
    const ABOUT: &'static str = "A toy, with tar and gzip.";
    const CANNOT: &'static [(Ability, &'static str)] = &[
        (Ability::Verify, "nobody reads in a tar file"),
        (Ability::DamageBackup, "nobody writes in a tar file"),
        (Ability::DamageWal, "nobody writes in a gz file"),
        (Ability::BackUpIncrement, "a tar file has all files in it"),
        (Ability::LoseBackup, "nobody has written it"),
        (Ability::WalFiles, "nobody writes in a gz file"),
    ];

    fn at(place: Place) -> Self {
        Toy(place)
    }
}

impl Toy {
    async fn script(&self, host: &dyn Host, script: &str, args: &[&str]) -> Result<String> {
        let args = [self.0.path.as_str()].into_iter().chain(args.iter().copied());
        self.run(host, Program::script(script, args)).await
    }

    async fn run(&self, host: &dyn Host, program: Program) -> Result<String> {
        let output = host.run(program).await?;
        match output.success() {
            true => Ok(output.text()),
            false => Err(RepoError::Failed { what: "the toy", status: output.status, said: output.stderr }),
        }
    }
}

#[async_trait]
impl Storage for Toy {
    fn place(&self) -> &Place {
        &self.0
    }

    fn backup_program(&self) -> &'static str {
        "the toy"
    }

    async fn back_up(&self, node: &Node, order: &BackupOrder<'_>) -> Result<Taken> {
        let label = Label::new(format!("{}.tar", order.id));
        let script = r#"pg_basebackup -D - -F tar -X fetch -c fast >"$1/$2""#;
        let program = node.client_program("sh", Purpose::Own)?;
        let program = program.with_args(["-euc", script, "toy", &self.0.path, label.as_str()]);
        let output = node.host()?.run(program.clone()).await?;
        match output.success() {
            true => Ok(Taken { label, program }),
            false => Err(RepoError::Failed { what: "the toy", status: output.status, said: output.stderr }),
        }
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        let text = self.script(host, r#"cd "$1"; stat -c '%Y %n' *.tar | sort -n || :"#, &[]).await?;
        Ok(text.lines().filter_map(Listed::from_line).collect())
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        let script = r#"rm -rf "$3"; mkdir -m 700 "$3"; tar -xf "$1/$2" -C "$3""#;
        let program = Program::script(script, [&self.0.path, backup.as_str(), data]);
        self.run(host, program.clone()).await?;
        Ok(program)
    }

    fn archive_command(&self) -> String {
        let dir = &self.0.path;
        format!("gzip -c %p >{dir}/.%f.$$ && mv {dir}/.%f.$$ {dir}/%f.gz")
    }

    fn restore_command(&self) -> String {
        let dir = &self.0.path;
        format!("test -e {dir}/%f.gz && gzip -dc {dir}/%f.gz >%p")
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        let script = r#"cd "$1"
for file in $(ls -t); do
  case $file in *.history.gz | *.tar) continue ;; esac
  echo "- - - - $(gzip -dc "$file" | wc -c) ${file%.gz}"
done
for file in *.history.gz; do
  [ -f "$file" ] || continue
  echo "history ${file%.gz}"
  gzip -dc "$file" | sed 's/^/ /'
done"#;
        Ok(Archive::read(&self.script(host, script, &[]).await?))
    }

    async fn copy_from(&self, host: &dyn Host, original: &Place) -> Result<()> {
        self.script(host, r#"cp -a "$2"/* "$1""#, &[&original.path]).await.map(drop)
    }

    async fn lose_wal(&self, host: &dyn Host, segment: &str) -> Result<()> {
        self.script(host, r#"rm "$1/$2.gz""#, &[segment]).await.map(drop)
    }
}

mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use clap::Command;

    use crate::host::local::Local;
    use crate::host::{BackendKind, Surroundings, remove_directory};
    use crate::journal::{Event, Heard, Journal, Outcome, Redactor};
    use crate::run::{Drill, Env, Keep, Named, Order, RunDirectory, run_all};

    /// Everything that a drill does with a repo and this kind can do.
    const SCENARIO: &str = r#"
drillyard: 1
repos: { onsite: { kind: toy, site: here }, offsite: { copy_of: onsite } }
nodes: { primary: { archive_to: onsite } }
steps:
  - id: data
    create_data: { table: items, rows: 1000 }
  - id: nightly
    backup: { repo: onsite }
  - break_archive: { how: lags, by: 200ms }
  - overwrite: { query: UPDATE items SET amount = amount + 1 }
  - mend_archive: {}
  - wait_archived: { node: primary }
  - id: found
    find_in_wal: { repo: onsite, changed: items }
  - sync: { repo: offsite }
  - lose_wal: { repo: onsite, which: last }
  - lose_wal: { repo: onsite, which: last }
  - recover: { node: rescue, backup: nightly, repo: offsite, until: { before: found }, then: promote }
  - assert_rows: { node: rescue, table: items, same_as: data }
  - recover: { node: late, backup: nightly, repo: onsite, until: { before: found }, then: promote }
    expect: { fails: the archive ends before the target }
  - lose_site: { site: here }
  - recover: { node: gone, backup: nightly, until: latest, then: promote }
    expect: { fails: lost with its site }
"#;

    /// What no toy can: an error before anything starts.
    #[test]
    fn what_a_kind_cannot_do_is_an_error() {
        let text = "drillyard: 1\nrepos: { onsite: { kind: toy } }\nnodes: { primary: { archive_to: onsite } }\nsteps:\n  \
                    - id: nightly\n    backup: {}\n  - corrupt: { repo: onsite, wal: last }\n  - assert_intact: { backup: nightly }\n";
        let source = crate::source::Source::new("toy.yaml", text);
        let scenario = crate::scenario::load(source, crate::scenario::Values::none(), &[]).expect("a scenario");
        let problems = crate::plan::resolve(scenario).expect_err("two things that cannot be done");
        let told: Vec<(&str, &str)> =
            problems.iter().map(|problem| (problem.title.as_str(), problem.places[0].label.as_str())).collect();
        let expected = [
            ("a repo of kind `toy` cannot have a WAL segment damaged", "nobody writes in a gz file"),
            ("a repo of kind `toy` cannot verify a backup", "nobody reads in a tar file"),
        ];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn a_drill_with_a_repo_of_its_own_kind() {
        let source = crate::source::Source::new("toy.yaml", SCENARIO);
        let scenario = crate::scenario::load(source, crate::scenario::Values::none(), &[]).expect("a scenario");
        let plan = Arc::new(crate::plan::resolve(scenario).expect("a plan"));
        let named = Named::below(Path::new("/tmp"));
        let directory = RunDirectory::make(&named).expect("a directory");
        let surroundings = Surroundings {
            cache: directory.path().join("cache"),
            owner: "toy".to_owned(),
            variable: |name| std::env::var_os(name),
        };
        let options = Local.options(Command::new("toy")).get_matches_from(["toy"]);
        let backend = Local.open(&options, &surroundings).await.expect("a backend");
        let installed = backend.installations().await.expect("installations");
        let major = installed.first().expect("PostgreSQL on this machine").version.major;
        let heard = Heard::default();
        let env = Env {
            backend,
            run: named.run().to_owned(),
            dir: directory.path().to_owned(),
            records: directory.path().to_owned(),
            journal: Journal::new(vec![Box::new(heard.clone())], Redactor::default()),
            keep: Keep::Never,
            gate: None,
            cancel: Default::default(),
            around: Arc::default(),
        };
        let drill = Drill {
            plan,
            major,
            seed: 1,
            again: String::new(),
            settings: vec![],
            last_pass: Default::default(),
            change: Arc::default(),
            trial: None,
            people: None,
        };
        let finished = run_all(Arc::new(env), vec![drill], Order { jobs: 1, fail_fast: false }, 0).await;
        let problem = heard.take().into_iter().find_map(|event| match event {
            Event::DrillFinished { problem, .. } => Some(problem),
            _ => None,
        });
        remove_directory(directory.path()).expect("a directory that is not needed any more");
        assert_eq!(finished.outcomes, [Outcome::Passed], "{problem:#?}");
        assert!(finished.left.is_empty(), "{:?}", finished.left);
    }
}
