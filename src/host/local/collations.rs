//! By which libraries the servers of this machine sort text.

use std::path::Path;

use tokio::process::Command;

use crate::host::{Installation, Sorting};

/// Those of each installation; one of which they cannot be found out is left out.
pub(super) async fn sorting(found: &[Installation]) -> Vec<Sorting> {
    let itself = said(Command::new("ldd").arg("--version")).await;
    let mut all = vec![];
    for one in found {
        let of_postgres = said(Command::new("ldd").arg(Path::new(&one.place).join("postgres"))).await;
        all.extend(Sorting::read(one, &itself, &of_postgres));
    }
    all
}

/// What a program writes; nothing if there is no such program.
async fn said(command: &mut Command) -> String {
    let output = command.output().await;
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}
