//! Whether the server that a backup is of can be had on this machine.

use crate::harness::{Context, Finding, StepResult};
use crate::host::Program;
use crate::node::{ServerOfBackup, missing_extensions};
use crate::pg::SystemId;
use crate::repo::ServerFiles;
use crate::source::Span;
use crate::steps::judgement::productions_extensions;
use crate::steps::recovery::backup_choice::Found;

/// Checks that the backup has its tablespaces, and that there is room for it where a new server
/// would be made: where nobody says how large it is restored, at least for what it takes up in the
/// repo, `packed` (none of rows, which may take up less on a server). What could not be checked is
/// added to `unknown`.
pub(crate) async fn check_files(
    cx: &mut Context<'_>,
    found: &Found,
    packed: Option<u64>,
    at: Span,
    unknown: &mut Vec<String>,
) -> StepResult {
    let Found { repo, host, label, .. } = found;
    let restored = repo.restored(host.as_ref(), label).await?;
    unknown.extend(restored.unknown.iter().cloned());
    if let Some(tablespaces) = restored.tablespaces.filter(|tablespaces| !tablespaces.is_empty()) {
        cx.fact("tablespaces", tablespaces.join(", "));
    }
    if let Some(first) = restored.lacking.first() {
        return Err(Finding::failed(format!("backup `{label}` is not whole"))
            .at(at)
            .label(format!("it lacks {first}"))
            .help(
                "back up what is in its tablespaces, too; where they lie beside it, `backups` has to begin with a directory that holds both",
            ));
    }
    let parent = host.paths().data.rsplit_once('/').map_or("/", |(parent, _)| parent).to_owned();
    // Sizes in 1024 bytes (POSIX, `df -P -k`); the directory may not be there yet.
    let script =
        r#"dir=$1; while [ ! -d "$dir" ]; do dir=${dir%/*}; [ -n "$dir" ] || dir=/; done; df -Pk "$dir" | tail -n 1"#;
    let output = host.run(Program::script(script, [&parent])).await?;
    let text = output.text();
    let Some(room) = text.split_ascii_whitespace().nth(3).and_then(|free| free.parse::<u64>().ok()) else {
        return Err(Finding::errored(format!("nobody says how much room there is: df printed `{}`", text.trim())));
    };
    let room = room.saturating_mul(1024);
    cx.fact("room", room);
    let Some(least) = restored.least.or(packed) else { return Ok(()) };
    if room < least {
        return Err(Finding::failed(format!("there is no room for backup `{label}`"))
            .at(at)
            .label(format!("it takes up {least} bytes, and {parent} has {room} left"))
            .help("set TMPDIR to where there is room"));
    }
    match restored.most {
        Some(most) if most > room => {
            let between = format!("it is put together of several, and takes up between {least} and {most} bytes");
            unknown.push(format!("room: {between}, and {parent} has {room} left"));
        }
        None if restored.least.is_some() => cx.fact("restored_bytes", least),
        _ => {}
    }
    Ok(())
}

/// Looks at the files of a backup that tell what server it is of; none where nobody has them.
pub(crate) async fn look(
    cx: &mut Context<'_>,
    found: &Found,
) -> Result<(ServerFiles, Option<ServerOfBackup>), Box<Finding>> {
    let host = found.host.as_ref();
    cx.wait(format!("what server backup `{}` is of", found.label));
    let scratch = format!("{}/server-of-{}", host.paths().shared, found.repo.name);
    let files = found.repo.server_files(host, &found.label, &scratch).await?;
    let server = match &files {
        ServerFiles::Whole(dir) | ServerFiles::Some(dir) => {
            Some(ServerOfBackup::look(host, dir, &format!("{}/programs", host.paths().shared)).await?)
        }
        ServerFiles::Damaged(_) | ServerFiles::None(_) => None,
    };
    if files.dir() == Some(&scratch) {
        host.run(Program::new("rm", ["-rf", &scratch])).await?;
    }
    Ok((files, server))
}

/// Fails if the backup is of another version than the programs here: what those say of it and of
/// its WAL would be of no use.
pub(crate) fn check_version(found: &Found, server: Option<&ServerOfBackup>, at: Span) -> StepResult {
    let versions = server.and_then(|server| server.major.zip(server.here));
    let Some((major, here)) = versions.filter(|(major, here)| major != here) else { return Ok(()) };
    let title = format!("backup `{}` is of PostgreSQL {major}, and the programs here are of {here}", found.label);
    Err(Finding::failed(title)
        .at(at)
        .label("its data directory says so")
        .help(format!("run the drill with `--postgres {major}`")))
}

