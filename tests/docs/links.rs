//! The links between the documents, and from them into the project, lead somewhere.

use regex::Regex;

use crate::{documents, read, top};

/// The anchor of a heading, as GitHub makes it: lower case, without punctuation, with `-` for each
/// blank.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).collect::<String>();
    kept.replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut wrong = vec![];
    let mut followed = 0;
    for path in documents() {
        let text = read(&path);
        let name = path.strip_prefix(top()).unwrap_or(&path).display();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            followed += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            if !to.exists() {
                wrong.push(format!("{name}: there is no {target}"));
            } else if !heading.is_empty() {
                let headings = read(&to);
                let headings = headings.lines().filter_map(|line| {
                    line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
                });
                if !headings.into_iter().any(|one| anchor(one) == heading) {
                    wrong.push(format!("{name}: {target} has no such heading"));
                }
            }
        }
    }
    assert!(followed > 50 && wrong.is_empty(), "\n{}", wrong.join("\n"));
}
