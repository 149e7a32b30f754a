//! Which names a file uses, and which file defines them.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::Visit;
use syn::{Item, ItemUse, UseTree, Visibility};

use crate::tree::{File, Tree};

/// A path in the crate, from its root: `run`, `drill`, `Drill`.
pub type Names = Vec<String>;

/// How a name is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// `use`, for the file itself.
    Import,
    /// `pub use`, for others.
    ReExport,
    /// In code.
    Code,
}

/// A name of the crate that a file uses.
#[derive(Debug)]
pub struct Reference {
    pub name: Names,
    pub line: usize,
    pub kind: Use,
}

/// A module: a file, or a part of one.
#[derive(Default)]
struct Scope {
    file: usize,
    defined: BTreeSet<String>,
    modules: BTreeSet<String>,
    imported: BTreeMap<String, Names>,
    globs: Vec<Names>,
    written: Vec<Written>,
}

/// A path as it is written: `super`, `drill`, `Drill`.
struct Written {
    path: Names,
    line: usize,
    kind: Use,
}

/// The modules of the crate.
pub struct Modules<'a> {
    files: Vec<&'a File>,
    scopes: BTreeMap<Names, Scope>,
}

impl<'a> Modules<'a> {
    /// Of the program, without tests.
    pub fn program(tree: &'a Tree) -> Self {
        Self::of(tree.program().collect(), |file| &file.program.items)
    }

    /// Of the program and the tests beside its code.
    pub fn whole(tree: &'a Tree) -> Self {
        Self::of(tree.files.iter().collect(), |file| &file.whole.items)
    }

    fn of(files: Vec<&'a File>, items: impl Fn(&'a File) -> &'a [Item]) -> Self {
        // The program itself, and the tests of the whole, are crates of their own.
        let files: Vec<&File> =
            files.into_iter().filter(|file| file.path.starts_with("src/") && file.room != "main").collect();
        let mut modules = Modules { files, scopes: BTreeMap::new() };
        for (at, file) in modules.files.clone().into_iter().enumerate() {
            modules.scope(at, file.module.clone(), items(file));
        }
        modules
    }

    fn scope(&mut self, file: usize, module: Names, items: &[Item]) {
        let mut scope = Scope { file, ..Scope::default() };
        for item in items {
            match item {
                Item::Use(item) => scope.import(item),
                Item::Mod(item) => {
                    scope.modules.insert(item.ident.to_string());
                    if let Some((_, items)) = &item.content {
                        self.scope(file, [module.clone(), vec![item.ident.to_string()]].concat(), items);
                    }
                }
                item => {
                    scope.defined.extend(name_of(item));
                    Within(&mut scope).visit_item(item);
                    scan(item.to_token_stream(), &mut scope.written);
                }
            }
        }
        self.scopes.insert(module, scope);
    }

    /// What every file uses of the crate, file by file.
    pub fn references(&self) -> Vec<(&'a File, Vec<Reference>)> {
        let mut all: Vec<(&File, Vec<Reference>)> = self.files.iter().map(|file| (*file, vec![])).collect();
        for (module, scope) in &self.scopes {
            for Written { path, line, kind } in &scope.written {
                if let Some(name) = self.absolute(module, path) {
                    all[scope.file].1.push(Reference { name, line: *line, kind: *kind });
                }
            }
        }
        all
    }

    /// A path that is written in `module`, from the crate's root. `None` if it is another crate's,
    /// or a local variable.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        let from = |module: &[String], rest: &[String]| Some([module, rest].concat());
        match first.as_str() {
            "crate" => from(&[], rest),
            "self" if !rest.is_empty() => from(module, rest),
            "super" => {
                let mut path = vec!["self".to_owned()];
                path.extend_from_slice(rest);
                let outside = &module[..module.len().checked_sub(1)?];
                match rest.first().is_some_and(|next| next == "super") {
                    true => self.absolute(outside, rest),
                    false if rest.is_empty() => Some(outside.to_owned()),
                    false => self.absolute(outside, &path),
                }
            }
            name => {
                let scope = self.scopes.get(module)?;
                if let Some(import) = scope.imported.get(name).filter(|import| import.first() != Some(first)) {
                    return self.absolute(module, import).map(|path| [&path, rest].concat());
                }
                let inside = scope.defined.contains(name) || scope.modules.contains(name);
                inside.then(|| [module, path].concat())
            }
        }
    }

    /// A name without the modules that it is in: `Drill` for `run::drill::Drill::new`.
    pub fn item<'n>(&self, name: &'n [String]) -> &'n str {
        let known = (0..name.len()).rev().find(|length| self.scopes.contains_key(&name[..*length]));
        known.map_or("", |module| &name[module])
    }

    /// The file that defines a name, wherever it is re-exported. `None` for a module itself, and
    /// for what is no name of the crate.
    pub fn owner(&self, name: &[String]) -> Option<&'a File> {
        self.owner_within(name, 0).map(|file| self.files[file])
    }

    fn owner_within(&self, name: &[String], depth: usize) -> Option<usize> {
        let known = (0..=name.len()).rev().find(|length| self.scopes.contains_key(&name[..*length]))?;
        let (module, rest) = name.split_at(known);
        let scope = &self.scopes[module];
        let first = match rest.first() {
            Some(first) => first,
            // A module, and something beside it may have the same name.
            None => {
                let (first, outside) = module.split_last()?;
                return self.scopes.get(outside).filter(|scope| scope.defined.contains(first)).map(|scope| scope.file);
            }
        };
        if scope.defined.contains(first) {
            return Some(scope.file);
        }
        if depth > 8 {
            return None;
        }
        if let Some(import) = scope.imported.get(first) {
            let name = [self.absolute(module, import)?, rest[1..].to_vec()].concat();
            return self.owner_within(&name, depth + 1);
        }
        let globs = scope.globs.iter().filter_map(|glob| self.absolute(module, glob));
        globs.into_iter().find_map(|glob| self.owner_within(&[&glob, rest].concat(), depth + 1))
    }
}