/// Checks libraries and extensions, and that the WAL, which is `wal_of` that cluster, is
/// of the same server; reports the settings that recovery needs. What could not be checked is added
/// to `unknown`.
pub(crate) async fn check(
    cx: &mut Context<'_>,
    found: &Found,
    (files, server): (&ServerFiles, Option<&ServerOfBackup>),
    wal_of: Option<SystemId>,
    at: Span,
    unknown: &mut Vec<String>,
) -> StepResult {
    let mut system = None;
    match (files, server) {
        (_, Some(server)) => {
            unknown.extend(server.unknown.iter().cloned());
            check_server(cx, found, server, at)?;
            if let Some((own, wal)) = server.system.as_ref().zip(wal_of).filter(|(own, wal)| **own != wal.to_string()) {
                let title = format!("the WAL in repo `{}` is not that of backup `{}`", found.repo.name, found.label);
                return Err(Finding::failed(title)
                    .at(at)
                    .label(format!("it is of the server with the system identifier {wal}, the backup of {own}"))
                    .help(
                        "a recovery applies none of it: did another server archive there, or was this one made anew?",
                    ));
            }
            system.clone_from(&server.system);
        }
        (ServerFiles::Damaged(why), _) => {
            return Err(Finding::failed(format!("backup `{}` is not whole", found.label))
                .at(at)
                .label(why)
                .help("no server can be had from it: take another backup, and look at what has made this one"));
        }
        (ServerFiles::None(why), _) => {
            unknown.push(format!("version, libraries, and the settings that recovery needs: {why}"));
        }
        (ServerFiles::Whole(_) | ServerFiles::Some(_), None) => {}
    }
    check_extensions(cx, found, system.as_deref(), at, unknown).await
}

/// Checks that the extensions are installed here: those that the repo knows, or those of the
/// external server that the backup is of.
async fn check_extensions(
    cx: &mut Context<'_>,
    found: &Found,
    system: Option<&str>,
    at: Span,
    unknown: &mut Vec<String>,
) -> StepResult {
    let host = found.host.as_ref();
    let (whose, extensions) = match found.repo.extensions(host, &found.label).await? {
        Some(extensions) => (None, extensions),
        None => {
            let live = match system {
                Some(system) => productions_extensions::of_server(cx, system).await?,
                None => Err("nobody says which server it is of".to_owned()),
            };
            let live = match live {
                Ok(live) => live,
                Err(why) => {
                    let catalogs = "which there are is in the catalogs, which only a server reads";
                    unknown.push(format!("extensions: {catalogs}, and {why}"));
                    return Ok(());
                }
            };
            unknown.extend(live.unknown.into_iter().map(|why| format!("extensions of {why}")));
            (Some(live.node), live.names)
        }
    };
    if extensions.is_empty() {
        return Ok(());
    }
    cx.fact("extensions", extensions.join(", "));
    let missing = missing_extensions(host, &extensions).await?;
    let label = &found.label;
    match (missing.is_empty(), whose) {
        (true, _) => Ok(()),
        (false, Some(node)) => {
            Err(Finding::failed(format!("extensions of `{node}` are not installed on this machine"))
                .at(at)
                .label(format!("backup `{label}` is of that server, which has {}", missing.join(", ")))
                .help(
                    "what calls their functions fails on a copy: install what has them for this version of PostgreSQL",
                ))
        }
        (false, None) => Err(Finding::failed(format!("backup `{label}` cannot be restored here"))
            .at(at)
            .label(format!("not installed on this machine: {}", missing.join(", ")))
            .help("CREATE EXTENSION fails without them: install what has them for this version of PostgreSQL")),
    }
}

/// Checks a server's files.
fn check_server(cx: &mut Context<'_>, found: &Found, server: &ServerOfBackup, at: Span) -> StepResult {
    let label = &found.label;
    let fails = |title: String| Finding::failed(title).at(at);
    if let Some(said) = &server.damaged {
        return Err(fails(format!("the pg_control in backup `{label}` is damaged"))
            .label(format!("pg_controldata: {said}"))
            .help("no server starts with it: take another backup"));
    }
    if let Some(one) = server.mismatches.first() {
        return Err(fails(format!("the programs here are not made for backup `{label}`"))
            .label(format!("{}: {} in the backup, {} here", one.what, one.theirs, one.here))
            .help("a server does not start with it: install one that is built as production's is"));
    }
    if !server.demands.is_empty() {
        let all: Vec<String> = server.demands.iter().map(|(name, value)| format!("{name} {value}")).collect();
        cx.fact("settings", all.join(", "));
    }
    if !server.libraries.is_empty() {
        let all: Vec<&str> = server.libraries.iter().map(|(_, library)| library.as_str()).collect();
        cx.fact("libraries", all.join(", "));
    }
    match server.libraries.iter().find(|(_, library)| server.missing.contains(library)) {
        None => Ok(()),
        Some((setting, library)) => Err(fails(format!("a library that backup `{label}` needs is not on this machine"))
            .label(format!("its `{setting}` names {library}"))
            .help("production's configuration does not work without it: install it, for this version of PostgreSQL")),
    }
}
