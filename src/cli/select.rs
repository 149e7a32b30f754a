//! Which drills there are to run: the scenarios that were asked for, on the versions that they are
//! meant for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::args::DrillArgs;
use super::choose::Chosen;
use super::files::{self, Loaded, Reading};
use super::partition::Partition;
use super::stop::{Result, Stop};
use crate::host::as_word;
use crate::journal::Command;
use crate::plan::Plan;
use crate::run::{Drill, LastPass};

/// What was asked for.
pub struct Selected {
    /// The scenarios of this part, and those that cannot be read.
    pub loaded: Vec<Loaded>,
    /// How many files were found.
    pub found: usize,
    /// How many drills of all parts are meant for the versions that were asked for.
    pub meant: usize,
    /// The part, if only one was asked for.
    pub part: Option<Partition>,
}

/// The drills of a run.
pub struct Drills {
    /// Every plan on each of its versions.
    pub drills: Vec<Drill>,
    /// The plans that are not meant for what was asked for, and why they are skipped.
    pub skipped: Vec<Skipped>,
}

/// A plan that is not meant for the versions, or for the repos, that were asked for.
pub struct Skipped {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Why it is skipped.
    pub reason: String,
    /// The command that runs, or proves, it as it is meant.
    pub again: String,
}

/// Reads what was asked for. Without people, drills that need them cannot be run.
pub fn load(args: &DrillArgs, has_people: bool) -> Result<Selected> {
    let reading = Reading { set: &args.selection.set, repos: args.repos };
    let mut loaded = files::load(&files::find(&args.selection.paths)?, reading);
    let found = loaded.len();
    files::check_set(&args.selection.set, &loaded)?;
    loaded.retain(|one| one.plan.as_ref().map_or(true, |plan| files::selected(plan, &args.selection)));
    if !has_people {
        loaded.iter_mut().for_each(demand_auto);
    }
    Ok(Selected { loaded, found, meant: 0, part: None })
}

/// A drill that needs params from outside is skipped where it was found in a folder, and an error
/// where it was named.
fn demand_params(one: &mut Loaded) {
    let Ok(plan) = &one.plan else { return };
    let Some(needs) = plan.needs() else { return };
    match one.named {
        true => one.plan = Err(plan.unset.iter().map(|unset| unset.problem.clone()).collect()),
        false => one.unfit = Some(format!("needs `{needs}`")),
    }
}

/// A drill that only people can play is skipped where it was found in a folder, and an error where
/// it was named.
fn demand_auto(one: &mut Loaded) {
    let Some(problem) = one.plan.as_ref().ok().and_then(|plan| plan.only_for_people()) else { return };
    match one.named {
        true => one.plan = Err(vec![problem]),
        false => one.unfit = Some(format!("{}: `drillyard firedrill` does", problem.title)),
    }
}

impl Selected {
    /// Leaves `only` the drills with these names, if there are names, and of those the part that
    /// was asked for.
    pub fn narrow(&mut self, args: &DrillArgs, part: Option<Partition>, only: Option<&BTreeSet<String>>) {
        let is_meant = |plan: &Plan| only.is_none_or(|names| names.contains(&plan.name));
        self.loaded.retain(|one| one.plan.as_ref().map_or(true, |plan| is_meant(plan)));
        self.loaded.iter_mut().for_each(demand_params);
        self.meant = self.fit().filter(|plan| !majors(args, plan, 0).is_empty()).count();
        self.part = part;
        // Parts are made of what is selected, so that each has its share of it.
        let mut index = 0;
        self.loaded.retain(|one| match &one.plan {
            Ok(plan) => {
                index += 1;
                part.is_none_or(|part| part.takes(index - 1, &plan.name))
            }
            Err(_) => true,
        });
        if let Some(timeout) = args.timeout {
            for plan in self.loaded.iter_mut().filter_map(|one| Arc::get_mut(one.plan.as_mut().ok()?)) {
                plan.timeout = timeout;
            }
        }
    }

    /// The scenarios that are valid, and can be run as it was asked.
    pub fn fit(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.loaded.iter().filter(|one| one.unfit.is_none()).filter_map(|one| one.plan.as_ref().ok())
    }

