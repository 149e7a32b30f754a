//! A new server that is filled with the rows of a backup.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::harness::{Context, Finding, NodeRef, Ran, StepResult};
use crate::host::{Program, escape_here};
use crate::node::{INITDB_OPTIONS, Node, Origin, SUPERUSER, by_hand};
use crate::pg::SystemId;
use crate::steps::recovery::backup_choice::{Backup, Found};
use crate::steps::recovery::restore::tell_network;
use crate::steps::recovery::start::Archive;
use crate::steps::recovery::target::Then;

/// Makes a new server, and fills it with what is in a backup.
pub(crate) async fn load(
    cx: &mut Context<'_>,
    node: &NodeRef,
    backup: &Backup,
    archive: &Archive,
    then: &Then,
) -> StepResult {
    let started = Instant::now();
    let host = cx.world.lab.host(node).await?;
    let repo = archive.open(cx, host.as_ref()).await?;
    let Found { repo, host, label, taken, .. } = backup.find_from(cx, repo, host).await?;
    let others = cx.world.is_of_others(&repo, &label);
    let node = Arc::new(Node::with_data_of(others, host, &cx.world.password)?);
    if others {
        tell_network(cx);
    }
    let mut config = cx.world.spec(node.name()).config(&cx.world.repos);
    if let Then::Promote { archive_to: Some(repo) } = then {
        config.archiving = Some(cx.world.repo(repo)?.archiving());
    }
    cx.wait("a new server");
    let template_password =
        node.initdb(SystemId::of(Timestamp::now().as_second().cast_unsigned(), fastrand::u32(..))).await?;
    let (setup, auto_conf) = node.set_up(&config, None, Origin::Own).await?;
    node.launch(Some(&setup), cx.deadline).await?;
    let paths = node.host()?.paths();
    let (data, log) = (paths.data.as_str(), paths.log.as_str());
    let password = ["--username", SUPERUSER, "--pwfile", "/dev/fd/3", "-D", data];
    let initdb = Program::new("initdb", INITDB_OPTIONS.iter().copied().chain(password)).typed();
    let initdb = format!("{initdb} 3<<EOF\n{}\nEOF", escape_here(node.password()));
    let configured = by_hand::configure(data, &setup, &auto_conf, Origin::Own);
    let made = format!("{initdb}\n{configured}\n{}", by_hand::start(data, log));
    cx.ran(Ran::like(&node, format!("make the new server `{}`", node.name()), made));
    node.take_over(&template_password).await?;
    cx.world.outputs().nodes.insert(node.name().into(), node.clone());
    cx.wait(format!("the restore of `{label}` from repo `{}`", repo.name));
    let loading = Instant::now();
    let (loaded, program) = repo.load(&node, &label, taken).await.map_err(|error| match error.said() {
        Some(said) => refused(&format!("backup `{backup}` cannot be restored from repo `{}`", repo.name), said),
        None => error.into(),
    })?;
    let what = format!("load backup `{label}` of repo `{}`", repo.name);
    cx.ran(Ran::program(&node, what, &program).took(loading.elapsed()));
    for (name, what) in loaded.facts() {
        cx.fact(name, what);
    }
    cx.fact("restore_ms", started.elapsed().as_millis() as u64);
    Ok(())
}

/// The failure of a restore: its first error, and all of them.
fn refused(title: &str, said: &str) -> Box<Finding> {
    let first = said.lines().next().unwrap_or_default();
    let finding = Finding::failed(title).label(first);
    let finding = if said.lines().count() > 1 { finding.note("said", said) } else { finding };
    match REMEDIES.iter().find(|(sign, end, _)| first.contains(sign) && first.ends_with(end)) {
        Some((.., help)) => finding.help(*help),
        None => finding,
    }
}

/// How an error begins and ends, and what it lacks.
const REMEDIES: &[(&str, &str, &str)] = &[
    (
        "role \"",
        "does not exist",
        "roles are in a dump of globals: `pg_dumpall --globals-only`, in the backup's directory or where `globals` says",
    ),
    ("extension \"", "is not available", "install the extension where the drill runs"),
    (
        "locale",
        "",
        "make the locale that the database has where the drill runs: `locale -a` lists those that there are",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_the_label() {
        let said = "shop: ERROR:  role \"app\" does not exist\nshop: ERROR:  more";
        let finding = refused("no", said);
        assert_eq!(finding.label, "shop: ERROR:  role \"app\" does not exist");
        assert!(format!("{finding:?}").contains("pg_dumpall --globals-only"), "{finding:?}");
    }
}
