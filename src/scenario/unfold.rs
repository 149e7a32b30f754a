//! The fragments that a scenario's steps use: found, read, and given their params.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::decode::Decoder;
use super::fragments::{Fragment, Fragments};
use super::keys::{USE, WITH};
use super::node::{Entry, Node, Value};
use super::params;
use super::parse::{Parsed, parse};
use super::read::{file_roots, read};
use super::values::Values;
use crate::journal::Problem;
use crate::source::{Name, Scalar, Source, Span, Spanned, choices, did_you_mean};

/// How deep fragments may use fragments.
const MAX_DEPTH: usize = 8;
/// How many times a drill may use fragments, those in fragments included.
const MAX_USES: usize = 200;
/// How many values the fragments of a drill may have together, each as often as it is used: as
/// many as a file.
const MAX_VALUES: usize = 100_000;
/// How many bytes they may have together.
const MAX_BYTES: usize = 1024 * 1024;

/// A scenario with its fragments.
pub(super) struct Unfolded {
    /// The texts of all of them.
    pub source: Source,
    pub fragments: Fragments,
    /// What is wrong with the uses and the heads of fragments.
    pub problems: Vec<Problem>,
}

/// Finds the fragments that the steps of a scenario use, and those that these use.
pub(super) fn unfold(source: Source, root: &Node, values: &Values) -> Unfolded {
    let drill = PathBuf::from(source.file());
    let mut unfolding = Unfolding {
        roots: file_roots(source.file()),
        source,
        fragments: Fragments::default(),
        problems: vec![],
        read: HashMap::new(),
        uses: 0,
        values: 0,
        bytes: 0,
    };
    let drill = drill.canonicalize().unwrap_or(drill);
    unfolding.file(root, values, &mut vec![drill]);
    let Unfolding { source, fragments, problems, .. } = unfolding;
    Unfolded { source, fragments, problems }
}

struct Unfolding {
    roots: Vec<PathBuf>,
    source: Source,
    fragments: Fragments,
    problems: Vec<Problem>,
    /// Each file once.
    read: HashMap<PathBuf, Arc<File>>,
    uses: usize,
    values: usize,
    bytes: usize,
}

struct File {
    source: Source,
    parsed: Parsed,
    size: usize,
}

impl Unfolding {
    /// Notes the ids of a file, and follows its uses. `from` are the files that lead here.
    fn file(&mut self, root: &Node, values: &Values, from: &mut Vec<PathBuf>) {
        for list in ["steps", "finally"].iter().filter_map(|key| root.get(key)) {
            self.list(list, values, from);
        }
    }

    fn list(&mut self, list: &Entry, values: &Values, from: &mut Vec<PathBuf>) {
        for item in list.value.items() {
            if let Some(used) = item.get(USE) {
                self.one(item, used, values, from);
                continue;
            }
            if let Some(id) = item.get("id").and_then(|id| id.value.text()).and_then(|id| values.resolve(id).ok()) {
                values.ids().note(&id.text);
            }
            let team = item.get("team").map(|team| &team.value);
            let injects = team.and_then(|team| team.get("injects")).map(|list| list.value.items());
            let lists = team.into_iter().flat_map(|team| ["auto", "judge"].iter().filter_map(|key| team.get(key)));
            let lists = lists.chain(injects.into_iter().flatten().filter_map(|inject| inject.get("steps")));
            for list in item.get("all").into_iter().chain(lists) {
                self.list(list, values, from);
            }
        }
    }

    /// One step that uses a fragment.
    fn one(&mut self, item: &Node, used: &Entry, values: &Values, from: &mut Vec<PathBuf>) {
        if self.fragments.has(used) {
            return;
        }
        self.uses += 1;
        let count = from.len();
        let fragment = self.read_fragment(item, used, values, from);
        self.fragments.add(used, None);
        if let Some(fragment) = fragment {
            self.file(&fragment.root, &fragment.values, from);
            self.fragments.add(used, Some(fragment));
        }
        from.truncate(count);
    }

