//! A file from its text to types, with the values that its references stand for.

use std::path::Path;

use super::decode::Decoder;
use super::file;
use super::matrix::Cell;
use super::model::{Scenario, Unset};
use super::node::Node;
use super::params;
use super::parse::{Parsed, parse};
use super::problems::in_order;
use super::unfold::file_name;
use super::unfold::{is_marked, unfold};
use super::values::Values;
use crate::journal::Problem;
use crate::source::{Scalar, Source, Span};

/// Decodes a file, as far as it can be: [`Scenario::problems`] says what is wrong with it.
///
/// # Errors
/// Where nothing of it can be used: all that is wrong with it, in the order of the file.
pub fn load(source: Source, values: Values, set: &[(String, String)]) -> Result<Scenario, Vec<Problem>> {
    let parsed = parse(&source);
    load_cell((source, &parsed), values, set, &Cell::default())
}

/// The same for one of the drills that a file with a matrix is, which is parsed once.
///
/// # Errors
/// As those of [`load`].
pub fn load_cell(
    (source, parsed): (Source, &Parsed),
    values: Values,
    set: &[(String, String)],
    cell: &Cell,
) -> Result<Scenario, Vec<Problem>> {
    let mut problems = parsed.problems.clone();
    let Some(root) = &parsed.root else { return Err(problems) };
    if is_marked(root) {
        problems.push(not_a_drill(&source, root));
        return Err(in_order(problems));
    }
    let (values, unset, params_problems) = with_params(&source, root, values, set, cell);
    problems.extend(params_problems);
    let unfolded = unfold(source, root, &values);
    problems.extend(unfolded.problems);
    let decoder = Decoder::new(&unfolded.source, &values).with_fragments(&unfolded.fragments);
    let decoded = file::decode(&decoder, root);
    problems.extend(decoder.into_problems());
    match decoded {
        Some(scenario) => {
            let params = values.params().iter().map(|(name, _)| name.clone()).collect();
            let name = match cell.0.is_empty() {
                true => scenario.name.clone(),
                false => format!("{} [{cell}]", scenario.name),
            };
            let (cell, secrets) = (cell.clone(), values.used_secrets());
            let unused = params::unused(&unfolded.source, (root, &values), &unfolded.fragments);
            Ok(Scenario { name, cell, secrets, params, unused, unset, problems, ..scenario })
        }
        None => Err(in_order(problems)),
    }
}

/// That a fragment cannot be run by itself.
fn not_a_drill(source: &Source, root: &Node) -> Problem {
    let at = root.get("fragment").map_or(root.span, |entry| entry.key.span);
    let name = file_name(Path::new(source.file()));
    Problem::new("this file is a fragment, and no drill")
        .at(source.place(at, "its steps are for drills that use it"))
        .help(format!("check or run a drill with the step `use: {name}`"))
}

fn with_params(
    source: &Source,
    root: &Node,
    values: Values,
    set: &[(String, String)],
    cell: &Cell,
) -> (Values, Vec<Unset>, Vec<Problem>) {
    let (params, mut problems) = params::declared(source, root);
    let places: Vec<Span> = params.iter().map(|(name, _)| name.span).collect();
    let mut values = values.with_params(params.into_iter().map(|(name, value)| (name.value, value)));
    for (name, text) in set {
        // With several files, `--set` is for those that have the param; `run` sees to it that one
        // does.
        if values.params().iter().any(|(known, _)| known == name)
            && let Err(wrong) = values.set(name, text)
        {
            problems.push(Problem::new(format!("--set {name}: {wrong}")));
        }
    }
    values.give(&cell.0);
    let unset = values.params().iter().zip(places).filter(|((_, value), _)| *value == Scalar::Null);
    let unset = unset.map(|((name, _), place)| Unset {
        name: name.clone(),
        problem: Problem::new(format!("the param `{name}` has no value"))
            .at(source.place(place, "it has no default"))
            .help(format!("give it one: --set {name}=...")),
    });
    let unset = unset.collect();
    (values, unset, problems)
}
