//! Reading the tables of a document.

/// What stands under a heading, up to the next one of its level or above: `### nodes`.
pub fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let level = heading.chars().take_while(|c| *c == '#').count();
    let start = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no heading `{heading}`"));
    let body = &text[start + heading.len() + 2..];
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        let hashes = line.chars().take_while(|c| *c == '#').count();
        if (1..=level).contains(&hashes) && line[hashes..].starts_with(' ') {
            break;
        }
        at += line.len();
    }
    &body[..at]
}

/// The tables of a text, each as its rows without the head, each row as its cells.
pub fn tables(text: &str) -> Vec<Vec<Vec<String>>> {
    let mut found: Vec<Vec<Vec<String>>> = vec![];
    let mut inside = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|').and_then(|line| line.trim_end().strip_suffix('|')) else {
            inside = false;
            continue;
        };
        match found.last_mut().filter(|_| inside) {
            Some(table) => table.push(row.split('|').map(|cell| cell.trim().to_owned()).collect()),
            // Its head.
            None => found.push(vec![]),
        }
        inside = true;
    }
    // The line under the head.
    found.iter_mut().for_each(|table| drop(table.remove(0)));
    found
}

/// The words in backquotes, in their order: `` `a`, `b?` ``.
pub fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The words in backquotes in a column of a table.
pub fn column(table: &[Vec<String>], at: usize) -> Vec<String> {
    table.iter().flat_map(|row| quoted(&row[at])).collect()
}
