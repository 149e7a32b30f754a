//! The files of a backup that say what server it is of: pgbackrest gives each of them by itself,
//! where they are no part of a bundle that is encrypted.

use super::manifest::Manifest;
use crate::host::{Host, Program};
use crate::repo::error::{Result, run};
use crate::repo::listed::Label;
use crate::repo::server_files::ServerFiles;

/// What is fetched. PG_VERSION is known from the manifest.
const WANTED: [&str; 3] = ["global/pg_control", "postgresql.conf", "postgresql.auto.conf"];

/// Fetches them to `scratch`. `options` name configuration, repository and stanza; `of_drill` gives
/// a program the environment that it has to have.
pub(super) async fn fetch(
    host: &dyn Host,
    options: Vec<String>,
    of_drill: impl Fn(Program) -> Program,
    stanza: &str,
    label: &Label,
    scratch: &str,
) -> Result<ServerFiles> {
    let dir = format!("backup/{stanza}");
    let manifest = Program::new("pgbackrest", options.clone());
    let manifest = manifest.with_args(["repo-get".to_owned(), format!("{dir}/{label}/backup.manifest")]).with_network();
    let manifest = Manifest::read(&run(host, "pgbackrest repo-get", of_drill(manifest)).await?.text());
    let Some(version) = manifest.version.clone() else {
        return Ok(ServerFiles::None("its manifest does not say which version it is of".to_owned()));
    };
    let mut args = vec![scratch.to_owned(), version];
    for file in WANTED {
        if let Some((holder, stored)) = manifest.readable(file) {
            let path = format!("{dir}/{}/{}", holder.unwrap_or(label.as_str()), stored.path);
            let place = [stored.offset, stored.size].map(|number| number.to_string());
            args.extend([file.to_owned(), manifest.unpacker().to_owned(), path]);
            args.extend(place);
        }
    }
    args.push("--".to_owned());
    let script = Program::script(include_str!("../scripts/pgbackrest_server_files.sh"), args);
    let script = script.with_args(options).with_network();
    Ok(ServerFiles::read(&run(host, "pgbackrest repo-get", of_drill(script)).await?.text()))
}