    /// The scenarios that are valid.
    pub fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.loaded.iter().filter_map(|one| one.plan.as_ref().ok())
    }

    /// The scenarios that are not.
    pub fn invalid(&self) -> Vec<&Loaded> {
        self.loaded.iter().filter(|one| one.plan.is_err()).collect()
    }

    /// What to say of a part that has none of the drills.
    pub fn empty_part(&self, drills: &Drills) -> Option<String> {
        let part = self.part.filter(|_| drills.drills.is_empty() && self.meant > 0)?;
        let are = if self.meant == 1 { "drill is" } else { "drills are" };
        Some(format!("{part} has no drill: {} {are} in all parts", self.meant))
    }

    /// The drills, with a backend to run them on; `repeat` times, each time with the next seed.
    pub fn drills(&self, args: &DrillArgs, command: Command, repeat: u32, chosen: &Chosen) -> Drills {
        let newest = chosen.installations.iter().map(|one| one.version.major).max().unwrap_or_default();
        let (mut drills, mut skipped) = (Vec::new(), Vec::new());
        for round in 0..repeat {
            let seed = args.seed().wrapping_add(u64::from(round));
            for (plan, unfit) in self.loaded.iter().filter_map(|one| Some((one.plan.as_ref().ok()?, &one.unfit))) {
                if let Some(reason) = unfit {
                    if round == 0 {
                        let again = again(&DrillArgs { repos: None, ..args.clone() }, command, plan, None, seed);
                        skipped.push(Skipped { plan: plan.clone(), reason: reason.clone(), again });
                    }
                    continue;
                }
                let majors = majors(args, plan, newest);
                if majors.is_empty() && round == 0 {
                    let listed: Vec<String> = plan.postgres.iter().map(ToString::to_string).collect();
                    let reason = format!("meant for PostgreSQL {}", listed.join(", "));
                    let again = again(args, command, plan, None, seed);
                    skipped.push(Skipped { plan: plan.clone(), reason, again });
                }
                for major in majors {
                    let again = again(args, command, plan, Some(major), seed);
                    drills.push(Drill {
                        plan: plan.clone(),
                        major,
                        seed,
                        again,
                        settings: settings(args, plan),
                        last_pass: LastPass::default(),
                        change: Arc::default(),
                        trial: None,
                        people: None,
                    });
                }
            }
        }
        Drills { drills, skipped }
    }
}

impl Drills {
    /// That there is nothing to run, although files were selected.
    pub fn none(&self) -> Stop {
        let reasons: Vec<String> =
            self.skipped.iter().map(|one| format!("{}: {}", one.plan.name, one.reason)).collect();
        Stop::nothing("no scenario was selected").help(match reasons.is_empty() {
            true => {
                "what is drawn has to have an incident, and a recovery that people can do in their own way".to_owned()
            }
            false => reasons.join("\n"),
        })
    }
}

/// The versions that a drill is run on; none if it is not meant for those that were asked for.
/// `newest` is the one to run on if nobody names any.
fn majors(args: &DrillArgs, plan: &Plan, newest: u32) -> Vec<u32> {
    match (args.postgres.as_slice(), plan.postgres.as_slice()) {
        ([], []) => vec![newest],
        ([], listed) => listed.to_vec(),
        (asked, []) => asked.to_vec(),
        (asked, listed) => asked.iter().filter(|major| listed.contains(major)).copied().collect(),
    }
}

/// What `--set` gives a drill. What a matrix gives is in the drill's name.
fn given<'a>(args: &'a DrillArgs, plan: &'a Plan) -> impl Iterator<Item = &'a (String, String)> {
    args.selection.set.iter().filter(|(name, _)| plan.params.contains(name) && !plan.cell.has(name))
}

/// What a drill is told beside its file.
fn settings(args: &DrillArgs, plan: &Plan) -> Vec<String> {
    let kind = args.repos.filter(|_| !plan.repos.is_empty()).map(|kind| format!("--repos {}", kind.name));
    let mut set: Vec<_> = given(args, plan).collect();
    set.sort();
    set.into_iter().map(|(name, value)| format!("{name}={value}")).chain(kind).collect()
}

/// The options of `run`, `prove` and `firedrill` that change what is done to a drill and that no
/// other part of [`again`] gives, with the names of their fields before.
const OF_DRILLS: &[(&str, &str)] =
    &[("timeout", "timeout"), ("only", "only"), ("delay", "delay"), ("limit", "for"), ("reachable", "reachable")];

/// The command that runs, or proves, one drill again; without a version, on those that it is meant
/// for.
fn again(args: &DrillArgs, command: Command, plan: &Plan, major: Option<u32>, seed: u64) -> String {
    let program = match command {
        Command::Run => "drillyard run",
        Command::Prove => "drillyard prove",
        Command::Firedrill => "drillyard firedrill",
    };
    let mut words = vec![program.to_owned(), format!("--seed {seed}")];
    words.extend(args.backend.again());
    if let Some(major) = major
        && (!args.postgres.is_empty() || plan.postgres.len() > 1)
    {
        words.push(format!("--postgres {major}"));
    }
    if let Some(kind) = args.repos.filter(|_| !plan.repos.is_empty()) {
        words.push(format!("--repos {}", kind.name));
    }
    words.extend(OF_DRILLS.iter().flat_map(|(id, long)| args.backend.options.given(id, long)));
    let set = given(args, plan).cloned();
    let set = set.chain(plan.cell.0.iter().map(|(name, value)| (name.clone(), value.text().into_owned())));
    words.extend(set.map(|(name, value)| format!("--set {}", as_word(&format!("{name}={value}")))));
    words.extend(plan.needs());
    words.push(as_word(plan.source.file()));
    words.join(" ")
}
