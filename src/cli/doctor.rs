//! `drillyard doctor`

use std::path::Path;

use super::args::DoctorArgs;
use super::backend::BACKENDS;
use super::choose;
use super::dirs;
use super::out::{block_on, print_all};
use super::stop::Result;
use crate::host::{Check, Checkup, Sorting};
use crate::journal::ExitCode;
use crate::repo::KINDS;
use crate::run::{RunState, run_directories};

/// Shows what is here to run on, what is missing, and how to get it.
pub fn doctor(args: DoctorArgs) -> Result<ExitCode> {
    let (text, code) = block_on(async {
        let mut text = String::new();
        let (mut usable, mut sorting) = (false, vec![]);
        for kind in BACKENDS {
            let checkup = kind.examine(args.backend.options.matches(), &dirs::surroundings()).await;
            usable |= checkup.usable;
            checked(&mut text, &checkup);
            sorting.extend(checkup.sorting);
        }
        sorted_apart(&mut text, &sorting);
        programs_of_repos(&mut text);
        places_of(&mut text);
        left_behind(&mut text).await;
        let chosen = choose::choose(&args.backend, &choose::Wanted::default()).await;
        match chosen {
            Ok(chosen) if usable => {
                let (name, reason) = (chosen.backend.name(), chosen.reason);
                text.push_str(&format!("\n`drillyard run` would use {name}: {reason}\n"));
                Ok((text, ExitCode::Passed))
            }
            _ => {
                text.push_str("\nThere is nowhere to run PostgreSQL: install one of the above.\n");
                Ok((text, ExitCode::Lab))
            }
        }
    })?;
    print_all(&text);
    Ok(code)
}

/// What was found out about a backend, and an empty line.
fn checked(text: &mut String, checkup: &Checkup) {
    text.push_str(&format!("{}\n", checkup.title));
    let mut line = |label: &str, words: &str| {
        let words = words.replace('\n', "\n           ");
        text.push_str(&format!("  {label:8} {words}\n"));
    };
    for check in &checkup.checks {
        match check {
            Check::Ok(words) => line("ok", words),
            Check::Warning(words) => line("warning", words),
            Check::Missing(what, help) => {
                line("missing", what);
                help.iter().for_each(|help| line("", help));
            }
            Check::ToGet(how) => line("to get", how),
        }
    }
    text.push('\n');
}

/// Which major versions sort text by different libraries, and an empty line; nothing if none does.
fn sorted_apart(text: &mut String, sorting: &[Sorting]) {
    let checks: Vec<Check> = Sorting::apart(sorting).into_iter().map(Check::Warning).collect();
    if !checks.is_empty() {
        checked(text, &Checkup { title: "Text", checks, usable: true, sorting: vec![] });
    }
}

/// The programs that kinds of repos need, as local processes find them, and an empty line. Which
/// are in an image is known when a drill asks for one.
fn programs_of_repos(text: &mut String) {
    let path = (dirs::surroundings().variable)("PATH").unwrap_or_default();
    let found = |program: &str| std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file());
    let (title, checks) = ("Repos", KINDS.iter().filter_map(|kind| Some((kind.name, kind.program?))));
    let checks = checks.map(|(kind, tool)| match found(tool.program) {
        Some(file) => Check::Ok(format!("kind `{kind}` on this machine: {}", file.display())),
        None => {
            let what = format!("{}, for repos of kind `{kind}` on this machine", tool.program);
            Check::Missing(what, Some(tool.install.to_owned()))
        }
    });
    checked(text, &Checkup { title, checks: checks.collect(), usable: true, sorting: vec![] });
}

fn places_of(text: &mut String) {
    text.push_str("Places\n");
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
