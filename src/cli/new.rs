//! `drillyard new`

use std::path::{Path, PathBuf};

use super::args::NewArgs;
use super::files;
use super::out::say;
use super::shipped::{self, Shipped};
use super::stop::{Result, Stop};
use crate::host::as_word;
use crate::journal::ExitCode;
use crate::scenario::parse;
use crate::source::Source;

/// A small scenario that passes as it is.
const TEMPLATE: &str = include_str!("new.yaml");
/// The schema's file, beside the scenario.
const SCHEMA: &str = "drillyard.schema.json";

/// Writes a scenario to start from, with the schema line for editors.
pub fn new(args: NewArgs) -> Result<ExitCode> {
    let name = args.name.strip_suffix(".yaml").unwrap_or(&args.name);
    let stem = Path::new(name).file_name().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let fits = !stem.is_empty() && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !fits {
        return Err(Stop::usage(format!("`{}` cannot name a drill", args.name)).help("letters, digits, `-` and `_`"));
    }
    let dir = if name == stem && Path::new("scenarios").is_dir() { PathBuf::from("scenarios") } else { PathBuf::new() };
    let path = dir.join(format!("{name}.yaml"));
    let from = args.from.as_deref().map(origin).transpose()?;
    let body = match &from {
        None => TEMPLATE.replace("NAME", &stem),
        Some(Origin::Here(text)) => renamed(text, &stem),
        Some(Origin::Shipped(shipped)) => renamed(shipped.text, &stem),
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let trouble = |e: std::io::Error| Stop::usage(format!("cannot write {}: {e}", path.display()));
    std::fs::create_dir_all(parent).map_err(trouble)?;
    let text = format!("# yaml-language-server: $schema={SCHEMA}\n{body}");
    let mut file = std::fs::File::create_new(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Stop::usage(format!("`{}` is there already", path.display())).help("choose another name, or remove it")
        }
        _ => trouble(e),
    })?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(trouble)?;
    let schema = serde_json::to_string(&crate::scenario::schema()).unwrap_or_default();
    std::fs::write(parent.join(SCHEMA), schema).map_err(trouble)?;
    say(&format!("wrote {}", path.display()));
    if let Some(Origin::Shipped(shipped)) = from {
        for (name, text) in shipped.files() {
            load_file(parent, &name, text)?;
        }
    }
    say(&format!("run it: drillyard run {}{}", as_word(&path.to_string_lossy()), settings(&text)));
    Ok(ExitCode::Passed)
}

/// A `--set` for each param of a scenario that has no default.
fn settings(text: &str) -> String {
    let root = parse(&Source::new("", text)).root;
    let params = root.as_ref().and_then(|root| root.get("params")).map_or(&[][..], |params| params.value.entries());
    let unset = params.iter().filter(|param| param.value.is_null());
    unset.map(|param| format!(" --set {}=...", param.name())).collect()
}

/// What a drill starts from.
enum Origin {
    /// The text of a drill that is here.
    Here(String),
    /// A drill that ships.
    Shipped(Shipped),
}

/// Writes a file that a shipped drill loads beside the scenario, if it is not found from there.
fn load_file(parent: &Path, name: &str, text: &str) -> Result<()> {
    let here = std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned());
    if here.ancestors().any(|dir| dir.join(name).is_file()) {
        return Ok(());
    }
    let path = parent.join(name);
    let trouble = |e: std::io::Error| Stop::usage(format!("cannot write {}: {e}", path.display()));
    std::fs::create_dir_all(path.parent().unwrap_or(parent)).map_err(trouble)?;
    std::fs::write(&path, text).map_err(trouble)?;
    say(&format!("wrote {}, which it needs", path.display()));
    Ok(())
}

/// A drill, by its file or its name here, or by its name among those that ship.
fn origin(from: &str) -> Result<Origin> {
    let named = |file: &PathBuf| file.file_stem().is_some_and(|stem| stem == from);
    let path = match Path::new(from) {
        path if path.is_file() => Some(path.to_owned()),
        _ => files::find(&[]).unwrap_or_default().into_iter().map(|found| found.path).find(named),
    };
    if let Some(path) = path {
        let text = std::fs::read_to_string(&path);
        return text.map(Origin::Here).map_err(|e| Stop::usage(format!("cannot read {}: {e}", path.display())));
    }
    shipped::find(from).map(Origin::Shipped).ok_or_else(|| {
        Stop::usage(format!("there is no drill `{from}`"))
            .help("`drillyard list` shows those that are here, `drillyard list --shipped` those that ship")
    })
}

/// The text with another name, and without the origin's schema line.
fn renamed(text: &str, name: &str) -> String {
    let mut lines: Vec<String> =
        text.lines().filter(|line| !line.starts_with("# yaml-language-server:")).map(str::to_owned).collect();
    match lines.iter_mut().find(|line| line.starts_with("name:")) {
        Some(line) => *line = format!("name: {name}"),
        None => {
            let at = lines.iter().position(|line| line.starts_with("drillyard:")).map_or(0, |at| at + 1);
            lines.insert(at, format!("name: {name}"));
        }
    }
    lines.join("\n") + "\n"
}
