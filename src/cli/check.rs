//! `drillyard check`

use std::collections::BTreeSet;
use std::path::Path;

use super::args::{CheckArgs, color_of_stderr};
use super::backend::BackendArgs;
use super::choose;
use super::files::{self, Loaded};
use super::out::{block_on, complain, say};
use super::stop::Result;
use crate::journal::{ExitCode, Problem};
use crate::pg::Version;
use crate::plan::Plan;
use crate::source::Span;

/// Reads, resolves and judges scenarios without starting anything.
pub fn check(args: CheckArgs) -> Result<ExitCode> {
    let files = files::find(&args.selection.paths)?;
    let mut loaded = files::load(&files, files::Reading { set: &args.selection.set, ..Default::default() });
    files::check_set(&args.selection.set, &loaded)?;
    loaded.retain(|one| one.plan.as_ref().map_or(true, |plan| files::selected(plan, &args.selection)));
    if loaded.is_empty() {
        return Err(files::nothing_selected(files.len()));
    }
    let color = color_of_stderr(Some(args.color));
    let mut code = ExitCode::Passed;
    for one in &loaded {
        if let Err(problems) = &one.plan {
            print_problems(problems, color);
            complain(&format!("{}: {}\n", one.path.display(), count_of_errors(problems.len())));
            code = ExitCode::InvalidScenario;
        }
    }
    if let Some(choice) = args.backend
        && code == ExitCode::Passed
    {
        let args = BackendArgs { backend: choice, options: args.options.clone() };
        if !block_on(versions_available(&args, &loaded, color))? {
            code = ExitCode::Lab;
        }
    }
    let plans: Vec<&Plan> = loaded.iter().filter_map(|one| one.plan.as_deref().ok()).collect();
    // The drills that a matrix makes of one file say the same.
    let mut told = BTreeSet::new();
    for warning in plans.iter().flat_map(|plan| &plan.warnings) {
        let warning = crate::report::render_warning(warning, color);
        if told.insert(warning.clone()) {
            complain(&warning);
        }
    }
    for plan in plans.iter().filter(|plan| !plan.judges() && plan.unset.is_empty()) {
        complain(&format!("warning: {} checks nothing: it will fail", plan.source.file()));
    }
    if !args.quiet {
        for (plan, needs) in plans.iter().filter_map(|plan| Some((plan, plan.needs()?))) {
            say(&format!("{} needs {needs}", plan.source.file()));
        }
        // A file with a matrix is several drills, and one file.
        let files = |is: fn(&&Loaded) -> bool| {
            let files: BTreeSet<&Path> = loaded.iter().filter(is).map(|one| one.path.as_path()).collect();
            files.len()
        };
        let count = files(|_| true);
        let scenarios = if count == 1 { "scenario" } else { "scenarios" };
        match files(|one| one.plan.is_err()) {
            0 => say(&format!("{count} {scenarios} checked: no errors")),
            invalid => say(&format!("{count} {scenarios} checked: {invalid} invalid")),
        }
    }
    Ok(code)
}

/// Whether the backend has every version that the scenarios name.
async fn versions_available(args: &BackendArgs, loaded: &[Loaded], color: bool) -> Result<bool> {
    let chosen = choose::choose(args, &choose::Wanted::default()).await?;
    let available = crate::host::available(&chosen.installations);
    let mut all = true;
    for plan in loaded.iter().filter_map(|one| one.plan.as_ref().ok()) {
        let there = |is: &dyn Fn(Version) -> bool| chosen.installations.iter().any(|one| is(one.version));
        let lacks = plan.versions.iter().filter(|major| !there(&|version| version.major == major.value));
        let lacks: Vec<(String, Span)> = lacks.map(|major| (major.value.to_string(), major.span)).collect();
        let releases = plan.releases().flat_map(|(_, releases)| releases.iter());
        let releases = releases.filter(|release| !there(&|version| version == release.value));
        let releases = releases.map(|release| (release.value.to_string(), release.span));
        for (version, span) in lacks.into_iter().chain(releases) {
            let label = format!("{available} available with the backend {}", chosen.backend.name());
            let problem = Problem::new(format!("PostgreSQL {version} is not available"))
                .at(plan.source.place(span, label))
                .help("`drillyard doctor` says how to get it");
            print_problems(&[problem], color);
            all = false;
        }
    }
    Ok(all)
}

/// Prints problems to stderr, a blank line after each.
pub fn print_problems(problems: &[Problem], color: bool) {
    for problem in problems {
        complain(&crate::report::render(problem, color));
    }
}

/// `1 error`, `3 errors`.
pub fn count_of_errors(count: usize) -> String {
    if count == 1 { "1 error".to_owned() } else { format!("{count} errors") }
}
