//! A file as several drills: one for each combination of the values of some params.

use std::fmt;

use super::decode::Decoder;
use super::node::{Entry, Node};
use super::params;
use super::parse::parse;
use super::problems::Problems;
use super::values::Values;
use crate::journal::Problem;
use crate::source::{Ordered, Scalar, Source, Span, Spanned, choices, did_you_mean};

/// How many drills one file may be.
const MAX_CELLS: usize = 256;

/// One drill of a file with a matrix: the params that make it, in the order of the file; none for a
/// file without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell(pub Vec<(String, Scalar)>);

impl Cell {
    /// Whether a param has its value from the matrix.
    pub fn has(&self, param: &str) -> bool {
        self.0.iter().any(|(name, _)| name == param)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No two drills may have one name.
        let plain = |c: char| !c.is_control() && !matches!(c, ',' | '=' | '"' | '\\');
        let text = |value: &Scalar| match value.text() {
            text if text.chars().all(plain) => text.into_owned(),
            text => format!("{text:?}"),
        };
        let all: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
        f.write_str(&all.join(", "))
    }
}

/// A param's values, as the file lists them.
type Axis = (Spanned<String>, Vec<Spanned<Scalar>>);

/// The drills that a file is; `set` leaves those that have these values.
///
/// # Errors
/// What is wrong with its `matrix` and its `exclude`.
pub fn cells(source: &Source, set: &[(String, String)]) -> Result<Vec<Cell>, Vec<Problem>> {
    // A key may be written with escapes.
    let has = |part| source.text().contains(part);
    let root = (has("matrix") || has(EXCLUDE) || has("\\")).then(|| parse(source).root).flatten();
    let Some(root) = &root else { return Ok(vec![Cell::default()]) };
    let none = Values::none();
    let decoder = Decoder::new(source, &none);
    let matrix = match (root.get("matrix"), root.get(EXCLUDE)) {
        (Some(matrix), _) => matrix,
        (None, None) => return Ok(vec![Cell::default()]),
        (None, Some(exclude)) => {
            let problem = decoder.problems().problem(exclude.key.span, "`exclude` without `matrix`", "of what?");
            decoder.problems().tell(problem.help("`matrix: { PARAM: [VALUE, VALUE] }` makes several drills of a file"));
            return Err(decoder.into_problems());
        }
    };
    let axes = axes(&decoder, source, root, matrix);
    let cells = match decoder.problems().count() {
        0 => combine(decoder.problems(), matrix, &axes),
        _ => vec![],
    };
    let lists = [matrix.value.get(EXCLUDE), root.get(EXCLUDE)];
    let excluded: Vec<Excluded> =
        lists.into_iter().flatten().flat_map(|list| exclusions(&decoder, list, &axes)).collect();
    let mut left = without(decoder.problems(), cells, &excluded);
    if left.is_empty() && decoder.problems().count() == 0 {
        let problem = decoder.problems().problem(matrix.key.span, "nothing of the matrix is left", "all is excluded");
        decoder.problems().tell(problem);
    }
    for (name, text) in set {
        restrict(decoder.problems(), &axes, &mut left, (name, text));
    }
    match decoder.problems().count() {
        0 => Ok(left),
        _ => Err(decoder.into_problems()),
    }
}

/// What stands for the drills of a file whose matrix is wrong: one with the first value of each
/// param, declared or not, so that what uses them is not told, too.
pub fn assumed(source: &Source) -> Cell {
    let root = parse(source).root;
    let Some(matrix) = root.as_ref().and_then(|root| root.get("matrix")) else { return Cell::default() };
    let none = Values::none();
    let decoder = Decoder::new(source, &none);
    let axes: Option<Ordered<String, Vec<Spanned<Scalar>>>> =
        decoder.quiet().decode_entry_without(matrix, |key| key == EXCLUDE);
    let first = |values: Vec<Spanned<Scalar>>| values.into_iter().next().map_or(Scalar::Null, |first| first.value);
    Cell(axes.into_iter().flatten().map(|(name, values)| (name.value, first(values))).collect())
}

