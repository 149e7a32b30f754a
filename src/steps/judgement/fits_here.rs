//! Whether the server that a backup is of can be had on this machine.

use crate::harness::{Context, Finding, StepResult};
use crate::node::{ServerOfBackup, missing_extensions};
use crate::repo::ServerFiles;
use crate::source::Span;
use crate::steps::recovery::backup_choice::Found;

/// Checks version, libraries and extensions, and reports the settings that recovery needs. What
/// could not be checked is added to `unknown`.
pub(crate) async fn check(
    cx: &mut Context<'_>,
    found: &Found,
    files: &ServerFiles,
    at: Span,
    unknown: &mut Vec<String>,
) -> StepResult {
    let host = found.host.as_ref();
    match files {
        ServerFiles::Whole(dir) | ServerFiles::Some(dir) => {
            cx.wait(format!("what server backup `{}` is of", found.label));
            let server = ServerOfBackup::look(host, dir, &format!("{}/programs", host.paths().shared)).await?;
            unknown.extend(server.unknown.iter().cloned());
            check_server(cx, found, &server, at)?;
        }
        ServerFiles::None(why) => {
            unknown.push(format!("version, libraries, and the settings that recovery needs: {why}"));
        }
    }
    let Some(extensions) = found.repo.extensions(host, &found.label).await? else {
        unknown.push("extensions: which there are is in the catalogs, which only a server reads".to_owned());
        return Ok(());
    };
    if extensions.is_empty() {
        return Ok(());
    }
    cx.fact("extensions", extensions.join(", "));
    let missing = missing_extensions(host, &extensions).await?;
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Finding::failed(format!("backup `{}` cannot be restored here", found.label))
            .at(at)
            .label(format!("not installed on this machine: {}", missing.join(", ")))
            .help("CREATE EXTENSION fails without them: install what has them for this version of PostgreSQL")),
    }
}

/// Checks a server's files.
fn check_server(cx: &mut Context<'_>, found: &Found, server: &ServerOfBackup, at: Span) -> StepResult {
    let label = &found.label;
    let fails = |title: String| Finding::failed(title).at(at);
    if let Some((major, here)) = server.major.zip(server.here).filter(|(major, here)| major != here) {
        return Err(fails(format!("backup `{label}` is of PostgreSQL {major}, and the programs here are of {here}"))
            .label("its data directory says so")
            .help(format!("run the drill with `--postgres {major}`")));
    }
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
