//! The page as Markdown.

use std::fmt::Write;

use crate::report::escape_markdown as escape;

use super::blocks::{Block, Cell};
use super::told::verdict;

/// The page.
pub(super) fn markdown(title: &str, blocks: &[Block]) -> String {
    let mut page = format!("# {}\n", escape(title));
    add(&mut page, blocks);
    let _ = writeln!(page, "\ndrillyard {}", env!("CARGO_PKG_VERSION"));
    page
}

fn add(page: &mut String, blocks: &[Block]) {
    // A String takes every write.
    for block in blocks {
        let _ = match block {
            Block::Text(text) => writeln!(page, "\n{}", escape(text)),
            Block::Warning(text) => writeln!(page, "\n> **{}**", escape(text)),
            Block::Heading(text) => writeln!(page, "\n### {}", escape(text)),
            Block::List(items) => {
                page.push('\n');
                items.iter().try_for_each(|item| writeln!(page, "- {}", escape(item)))
            }
            Block::Table { head, rows } => {
                table(page, head, rows);
                Ok(())
            }
            Block::Words(words) => {
                page.push('\n');
                words
                    .iter()
                    .try_for_each(|(word, meaning)| writeln!(page, "- **{}**: {}", escape(word), escape(meaning)))
            }
            Block::Card { outcome, title, note, blocks } => {
                let outcome = outcome.map(|outcome| format!(" ({})", verdict(outcome))).unwrap_or_default();
                let _ = writeln!(page, "\n## {}{outcome}", escape(title));
                if !note.is_empty() {
                    let _ = writeln!(page, "\n{}", escape(note));
                }
                add(page, blocks);
                Ok(())
            }
        };
    }
}

fn table(page: &mut String, head: &[&str], rows: &[Vec<Cell>]) {
    let _ = writeln!(page, "\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| match cell.tone.filter(|tone| tone.is_bad()) {
                Some(_) => format!("**{}**", escape(&cell.text)),
                None => escape(&cell.text),
            })
            .collect();
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
}
