//! Finding, reading and choosing scenarios.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Selection;
use super::dirs;
use super::stop::{Result, Stop};
use crate::journal::Problem;
use crate::plan::Plan;
use crate::repo::Kind;
use crate::scenario::{Cell, Parsed, Values, assumed, cells, in_order, parse};
use crate::source::Source;

/// A file, read and resolved, or what is wrong with it.
pub struct Loaded {
    pub path: PathBuf,
    /// Whether it was named itself, and not found in a folder.
    pub named: bool,
    pub plan: std::result::Result<Arc<Plan>, Vec<Problem>>,
    /// Why it cannot be run with the kind of repos that was asked for; the plan has its own then.
    pub unfit: Option<String>,
}

/// A scenario file.
pub struct Found {
    pub path: PathBuf,
    /// Whether it was named itself, and not found in a folder.
    pub named: bool,
}

/// The scenario files that the paths name, each once, in order.
pub fn find(paths: &[String]) -> Result<Vec<Found>> {
    let (mut files, mut seen) = (Vec::new(), HashSet::new());
    let default = ["scenarios".to_owned()];
    let named = if paths.is_empty() { &default[..] } else { paths };
    for path in named {
        let found = if path.contains(['*', '?', '[']) && !Path::new(path).exists() {
            glob(path)
        } else {
            below(Path::new(path)).map_err(|e| unreadable(path, &e, paths.is_empty()))?
        };
        for file in found {
            // As bytes: paths are compared part by part, which takes its time with a thousand of
            // them.
            if seen.insert(file.as_os_str().to_owned()) {
                let named = file == Path::new(path);
                files.push(Found { path: file, named });
            }
        }
    }
    Ok(files)
}

/// Why a path cannot be read, and what was meant by it perhaps.
fn unreadable(path: &str, error: &std::io::Error, default: bool) -> Stop {
    if error.kind() != std::io::ErrorKind::NotFound {
        return Stop::usage(format!("cannot read {path}: {error}"));
    }
    if default {
        let stop = Stop::usage("there is no folder `scenarios` here");
        return stop.help(
            "name a scenario, or make one: drillyard new NAME; or one of those that ship (drillyard list --shipped): drillyard new NAME --from dropped-table",
        );
    }
    let stop = Stop::usage(format!("there is no file or folder `{path}`"));
    let named = |file: &&PathBuf| file.file_stem().is_some_and(|stem| stem == path);
    match below(Path::new("scenarios")).unwrap_or_default().iter().find(named) {
        Some(file) => stop.help(format!("did you mean `{}`?", file.display())),
        None => stop.help("`drillyard list` shows the drills in scenarios/"),
    }
}

/// That nothing is left to do, of so many files that were found.
pub fn nothing_selected(found: usize) -> Stop {
    match found {
        0 => Stop::nothing("there are no scenarios there")
            .help("their files end in .yaml; `drillyard new NAME` writes one"),
        _ => Stop::nothing("no scenario was selected").help("`drillyard list` shows those that there are"),
    }
}

fn is_scenario(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// A file itself, or all the scenarios below a folder.
fn below(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|entry| entry.map(|e| e.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if entry.is_dir() {
            files.extend(below(&entry)?);
        } else if is_scenario(&entry) {
            files.push(entry);
        }
    }
    Ok(files)
}

/// The scenarios whose paths match a glob with `*`, `**` and `?`, for shells that leave it to us.
fn glob(pattern: &str) -> Vec<PathBuf> {
    let mut regex = String::from("^");
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let (taken, piece) = match c {
            '*' if rest.starts_with("**/") => (3, "(?:.*/)?".to_owned()),
            '*' if rest.starts_with("**") => (2, ".*".to_owned()),
            '*' => (1, "[^/]*".to_owned()),
            '?' => (1, "[^/]".to_owned()),
            '[' => match rest.find(']') {
                Some(end) => (end + 1, rest[..=end].replace("[!", "[^")),
                None => (1, r"\[".to_owned()),
            },
            other => (other.len_utf8(), regex::escape(other.encode_utf8(&mut [0; 4]))),
        };
        regex.push_str(&piece);
        rest = &rest[taken..];
    }
    regex.push('$');
    let fixed: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect();
    let root = if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed };
    let Ok(regex) = regex::Regex::new(&regex) else { return vec![] };
    let files = below(&root).unwrap_or_default();
    let plain = |path: &Path| path.strip_prefix("./").unwrap_or(path).to_owned();
    files.into_iter().map(|file| plain(&file)).filter(|file| regex.is_match(&file.to_string_lossy())).collect()
}