    /// The fragment that a step uses, with what it is given. Its file is put at the end of `from`.
    fn read_fragment(
        &mut self,
        item: &Node,
        used: &Entry,
        values: &Values,
        from: &mut Vec<PathBuf>,
    ) -> Option<Fragment> {
        let at = used.value.span;
        let source = self.source.clone();
        let decoder = Decoder::new(&source, values);
        let name = decoder.decode_entry::<Spanned<String>>(used);
        let id = item.get("id").and_then(|id| decoder.quiet().decode_entry::<Spanned<Name>>(id));
        self.problems.extend(decoder.into_problems());
        let name = name?;
        if let Some(id) = &id
            && let Some(first) = values.ids().note_use(id)
        {
            let problem = Problem::new(format!("two steps have the id `{}`", id.value));
            let problem = problem.at(self.source.place(id.span, "the second one"));
            self.problems.push(problem.at(self.source.place(first, "the first one")));
            return None;
        }
        let user = from.last().filter(|_| from.len() > 1).cloned();
        let path = self.find(&name, user.as_deref())?;
        let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
        if let Some(first) = from.iter().position(|file| *file == canonical) {
            let way: Vec<String> = from[first..].iter().chain([&canonical]).map(|file| file_name(file)).collect();
            let title = format!("these files use each other: {}", way.join(" -> "));
            self.tell(at, title, "this has no end", None);
            return None;
        }
        let file = self.open(&path, &canonical, at)?;
        self.bounded(&file, at, from.len())?;
        from.push(canonical);
        let (whole, base) = self.source.with(&file.source, at);
        self.source = whole;
        let here = self.source.place(Span { start: base, end: base }, "").used;
        let told = file.parsed.problems.iter().cloned();
        self.problems.extend(told.map(|problem| match &here {
            Some(used) if !problem.places.is_empty() => problem.at(*used.clone()),
            _ => problem,
        }));
        let root = shifted(file.parsed.root.as_ref()?, base);
        self.check_head(&root, &name)?;
        let params = self.params(&root, item, used, values);
        Some(Fragment { root, values: values.of_fragment(params, id.as_ref().map(|id| &id.value)) })
    }

    /// Where the file lies, as people name it who name the scenario so: it is looked for from the
    /// drill, then from the fragment that uses it, if one does.
    fn find(&mut self, name: &Spanned<String>, user: Option<&Path>) -> Option<PathBuf> {
        let mut roots = self.roots.clone();
        roots.extend(user.map(|user| file_roots(&user.to_string_lossy())).unwrap_or_default());
        let Some(path) = roots.iter().map(|root| root.join(&name.value)).find(|path| path.is_file()) else {
            let looked: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
            let help = format!("looked in {}", looked.join(", "));
            self.tell(name.span, format!("there is no file {}", name.value), "not found", Some(help));
            return None;
        };
        let same = |shown: &PathBuf| shown.is_file() && shown.canonicalize().ok() == path.canonicalize().ok();
        let shown = Path::new(self.source.file()).ancestors().skip(1).map(|dir| dir.join(&name.value)).find(same);
        Some(shown.unwrap_or(path))
    }

    /// Reads a file, if that has not been done.
    fn open(&mut self, path: &Path, canonical: &Path, at: Span) -> Option<Arc<File>> {
        if let Some(known) = self.read.get(canonical) {
            return Some(known.clone());
        }
        match read(path) {
            Ok(source) => {
                let parsed = parse(&source);
                let size = parsed.root.as_ref().map_or(0, size);
                let file = Arc::new(File { source, parsed, size });
                self.read.insert(canonical.to_owned(), file.clone());
                self.fragments.files.push(canonical.to_owned());
                Some(file)
            }
            Err(problem) => {
                self.problems.push(problem.at(self.source.place(at, "used here")));
                None
            }
        }
    }

    /// Tells of fragments that bring more than a drill may have.
    fn bounded(&mut self, file: &File, at: Span, depth: usize) -> Option<()> {
        self.values += file.size;
        self.bytes += file.source.text().len();
        let title = if depth > MAX_DEPTH {
            format!("fragments use fragments {MAX_DEPTH} deep, and no deeper")
        } else if self.uses > MAX_USES {
            format!("a drill uses fragments {MAX_USES} times at the most, those in fragments included")
        } else if self.values > MAX_VALUES {
            format!("the fragments of a drill have {MAX_VALUES} values at the most")
        } else if self.bytes > MAX_BYTES {
            format!("the fragments of a drill have {MAX_BYTES} bytes at the most")
        } else {
            return Some(());
        };
        // All that would come after it is too much as well.
        if self.problems.iter().all(|problem| problem.title != title) {
            self.tell(at, title, "this one is too much", None);
        }
        None
    }