/// The key of what is left out; beside `matrix`, or in it.
const EXCLUDE: &str = "exclude";

/// The params of the matrix with their values.
fn axes(decoder: &Decoder<'_>, source: &Source, root: &Node, matrix: &Entry) -> Vec<Axis> {
    let problems = decoder.problems();
    let wrong = |span: Span, title: String, label: &str| problems.tell(problems.problem(span, title, label));
    let axes: Option<Ordered<String, Vec<Spanned<Scalar>>>> =
        decoder.decode_entry_without(matrix, |key| key == EXCLUDE);
    let axes: Vec<Axis> = axes.into_iter().flatten().collect();
    if axes.is_empty() && problems.count() == 0 {
        wrong(matrix.key.span, "`matrix` is empty".to_owned(), "which params, and which values?");
    }
    let (declared, _) = params::declared(source, root);
    for (name, values) in &axes {
        if !declared.iter().any(|(param, _)| param.value == name.value) {
            let names = || declared.iter().map(|(param, _)| param.value.as_str());
            let label = match did_you_mean(&name.value, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`params` does not list it".to_owned(),
            };
            let problem =
                problems.problem(name.span, format!("the matrix has an unknown param `{}`", name.value), label);
            problems.tell(match declared.is_empty() {
                true => problem.help(format!("add `params: {{ {}: }}`", name.value)),
                false => problem.help(format!("the file's params are {}", choices(names(), "and"))),
            });
        }
        if values.is_empty() {
            wrong(name.span, format!("`{}` has no values", name.value), "this would be no drill at all");
        }
        for (at, value) in values.iter().enumerate() {
            if value.value == Scalar::Null {
                wrong(value.span, "a value of the matrix is missing".to_owned(), "nothing is no value");
            } else if values[..at].iter().any(|other| other.value.text() == value.value.text()) {
                wrong(value.span, format!("`{}` is listed twice", value.value.text()), "the second time");
            }
        }
    }
    axes
}

/// Every combination.
fn combine(problems: &Problems<'_>, matrix: &Entry, axes: &[Axis]) -> Vec<Cell> {
    let count = axes.iter().fold(1_usize, |count, (_, values)| count.saturating_mul(values.len()));
    if count > MAX_CELLS {
        let title = format!("the matrix is {count} drills, and {MAX_CELLS} are the limit");
        problems.tell(problems.problem(matrix.key.span, title, "too many combinations"));
        return vec![];
    }
    axes.iter().fold(vec![Cell::default()], |cells, (name, values)| {
        let with = |cell: &Cell, value: &Spanned<Scalar>| {
            Cell(cell.0.iter().cloned().chain([(name.value.clone(), value.value.clone())]).collect())
        };
        cells.iter().flat_map(|cell| values.iter().map(move |value| with(cell, value))).collect()
    })
}

/// Values that exclude the drills that have all of them, and where they stand.
type Excluded = (Vec<(String, Scalar)>, Span);

/// Params with a value each.
type Combination = Ordered<String, Spanned<Scalar>>;

/// What a list excludes.
fn exclusions(decoder: &Decoder<'_>, list: &Entry, axes: &[Axis]) -> Vec<Excluded> {
    let problems = decoder.problems();
    let maps = decoder.decode_entry::<Vec<Spanned<Combination>>>(list);
    let mut excluded = vec![];
    for map in maps.into_iter().flatten() {
        if map.value.is_empty() {
            problems.tell(problems.problem(map.span, "this excludes everything", "name a param and its value"));
            continue;
        }
        for (name, value) in &map.value {
            let Some((_, values)) = axes.iter().find(|(axis, _)| axis.value == name.value) else {
                let title = format!("`{}` is no param of the matrix", name.value);
                let names = choices(axes.iter().map(|(axis, _)| axis.value.as_str()), "and");
                problems.tell(problems.problem(name.span, title, format!("it has {names}")));
                continue;
            };
            if !values.iter().any(|known| known.value.text() == value.value.text()) {
                let title = format!("the matrix has no `{}: {}`", name.value, value.value.text());
                problems.tell(problems.problem(value.span, title, "this excludes nothing"));
            }
        }
        let values = map.value.iter().map(|(name, value)| (name.value.clone(), value.value.clone()));
        excluded.push((values.collect(), map.span));
    }
    excluded
}