/// How scenarios are read: what replaces something in them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading<'a> {
    /// The values of params.
    pub set: &'a [(String, String)],
    /// The kind of repos in the place of directories.
    pub repos: Option<&'static Kind>,
}

/// Reads and resolves files, on all processors. Fragments that are found in a folder are passed
/// over: they are no drills.
pub fn load(files: &[Found], reading: Reading<'_>) -> Vec<Loaded> {
    let threads = processors().min(files.len().max(1));
    let next = std::sync::atomic::AtomicUsize::new(0);
    let loaded: std::sync::Mutex<Vec<(usize, Loaded)>> = std::sync::Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, found)) = {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    files.get(index).map(|found| (index, found))
                } {
                    let all = load_one(found, reading).into_iter().map(|one| (index, one));
                    loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(all);
                }
            });
        }
    });
    let mut loaded = loaded.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    loaded.sort_by_key(|(index, _)| *index);
    loaded.into_iter().map(|(_, one)| one).collect()
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How much text is read of a file with a matrix once something in it is wrong.
const ENOUGH: usize = 1 << 20;

/// The drills of a file: one, or those of its matrix. What is wrong with any of them is wrong with
/// the file.
fn load_one(found: &Found, reading: Reading<'_>) -> Vec<Loaded> {
    let of_file = |plan| Loaded { path: found.path.clone(), named: found.named, plan, unfit: None };
    let source = match crate::scenario::read(&found.path) {
        Ok(source) if !found.named && crate::scenario::is_fragment(&source) => return vec![],
        Ok(source) => source,
        Err(problem) => return vec![of_file(Err(vec![problem]))],
    };
    let parsed = parse(&source);
    let file = File { found, source: &source, parsed: &parsed };
    let cells = match cells(&source, reading.set) {
        Ok(cells) => cells,
        Err(mut problems) => {
            problems.extend(file.resolve(reading, &assumed(&source)).err().into_iter().flatten());
            return vec![of_file(Err(in_order(problems)))];
        }
    };
    let (mut loaded, mut problems, mut seen): (Vec<Loaded>, Vec<Problem>, HashSet<String>) = Default::default();
    for one in cells.chunks(processors()).flat_map(|cells| file.load_cells(reading, cells)) {
        let wrong = one.plan.as_ref().err().into_iter().flatten();
        problems.extend(wrong.filter(|problem| seen.insert(format!("{problem:?}"))).cloned());
        loaded.push(one);
        // A long file is wrong in nearly the same way in all its drills.
        let left = cells.len() - loaded.len();
        if !problems.is_empty() && left > 0 && loaded.len() * source.text().len() > ENOUGH {
            let note = format!("{left} of the {} drills of the matrix were not looked at any more", cells.len());
            let last = problems.pop().map(|problem| problem.note("matrix", note));
            problems.extend(last);
            break;
        }
    }
    if problems.is_empty() { loaded } else { vec![of_file(Err(problems))] }
}

/// A file that is read and parsed.
struct File<'a> {
    found: &'a Found,
    source: &'a Source,
    parsed: &'a Parsed,
}

