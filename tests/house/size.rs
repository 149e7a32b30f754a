//! Files and functions that can be read in one sitting.

use std::collections::BTreeMap;

use syn::spanned::Spanned;
use syn::visit::Visit;

use crate::exceptions::{self, LONG_FILES, LONG_FUNCTIONS};
use crate::tree::{File, Tree};

/// Lines of a file, blank ones and comments included, without what is compiled for tests only.
const FILE: usize = 400;

/// Lines of a function from its signature to its closing brace, blank ones and comments included;
/// what stands above the signature is not counted.
const FUNCTION: usize = 60;

fn long_files(tree: &Tree) -> BTreeMap<String, String> {
    let lines = |file: &File| {
        let tests: usize = file.test_lines.iter().map(|(first, last)| last - first + 1).sum();
        file.text.lines().count() - tests
    };
    let long = tree.program().map(|file| (file, lines(file))).filter(|(_, lines)| *lines > FILE);
    long.map(|(file, lines)| (file.path.clone(), format!("has {lines} lines, more than {FILE}"))).collect()
}

fn long_functions(tree: &Tree) -> BTreeMap<String, String> {
    let mut found = Functions { path: String::new(), long: BTreeMap::new() };
    for file in tree.program() {
        found.path = file.path.clone();
        found.visit_file(&file.program);
    }
    found.long
}

struct Functions {
    path: String,
    long: BTreeMap<String, String>,
}

impl Functions {
    fn look(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line - first + 1;
        if lines > FUNCTION {
            let name = format!("{} {}", self.path, signature.ident);
            self.long.insert(name, format!("(line {first}) has {lines} lines, more than {FUNCTION}"));
        }
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.look(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.look(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.look(&item.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

#[test]
fn files_are_short() {
    exceptions::compare(&long_files(&Tree::read()), LONG_FILES);
}

#[test]
fn functions_are_short() {
    exceptions::compare(&long_functions(&Tree::read()), LONG_FUNCTIONS);
}

#[test]
fn a_long_file_is_found() {
    let long = |text: &str| long_files(&Tree::planted(&[("src/lib.rs", text)])).into_keys().collect::<Vec<_>>();
    let code = "fn f() {}\n".repeat(FILE);
    assert!(long(&code).is_empty());
    assert_eq!(long(&format!("{code}// One more.\n")), ["src/lib.rs"]);
    assert!(long(&format!("{code}/// Tests.\n#[cfg(test)]\nmod tests {{\n{code}}}\n")[FUNCTION..]).is_empty());
    assert_eq!(long(&format!("{code}#[cfg(not(test))]\nmod program {{}}\n")), ["src/lib.rs"]);
}

#[test]
fn a_long_function_is_found() {
    let long = |text: &str| long_functions(&Tree::planted(&[("src/lib.rs", text)])).into_keys().collect::<Vec<_>>();
    let body = |lines: usize| format!("{{\n{}}}", "let x = 1;\n".repeat(lines - 2));
    assert!(long(&format!("/// What it does.\nfn f() {}", body(FUNCTION))).is_empty());
    let found = ["src/lib.rs f"];
    assert_eq!(long(&format!("fn f() {}", body(FUNCTION + 1))), found);
    assert_eq!(long(&format!("async fn f(\nx: u8,\n) {}", body(FUNCTION - 1))), found);
    assert_eq!(long(&format!("impl A {{ fn f() {} }}", body(FUNCTION + 1))), found);
    assert_eq!(long(&format!("trait A {{ fn f() {} }}", body(FUNCTION + 1))), found);
    assert_eq!(long(&format!("mod a {{ fn f() {} }}", body(FUNCTION + 1))), found);
    assert!(long(&format!("#[cfg(test)] mod a {{ fn f() {} }}", body(FUNCTION + 1))).is_empty());
}