/// Those that nothing excludes. What excludes nothing that is there is a mistake.
fn without(problems: &Problems<'_>, mut cells: Vec<Cell>, excluded: &[Excluded]) -> Vec<Cell> {
    for (values, span) in excluded {
        let before = cells.len();
        let has = |cell: &Cell, (name, value): &(String, Scalar)| {
            cell.0.iter().any(|(known, its)| known == name && its.text() == value.text())
        };
        cells.retain(|cell| !values.iter().all(|value| has(cell, value)));
        if cells.len() == before && before > 0 && problems.count() == 0 {
            problems.tell(problems.problem(*span, "this excludes nothing", "an earlier line excludes it"));
        }
    }
    cells
}

/// Leaves the drills that have the value that `--set` gives.
fn restrict(problems: &Problems<'_>, axes: &[Axis], cells: &mut Vec<Cell>, (name, text): (&str, &str)) {
    let Some((axis, values)) = axes.iter().find(|(axis, _)| axis.value == *name) else { return };
    if !values.iter().any(|value| value.value.text() == *text) {
        let listed: Vec<_> = values.iter().map(|value| value.value.text()).collect();
        let listed = choices(listed.iter().map(AsRef::as_ref), "and");
        let problem = problems.problem(axis.span, format!("--set {name}={text}: the matrix has no such value"), "");
        return problems.tell(problem.help(format!("its values are {listed}")));
    }
    cells.retain(|cell| cell.0.iter().any(|(known, its)| known == name && its.text() == *text));
    if cells.is_empty() && problems.count() == 0 {
        let title = format!("--set {name}={text}: the matrix excludes that");
        problems.tell(problems.problem(axis.span, title, "no drill is left"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str, set: &[(&str, &str)]) -> Vec<String> {
        let set: Vec<(String, String)> =
            set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match cells(&Source::new("a.yaml", format!("params: {{ mode: sync, rows: 1, other: }}\n{text}")), &set) {
            Ok(cells) => cells.iter().map(ToString::to_string).collect(),
            Err(problems) => problems.iter().map(Problem::headline).collect(),
        }
    }

    #[test]
    fn every_combination_is_a_drill() {
        assert_eq!(told("steps: []", &[]), [""]);
        let matrix = "matrix: { mode: [sync, async], rows: [1, 20] }\n";
        let all = ["mode=sync, rows=1", "mode=sync, rows=20", "mode=async, rows=1", "mode=async, rows=20"];
        assert_eq!(told(matrix, &[]), all);
        assert_eq!(told(matrix, &[("rows", "20")]), [all[1], all[3]]);
        assert_eq!(told(matrix, &[("rows", "20"), ("mode", "async"), ("other", "x")]), [all[3]]);
        let without = [all[0], all[2], all[3]];
        assert_eq!(told(&format!("{matrix}exclude: [ {{ mode: sync, rows: 20 }} ]"), &[]), without);
        let inside = "matrix: { mode: [sync, async], rows: [1, 20], exclude: [ { mode: sync, rows: 20 } ] }";
        assert_eq!(told(inside, &[]), without);
        assert_eq!(told(&format!("{matrix}exclude: [ {{ mode: sync }} ]"), &[]), all[2..]);
        assert_eq!(told(&matrix.replace("matrix", r#""\x6datrix""#), &[]), all);
        let names = told("matrix: { mode: [a, \"a, rows=1\"], rows: [\"1, rows=2\", 2] }", &[]);
        let quoted = ["mode=a, rows=\"1, rows=2\"", "mode=a, rows=2"];
        assert_eq!(
            names,
            [quoted[0], quoted[1], "mode=\"a, rows=1\", rows=\"1, rows=2\"", "mode=\"a, rows=1\", rows=2"]
        );
    }
}
