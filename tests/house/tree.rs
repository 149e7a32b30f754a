//! The project's Rust files as a tree of modules, read as the compiler and rustfmt read it: from
//! `lib.rs` along the `mod` lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, Item, ItemMod};

/// A Rust file that a `mod` line, or cargo itself, leads to.
pub struct File {
    /// From the project's root: `src/run/drill.rs`.
    pub path: String,
    /// Its module in the crate: `run`, `drill`. Empty for the root.
    pub module: Vec<String>,
    /// The room: the first name of the module; `lib`, `main` and `tests` beside them.
    pub room: String,
    pub text: String,
    /// All of it.
    pub whole: syn::File,
    /// Without what is compiled for tests only.
    pub program: syn::File,
    /// The lines that are compiled for tests only, first and last.
    pub test_lines: Vec<(usize, usize)>,
    /// Whether all of it is.
    pub is_test: bool,
}

/// All Rust files of the project.
pub struct Tree {
    pub files: Vec<File>,
    /// The files that no `mod` line leads to.
    pub unreached: Vec<String>,
}

impl Tree {
    /// Of this project.
    pub fn read() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = BTreeMap::new();
        for path in ["src", "tests"].iter().flat_map(|dir| below(&root.join(dir))) {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                texts.insert(relative(root, &path), text);
            }
        }
        Tree::of(texts)
    }

    /// Of a project that a test makes up.
    pub fn planted(files: &[(&str, &str)]) -> Tree {
        Tree::of(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn of(texts: BTreeMap<String, String>) -> Tree {
        let mut tree = Tree { files: vec![], unreached: vec![] };
        for path in texts.keys().filter(|path| is_root(path)) {
            tree.follow(&texts, Found { path: path.clone(), module: vec![], is_test: path.starts_with("tests/") });
        }
        let reached: BTreeSet<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
        tree.unreached = texts.keys().filter(|path| !reached.contains(path.as_str())).cloned().collect();
        tree
    }

    /// Reads a file and those that its `mod` lines lead to.
    fn follow(&mut self, texts: &BTreeMap<String, String>, found: Found) {
        let Some(text) = texts.get(&found.path) else { return };
        if self.files.iter().any(|file| file.path == found.path) {
            return;
        }
        let whole = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", found.path));
        let mut program = whole.clone();
        let mut test_lines = vec![];
        strip(&mut program.items, &mut test_lines);
        let children = children(texts, &found, &whole.items);
        let room = match (found.path.strip_prefix("src/"), found.module.first()) {
            (None, _) => "tests".to_owned(),
            (Some(_), Some(room)) => room.clone(),
            (Some(root), None) => root.trim_end_matches(".rs").to_owned(),
        };
        let Found { path, module, is_test } = found;
        self.files.push(File { path, module, room, text: text.clone(), whole, program, test_lines, is_test });
        for child in children {
            self.follow(texts, child);
        }
    }

    /// The files of the program, without tests.
    pub fn program(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| !file.is_test)
    }
}

/// Whether cargo makes a crate of this file by itself.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(parts[..], ["src", "lib.rs" | "main.rs"] | ["tests", _] | ["tests", _, "main.rs"])
}

/// A file that a `mod` line names.
struct Found {
    path: String,
    module: Vec<String>,
    is_test: bool,
}

