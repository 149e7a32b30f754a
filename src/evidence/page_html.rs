//! The page as HTML: it needs nothing but itself, and runs nothing.

use std::fmt::Write;

use crate::report::{STYLE, escape_html as escape};

use super::blocks::{Block, Cell};
use super::told::verdict;

/// What this page has besides what reports have.
const OWN: &str = include_str!("page.css");

/// The page.
pub(super) fn html(title: &str, blocks: &[Block]) -> String {
    let title = escape(title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}{OWN}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n"
    );
    add(&mut page, blocks);
    let _ = writeln!(page, "<footer>drillyard {}</footer>\n</body>\n</html>", env!("CARGO_PKG_VERSION"));
    page
}

fn add(page: &mut String, blocks: &[Block]) {
    // A String takes every write.
    for block in blocks {
        let _ = match block {
            Block::Text(text) => writeln!(page, "<p>{}</p>", escape(text)),
            Block::Warning(text) => writeln!(page, "<p class=\"alarm\">{}</p>", escape(text)),
            Block::Heading(text) => writeln!(page, "<h3>{}</h3>", escape(text)),
            Block::List(items) => {
                let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escape(item))).collect();
                writeln!(page, "<ul>\n{items}</ul>")
            }
            Block::Table { head, rows } => {
                table(page, head, rows);
                Ok(())
            }
            Block::Words(words) => {
                page.push_str("<dl class=\"words\">\n");
                for (word, meaning) in *words {
                    let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(word), escape(meaning));
                }
                writeln!(page, "</dl>")
            }
            Block::Card { outcome, title, note, blocks } => {
                let class = outcome.map_or("", |outcome| outcome.as_str());
                let badge =
                    outcome.map(|outcome| format!("<span class=\"badge {outcome}\">{}</span> ", verdict(outcome)));
                let (badge, title, note) = (badge.unwrap_or_default(), escape(title), escape(note));
                let _ =
                    writeln!(page, "<section class=\"card {class}\">\n<h2>{badge}{title} <small>{note}</small></h2>");
                add(page, blocks);
                writeln!(page, "</section>")
            }
        };
    }
}

/// What a cell must not do: be broken where it is short, or be as wide as a digest.
fn length(text: &str) -> Option<&'static str> {
    const SHORT: usize = 12;
    const LONG: usize = 40;
    let longest = text.split_whitespace().map(str::len).max().unwrap_or_default();
    match text.chars().count() {
        0..=SHORT => Some("short"),
        _ if longest > LONG => Some("long"),
        _ => None,
    }
}

fn table(page: &mut String, head: &[&str], rows: &[Vec<Cell>]) {
    let titles: String = head.iter().map(|title| format!("<th>{}</th>", escape(title))).collect();
    let _ = writeln!(page, "<table class=\"lines\">\n<thead><tr>{titles}</tr></thead>\n<tbody>");
    for row in rows {
        page.push_str("<tr>");
        for (title, cell) in head.iter().zip(row) {
            let tone = cell.tone.map(|tone| tone.as_str());
            let class = tone.into_iter().chain(length(&cell.text)).collect::<Vec<_>>().join(" ");
            let class = if class.is_empty() { class } else { format!(" class=\"{class}\"") };
            let _ = write!(page, "<td data-title=\"{}\"{class}>{}</td>", escape(title), escape(&cell.text));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}