impl File<'_> {
    /// Some of its drills, side by side.
    fn load_cells(&self, reading: Reading<'_>, cells: &[Cell]) -> Vec<Loaded> {
        if let [cell] = cells {
            return vec![self.load_cell(reading, cell)];
        }
        std::thread::scope(|scope| {
            let loading = cells.iter().map(|cell| scope.spawn(|| self.load_cell(reading, cell))).collect::<Vec<_>>();
            let ended =
                loading.into_iter().map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            ended.collect()
        })
    }

    /// One of its drills.
    fn load_cell(&self, reading: Reading<'_>, cell: &Cell) -> Loaded {
        let path = self.found.path.as_path();
        let mut plan = self.resolve(Reading { repos: None, ..reading }, cell);
        let mut unfit = None;
        if let (Ok(own), Some(kind)) = (&plan, reading.repos)
            && !own.repos.is_empty()
        {
            // It is right as it stands: what is wrong now is so because of the other repos.
            match self.resolve(reading, cell) {
                Ok(other) => plan = Ok(other),
                Err(problems) => unfit = Some(why_unfit(kind, &problems)),
            }
        }
        Loaded { path: path.to_owned(), named: self.found.named, plan: plan.map(Arc::new), unfit }
    }

    fn resolve(&self, reading: Reading<'_>, cell: &Cell) -> std::result::Result<Plan, Vec<Problem>> {
        let values = Values::new(Box::new(|name| std::env::var(name).ok()), Box::new(secret));
        let file = (self.source.clone(), self.parsed);
        let mut scenario = crate::scenario::load_cell(file, values, reading.set, cell)?;
        if let Some(kind) = reading.repos {
            scenario.replace_directories(kind);
        }
        crate::plan::resolve(scenario)
    }
}

/// What keeps a drill from being run with this kind of repos.
fn why_unfit(kind: &Kind, problems: &[Problem]) -> String {
    let Some(first) = problems.first() else { return format!("not with repos of kind `{}`", kind.name) };
    match first.places.first() {
        Some(place) if !place.label.is_empty() => format!("{}: {}", first.title, place.label),
        _ => first.title.clone(),
    }
}

/// `${secrets.x}`: the variable `DRILLYARD_SECRET_X`, or the file `x` in the directory
/// `DRILLYARD_SECRETS_DIR`.
fn secret(name: &str) -> Option<String> {
    let variable = format!("DRILLYARD_SECRET_{}", name.to_uppercase().replace('-', "_"));
    std::env::var(variable).ok().or_else(|| {
        let dir = dirs::secrets()?;
        let plain = !name.contains(['/', '\\']) && name != "..";
        let text = plain.then(|| std::fs::read_to_string(dir.join(name)).ok())??;
        Some(text.trim_end_matches(['\n', '\r']).to_owned())
    })
}

/// Whether a drill is one of those that were asked for.
pub fn selected(plan: &Plan, selection: &Selection) -> bool {
    is_selected(&plan.name, &plan.tags, selection)
}

/// Whether a drill of this name and with these tags is.
pub fn is_selected(name: &str, tags: &[String], selection: &Selection) -> bool {
    let tagged = selection.tag.is_empty() || selection.tag.iter().any(|tag| tags.contains(tag));
    tagged && selection.filter.as_ref().is_none_or(|text| name.contains(text))
}

/// A `--set` that no scenario has a param for is a mistake.
pub fn check_set(set: &[(String, String)], loaded: &[Loaded]) -> Result<()> {
    let plans: Vec<&Arc<Plan>> = loaded.iter().filter_map(|one| one.plan.as_ref().ok()).collect();
    if plans.len() < loaded.len() {
        return Ok(());
    }
    for (name, _) in set {
        if !plans.iter().any(|plan| plan.params.contains(name)) {
            let known: std::collections::BTreeSet<&str> =
                plans.iter().flat_map(|plan| plan.params.iter().map(String::as_str)).collect();
            let help = match known.is_empty() {
                true => "no scenario here has params".to_owned(),
                false => format!("params are {}", crate::source::choices(known.iter().copied(), "and")),
            };
            return Err(Stop::usage(format!("--set {name}: no scenario has this param")).help(help));
        }
    }
    Ok(())
}