/// The files that the `mod` lines of a file lead to.
fn children(texts: &BTreeMap<String, String>, parent: &Found, items: &[Item]) -> Vec<Found> {
    let path = Path::new(&parent.path);
    let dir = path.parent().expect("a folder");
    let stem = path.file_stem().expect("a name").to_string_lossy();
    let inside = match parent.module.is_empty() || stem == "mod" {
        true => dir.to_owned(),
        false => dir.join(&*stem),
    };
    let mut all = vec![];
    for item in modules(items) {
        let name = item.ident.unraw().to_string();
        let module = [parent.module.clone(), vec![name.clone()]].concat();
        let is_test = parent.is_test || for_tests(&item.attrs);
        if let Some((_, items)) = &item.content {
            // A module within the file may itself have files.
            let parent =
                Found { path: inside.join(&name).join("mod.rs").to_string_lossy().into_owned(), module, is_test };
            all.extend(children(texts, &parent, items));
            continue;
        }
        let candidates = match path_of(&item.attrs) {
            Some(path) => vec![dir.join(path)],
            None => vec![inside.join(format!("{name}.rs")), inside.join(&name).join("mod.rs")],
        };
        let candidates = candidates.iter().map(|path| normal(path));
        if let Some(path) = candidates.into_iter().find(|path| texts.contains_key(path)) {
            all.push(Found { path, module, is_test });
        }
    }
    all
}

/// The modules that are declared where rustfmt sees them: not inside of a macro.
pub fn modules(items: &[Item]) -> impl Iterator<Item = &ItemMod> {
    items.iter().filter_map(|item| match item {
        Item::Mod(module) => Some(module),
        _ => None,
    })
}

/// `#[path = "..."]`.
fn path_of(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find(|attribute| attribute.path().is_ident("path")).and_then(|attribute| {
        let syn::Expr::Lit(literal) = &attribute.meta.require_name_value().ok()?.value else { return None };
        let syn::Lit::Str(text) = &literal.lit else { return None };
        Some(text.value())
    })
}

/// Whether this is compiled for tests only.
fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list().map(|list| list.tokens.to_string());
        attribute.path().is_ident("cfg") && list.is_ok_and(|condition| condition == "test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Removes what is compiled for tests only, and remembers its lines.
fn strip(items: &mut Vec<Item>, lines: &mut Vec<(usize, usize)>) {
    items.retain(|item| stays(attributes(item), item.span(), lines));
    for item in items {
        match item {
            Item::Impl(block) => block.items.retain(|item| match item {
                ImplItem::Fn(function) => stays(&function.attrs, item.span(), lines),
                _ => true,
            }),
            Item::Mod(ItemMod { content: Some((_, items)), .. }) => strip(items, lines),
            _ => {}
        }
    }
}

fn stays(attributes: &[Attribute], span: proc_macro2::Span, lines: &mut Vec<(usize, usize)>) -> bool {
    let test = for_tests(attributes);
    if test {
        lines.push((span.start().line, span.end().line));
    }
    !test
}

/// Every file below a folder, in order.
pub fn below(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

pub fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned()
}

/// Without `..`.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = vec![];
    for component in path.components() {
        match component {
            Component::ParentDir => drop(parts.pop()),
            part => parts.push(part.as_os_str().to_string_lossy().into_owned()),
        }
    }
    parts.join("/")
}

#[test]
fn every_file_is_reached_by_mod_lines_that_rustfmt_sees() {
    let unreached = Tree::read().unreached;
    assert!(unreached.is_empty(), "no mod line outside of macros leads to\n{}", unreached.join("\n"));
}

#[test]
fn a_file_that_only_a_macro_declares_is_found() {
    let tree = Tree::planted(&[
        ("src/lib.rs", "mod run;"),
        ("src/run/mod.rs", "mod drill; list! { mod step; }"),
        ("src/run/drill.rs", "#[cfg(test)] #[path = \"drill_tests.rs\"] mod tests;"),
        ("src/run/drill_tests.rs", ""),
        ("src/run/step.rs", ""),
        ("tests/cli/main.rs", "mod a;"),
        ("tests/cli/a.rs", "#[path = \"../common/mod.rs\"] mod common;"),
        ("tests/common/mod.rs", ""),
    ]);
    assert_eq!(tree.unreached, ["src/run/step.rs"]);
    let program: Vec<&str> = tree.program().map(|file| file.path.as_str()).collect();
    assert_eq!(program, ["src/lib.rs", "src/run/mod.rs", "src/run/drill.rs"]);
}