    /// Whether the file is a fragment.
    fn check_head(&mut self, root: &Node, name: &Spanned<String>) -> Option<()> {
        if is_marked(root) {
            return Some(());
        }
        let title = format!("`{}` is no fragment", name.value);
        let help = "a file whose steps others use says `fragment: true`";
        self.tell(name.span, title, "it is a drill, or something else", Some(help.to_owned()));
        None
    }

    /// The params of a fragment: what it is given, else its defaults.
    fn params(&mut self, root: &Node, item: &Node, used: &Entry, values: &Values) -> Vec<(String, Scalar)> {
        let source = self.source.clone();
        let (declared, problems) = params::declared(&source, root);
        self.problems.extend(problems);
        let with = item.get(WITH);
        let decoder = Decoder::new(&source, values);
        if let Some(with) = with.filter(|with| !with.value.is_null() && !matches!(with.value.value, Value::Map(_))) {
            let problem =
                decoder.problems().problem(with.value.span, "`with` is not a map", "expected a map of params");
            decoder.problems().tell(problem.help("write `with: { NAME: VALUE }`"));
        }
        let given = |name: &str| with.and_then(|with| with.value.get(name)).filter(|line| !line.value.is_null());
        for line in with.into_iter().flat_map(|with| with.value.entries()) {
            if !declared.iter().any(|(param, _)| param.value == line.name()) {
                let names = || declared.iter().map(|(param, _)| param.value.as_str());
                let label = match did_you_mean(line.name(), names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "the fragment has no such param".to_owned(),
                };
                let title = format!("unknown param `{}`", line.name());
                let problem = decoder.problems().problem(line.key.span, title, label);
                decoder.problems().tell(problem.help(match declared.is_empty() {
                    true => "the fragment has no `params`".to_owned(),
                    false => format!("its params are {}", choices(names(), "and")),
                }));
            }
        }
        let mut params = vec![];
        for (param, default) in declared {
            let value = match given(&param.value) {
                // What is wrong with it is told; what cannot be known yet is unset.
                Some(line) => decoder.decode_entry::<Scalar>(line).unwrap_or(Scalar::Null),
                None if default == Scalar::Null => {
                    let title = format!("the param `{}` is missing", param.value);
                    let at = with.map_or(used.key.span, |with| with.key.span);
                    let problem = decoder.problems().problem(at, title, "the fragment needs it");
                    let declared = source.place(param.span, "it has no default");
                    decoder.problems().tell(
                        problem.at(declared).help(format!("write `with: {{ {}: ... }}` beside `use`", param.value)),
                    );
                    Scalar::Null
                }
                None => default,
            };
            params.push((param.value, value));
        }
        self.problems.extend(decoder.into_problems());
        params
    }

    fn tell(&mut self, at: Span, title: impl Into<String>, label: &str, help: Option<String>) {
        let problem = Problem::new(title).at(self.source.place(at, label));
        self.problems.push(help.into_iter().fold(problem, Problem::help));
    }
}

/// Whether a file says that it is a fragment.
pub(super) fn is_marked(root: &Node) -> bool {
    root.get("fragment").and_then(|entry| entry.value.text()) == Some("true")
}

/// Whether this is a file that others use, and no drill.
pub fn is_fragment(source: &Source) -> bool {
    source.text().contains("fragment") && parse(source).root.is_some_and(|root| is_marked(&root))
}

/// The last part of a path, as a message names a file.
pub(super) fn file_name(file: &Path) -> String {
    file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// How many values there are in a tree.
fn size(node: &Node) -> usize {
    let items = node.items().iter().map(size).sum::<usize>();
    1 + items + node.entries().iter().map(|entry| 1 + size(&entry.value)).sum::<usize>()
}

/// The same tree behind so many bytes of other text.
fn shifted(node: &Node, by: usize) -> Node {
    let span = Span { start: node.span.start + by, end: node.span.end + by };
    let value = match &node.value {
        Value::Scalar { .. } => node.value.clone(),
        Value::Seq(items) => Value::Seq(items.iter().map(|item| shifted(item, by)).collect()),
        Value::Map(entries) => {
            let entry = |entry: &Entry| Entry { key: shifted(&entry.key, by), value: shifted(&entry.value, by) };
            Value::Map(entries.iter().map(entry).collect())
        }
    };
    Node { span, value }
}
