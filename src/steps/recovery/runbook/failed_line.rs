//! The line of the command that failed, by what the shell or psql wrote.

use super::markdown::{Block, Runner};
use crate::pg::Pattern;

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// Its line within the block, from 0.
    pub line: usize,
    /// What was written to standard error, without the shell's own echo.
    pub said: String,
}

static PSQL: Pattern = Pattern::new(r"(?m)^psql:[^\n]*?:(\d+): (?:ERROR|FATAL|error)");

impl Failed {
    /// The command of `block` that failed, by the standard error of whatever ran it.
    pub(super) fn find(block: &Block, stderr: &str) -> Self {
        match block.runner {
            Runner::Psql => {
                let line = PSQL.first(stderr).and_then(|line| line.parse::<usize>().ok());
                let line = line.unwrap_or(1).saturating_sub(1);
                let lines: Vec<&str> = block.text.lines().collect();
                Failed { line: begin_of_statement(&lines, line), said: stderr.to_owned() }
            }
            Runner::Sh | Runner::Bash => by_echo(&block.text, stderr),
        }
    }
}

/// psql names the line that ends a statement. It begins behind the last one that ended.
fn begin_of_statement(lines: &[&str], end: usize) -> usize {
    let ends = |line: &str| line.trim_end().ends_with(';') || line.trim_start().starts_with('\\');
    let before = lines.iter().take(end).rposition(|line| ends(line)).map_or(0, |at| at + 1);
    let begins = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("--");
    (before..=end).find(|at| lines.get(*at).is_some_and(begins)).unwrap_or(end)
}

/// The shell echoes each line as it reads it, and reads no further than to the end of the command
/// that it runs.
fn by_echo(text: &str, stderr: &str) -> Failed {
    let lines: Vec<&str> = text.lines().collect();
    let mut said = String::new();
    let (mut next, mut end) = (0, 0);
    for line in stderr.lines() {
        if lines.get(next) == Some(&line) {
            if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
                end = next;
            }
            next += 1;
        } else {
            said.push_str(line);
            said.push('\n');
        }
    }
    Failed { line: begin_of_command(&lines, end), said }
}

/// Where a command begins that ends with a line: what is continued, and what is indented below it,
/// belongs to it.
fn begin_of_command(lines: &[&str], end: usize) -> usize {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let goes_on = |line: &str| {
        let line = line.trim_end();
        ["\\", "&&", "||", "|", "{", "("].iter().any(|sign| line.ends_with(sign))
    };
    let is_end = |line: &str| {
        let word = line.trim_start().split(|c: char| !c.is_alphanumeric() && c != '}' && c != ')').next();
        matches!(word.unwrap_or_default(), "done" | "fi" | "esac" | "}" | ")")
    };
    let mut begin = end;
    if let Some(line) = lines.get(end) {
        // The end of a here-document is where a line before it says.
        let opened = lines[..end].iter().rposition(|before| {
            before.split_once("<<").is_some_and(|(_, word)| {
                word.trim_start_matches('-').trim_start().trim_start_matches(['\'', '"', '\\']).starts_with(line.trim())
            })
        });
        if let Some(at) = opened.filter(|_| !line.trim().is_empty()) {
            begin = at;
        } else if is_end(line) {
            let at = lines[..end].iter().rposition(|before| {
                !before.trim().is_empty() && indentation(before) <= indentation(line) && !is_between(before)
            });
            begin = at.unwrap_or(begin);
        }
    }
    while begin > 0 && goes_on(lines[begin - 1]) {
        begin -= 1;
    }
    begin
}

/// Whether a line stands between the first and the last of a compound command, at their level.
fn is_between(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    matches!(word, "else" | "elif" | "then" | "do" | "in")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(runner: Runner, text: &str) -> Block {
        Block { runner, node: None, database: None, line: 1, text: text.to_owned() }
    }

    #[test]
    fn the_shells_echo_says_which_command_failed() {
        let text = "echo a\n# a remark\nls \\\n  /none\necho b\n";
        let failed = Failed::find(&block(Runner::Sh, text), "echo a\n# a remark\nls \\\n  /none\nls: cannot access\n");
        assert_eq!(failed, Failed { line: 2, said: "ls: cannot access\n".to_owned() });
        let text = "cat <<'EOF'\nx\nEOF\nfor i in 1 2; do\n  false\ndone\n";
        let of = |stderr: &str| Failed::find(&block(Runner::Sh, text), stderr).line;
        assert_eq!([of("cat <<'EOF'\nx\nEOF\n"), of(text), of("")], [0, 3, 0]);
    }

    #[test]
    fn psql_says_which_statement_failed() {
        let text = "SELECT 1;\n\n-- what fails\nSELECT\n  1/0;\nSELECT 2;\n";
        let stderr = "psql:/x/block-1.sql:5: ERROR:  division by zero\n";
        assert_eq!(Failed::find(&block(Runner::Psql, text), stderr).line, 3);
    }
}
