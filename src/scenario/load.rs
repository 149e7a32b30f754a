//! A file from its text to types, with the values that its references stand for.

use super::decode::Decoder;
use super::file;
use super::model::Scenario;
use super::node::Node;
use super::parse::parse;
use super::problems::in_order;
use super::values::Values;
use crate::journal::Problem;
use crate::source::{Ordered, Scalar, Source};

/// Decodes a file, as far as it can be: [`Scenario::problems`] says what is wrong with it.
///
/// # Errors
/// Where nothing of it can be used: all that is wrong with it, in the order of the file.
pub fn load(source: Source, values: Values, set: &[(String, String)]) -> Result<Scenario, Vec<Problem>> {
    let parsed = parse(&source);
    let mut problems = parsed.problems;
    let Some(root) = parsed.root else { return Err(problems) };
    let (values, params_problems) = with_params(&source, &root, values, set);
    problems.extend(params_problems);
    let decoder = Decoder::new(&source, &values);
    let decoded = file::decode(&decoder, &root);
    problems.extend(decoder.into_problems());
    match decoded {
        Some(scenario) => {
            let params = values.params().iter().map(|(name, _)| name.clone()).collect();
            Ok(Scenario { secrets: values.used_secrets(), params, problems, ..scenario })
        }
        None => Err(in_order(problems)),
    }
}

fn with_params(source: &Source, root: &Node, values: Values, set: &[(String, String)]) -> (Values, Vec<Problem>) {
    let none = Values::none();
    let decoder = Decoder::new(source, &none);
    let params: Option<Ordered<String, Scalar>> = root.get("params").and_then(|entry| decoder.decode_entry(entry));
    let mut problems = decoder.into_problems();
    let params = params.map(|params| params.into_iter().map(|(name, value)| (name.value, value)).collect::<Vec<_>>());
    let mut values = values.with_params(params.unwrap_or_default());
    for (name, text) in set {
        // With several files, `--set` is for those that have the param; `run` sees to it that one
        // does.
        if values.params().iter().any(|(known, _)| known == name)
            && let Err(wrong) = values.set(name, text)
        {
            problems.push(Problem::new(format!("--set {name}: {wrong}")));
        }
    }
    (values, problems)
}
