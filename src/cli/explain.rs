//! `drillyard explain`

use schemars::SchemaGenerator;

use super::explain_key;
use super::out::print_all;
use super::stop::{Result, Stop};
use crate::harness::{Kind, manual, summary};
use crate::journal::ExitCode;
use crate::source::did_you_mean;
use crate::steps::{self, KINDS};

/// The widest that a page gets, in columns, however wide the terminal is.
const WIDEST: usize = 100;

/// Prints a step's manual page, what a key is, or all steps in a line each.
pub fn explain(step: Option<&str>) -> Result<ExitCode> {
    let Some(name) = step else {
        print_all(&all());
        return Ok(ExitCode::Passed);
    };
    if let Some(kind) = steps::find(name) {
        print_all(&wrapped(&page(kind), width()));
        return Ok(ExitCode::Passed);
    }
    if let Some(page) = explain_key::page(name) {
        print_all(&wrapped(&page, width()));
        return Ok(ExitCode::Passed);
    }
    let stop = Stop::usage(format!("there is no step or key `{name}`"));
    let keys = explain_key::keys();
    let known = KINDS.iter().map(|kind| kind.name).chain(keys.iter().map(String::as_str));
    Err(match did_you_mean(name, known) {
        Some(near) => stop.help(format!("did you mean `{near}`?")),
        None => stop.help("`drillyard explain` lists them"),
    })
}

fn all() -> String {
    let width = KINDS.iter().map(|kind| kind.name.len()).max().unwrap_or_default();
    let lines = KINDS.iter().map(|kind| format!("{:width$}  {}\n", kind.name, summary(kind)));
    let mut text: String = lines.collect();
    text.push_str(&format!("\nkeys of the file and of every step: {}\n", explain_key::keys().join(", ")));
    text
}

/// How wide the terminal is; where there is none, pages are as wide as they get.
fn width() -> usize {
    let term = console::Term::stdout();
    if term.is_term() { usize::from(term.size().1).min(WIDEST) } else { WIDEST }
}

/// A page with its paragraphs wrapped at so many columns. Examples stay as they are; what follows a
/// list's mark, or a name in a table, is indented under it.
fn wrapped(page: &str, width: usize) -> String {
    let (mut text, mut paragraph, mut example) = (String::new(), String::new(), false);
    let flush = |paragraph: &mut String, text: &mut String| {
        if !paragraph.is_empty() {
            let indent = " ".repeat(hanging(paragraph));
            let options = textwrap::Options::new(width).subsequent_indent(&indent).break_words(false);
            text.push_str(&textwrap::fill(paragraph, options));
            text.push('\n');
            paragraph.clear();
        }
    };
    for line in page.lines() {
        let fence = line.trim_start().starts_with("```");
        let begins = line.is_empty()
            || fence
            || example
            || line.starts_with("- ")
            || line.starts_with("  ") && hanging(line) > 2;
        if begins {
            flush(&mut paragraph, &mut text);
        }
        match line {
            _ if example || fence || line.is_empty() => {
                text.push_str(line);
                text.push('\n');
            }
            _ if paragraph.is_empty() => paragraph.push_str(line),
            _ => paragraph.extend([" ", line.trim_start()]),
        }
        example ^= fence;
    }
    flush(&mut paragraph, &mut text);
    text
}

/// By how many columns the lines after a paragraph's first are indented.
fn hanging(line: &str) -> usize {
    if line.starts_with("- ") {
        return 2;
    }
    // `  name   what it is`: a row of a table.
    let Some(row) = line.strip_prefix("  ") else { return 0 };
    let name = row.find("  ").map_or(0, |at| at + row[at..].len() - row[at..].trim_start().len());
    if name == 0 { 2 } else { name + 2 }
}

fn page(kind: &Kind) -> String {
    let schema = (kind.schema)(&mut SchemaGenerator::default()).to_value();
    let mut text = format!("{}\n\n{}\n", kind.name, manual(kind));
    let fields = explain_key::fields("Fields", &schema, |field| field["description"].as_str().unwrap_or_default());
    if !fields.is_empty() {
        text.push_str(&fields);
        let seconds = humantime::format_duration(kind.deadline);
        text.push_str(&format!("\nDeadline unless `within` gives one: {seconds}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_wrapped_and_examples_are_not() {
        let page = "name\n\none two three four\nfive\n\n- a list with more\n  words\n\n```yaml\n- a: very long example\n```\n\n  field?  what it is for\n";
        let narrow = "name\n\none two three\nfour five\n\n- a list with\n  more words\n\n```yaml\n- a: very long example\n```\n\n  field?  what\n          it\n          is\n          for\n";
        assert_eq!(wrapped(page, 14), narrow);
    }

    #[test]
    fn all_pages_are_the_same_at_their_own_width() {
        let width = |text: &str| text.lines().map(|line| line.chars().count()).max();
        for kind in KINDS {
            assert!(width(&wrapped(&page(kind), 60)) <= width(&page(kind)).max(Some(60)), "{}", kind.name);
        }
    }
}