impl Scope {
    fn import(&mut self, item: &ItemUse) {
        let kind = match item.vis {
            Visibility::Inherited => Use::Import,
            _ => Use::ReExport,
        };
        let line = item.use_token.span.start().line;
        self.import_tree(&item.tree, vec![], kind, line);
    }

    fn import_tree(&mut self, tree: &UseTree, mut path: Names, kind: Use, line: usize) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.import_tree(&tree.tree, path, kind, line);
            }
            UseTree::Name(tree) if tree.ident == "self" => {
                let name = path.last().cloned().expect("a module before self");
                self.import_name(name, path, kind, line);
            }
            UseTree::Name(tree) => {
                path.push(tree.ident.to_string());
                self.import_name(tree.ident.to_string(), path, kind, line);
            }
            UseTree::Rename(tree) => {
                path.push(tree.ident.to_string());
                self.import_name(tree.rename.to_string(), path, kind, line);
            }
            UseTree::Glob(_) => {
                self.written.push(Written { path: path.clone(), line, kind });
                self.globs.push(path);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import_tree(tree, path.clone(), kind, line);
                }
            }
        }
    }

    fn import_name(&mut self, name: String, path: Names, kind: Use, line: usize) {
        self.written.push(Written { path: path.clone(), line, kind });
        self.imported.insert(name, path);
    }
}

/// `use` lines within functions.
struct Within<'a>(&'a mut Scope);

impl<'a> Visit<'a> for Within<'_> {
    fn visit_item_use(&mut self, item: &'a ItemUse) {
        self.0.import(item);
    }
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// The paths in code, whose own `use` lines are no code. Macros' arguments are code, too.
fn scan(code: TokenStream, written: &mut Vec<Written>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let punctuation =
        |at: usize, sign: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == sign);
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => scan(group.stream(), written),
            TokenTree::Ident(first) => {
                let line = first.span().start().line;
                let mut path = vec![first.to_string()];
                while punctuation(at + 1, ':') && punctuation(at + 2, ':') {
                    let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                    path.push(next.to_string());
                    at += 3;
                }
                // A field or a method is not a name of the module.
                let first_at = at - 3 * (path.len() - 1);
                let of_a_value =
                    first_at > 0 && punctuation(first_at - 1, '.') && !(first_at > 1 && punctuation(first_at - 2, '.'));
                if path == ["use"] {
                    while at < tokens.len() && !punctuation(at, ';') {
                        at += 1;
                    }
                } else if !of_a_value {
                    written.push(Written { path, line, kind: Use::Code });
                }
            }
            _ => {}
        }
        at += 1;
    }
}
