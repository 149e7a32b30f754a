//! A file from its text to types, with the values that its references stand for.

use super::decode::Decoder;
use super::file;
use super::model::{Scenario, Unset};
use super::node::Node;
use super::parse::parse;
use super::problems::in_order;
use super::values::Values;
use crate::journal::Problem;
use crate::source::{Ordered, Scalar, Source, Span};

/// Decodes a file, as far as it can be: [`Scenario::problems`] says what is wrong with it.
///
/// # Errors
/// Where nothing of it can be used: all that is wrong with it, in the order of the file.
pub fn load(source: Source, values: Values, set: &[(String, String)]) -> Result<Scenario, Vec<Problem>> {
    let parsed = parse(&source);
    let mut problems = parsed.problems;
    let Some(root) = parsed.root else { return Err(problems) };
    let (values, unset, params_problems) = with_params(&source, &root, values, set);
    problems.extend(params_problems);
    let decoder = Decoder::new(&source, &values);
    let decoded = file::decode(&decoder, &root);
    problems.extend(decoder.into_problems());
    match decoded {
        Some(scenario) => {
            let params = values.params().iter().map(|(name, _)| name.clone()).collect();
            Ok(Scenario { secrets: values.used_secrets(), params, unset, problems, ..scenario })
        }
        None => Err(in_order(problems)),
    }
}

fn with_params(
    source: &Source,
    root: &Node,
    values: Values,
    set: &[(String, String)],
) -> (Values, Vec<Unset>, Vec<Problem>) {
    let none = Values::none();
    let decoder = Decoder::new(source, &none);
    let params: Option<Ordered<String, Scalar>> = root.get("params").and_then(|entry| decoder.decode_entry(entry));
    let mut problems = decoder.into_problems();
    let params: Vec<_> = params.into_iter().flatten().collect();
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
