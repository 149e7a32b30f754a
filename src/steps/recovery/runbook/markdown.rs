//! The fenced code blocks of a Markdown file.

use crate::host::single_quoted;
use crate::pg::quote_identifier;
use crate::pg::script::{Control, Script};
use crate::source::{Source, Span, did_you_mean};

/// What the commands of a block are run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// `sh -e`.
    Sh,
    /// `bash -e`.
    Bash,
    /// `psql` with ON_ERROR_STOP.
    Psql,
}

impl Runner {
    /// That of a block with this tag; none if such blocks are not run.
    fn of(tag: &str) -> Option<Self> {
        match tag.to_ascii_lowercase().as_str() {
            "sh" | "shell" => Some(Runner::Sh),
            "bash" => Some(Runner::Bash),
            "sql" => Some(Runner::Psql),
            _ => None,
        }
    }
}

/// A block of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// What runs it.
    pub runner: Runner,
    /// On the host of which node, or in whose database; the step's own if none is named.
    pub node: Option<String>,
    /// In which database.
    pub database: Option<String>,
    /// The line of its first command, from 1.
    pub line: usize,
    /// The commands, without the indentation of the block.
    pub text: String,
}

impl Block {
    /// Its commands, as a person gives them who has nothing but its text: in the database that it
    /// names, and what `psql` is told of variables.
    pub(super) fn by_hand(&self, vars: &[(String, String)]) -> String {
        let mut text = String::new();
        match self.runner {
            Runner::Psql => {
                if let Some(database) = &self.database {
                    text.push_str(&format!("\\connect {}\n", quote_identifier(database)));
                }
                for (name, value) in vars {
                    // Within quotes psql knows backslashes, and two quotes for one.
                    let value = value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n");
                    text.push_str(&format!("\\set {name} '{value}'\n"));
                }
            }
            Runner::Sh | Runner::Bash => {
                if let Some(database) = &self.database {
                    text.push_str(&format!("export PGDATABASE={}\n", single_quoted(database)));
                }
            }
        }
        text + &self.text
    }
}

/// What a file has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markdown {
    /// The blocks that are run, in order.
    pub blocks: Vec<Block>,
    /// Those that are not: the line of each, and its tag.
    pub others: Vec<(usize, String)>,
    /// What is wrong: the line, what it is, and what is said there.
    pub wrong: Vec<Wrong>,
}

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// What it is.
    pub title: String,
    /// What is said at the line.
    pub label: String,
}

/// The line that opens a block.
struct Fence<'a> {
    mark: char,
    length: usize,
    indentation: usize,
    info: &'a str,
}

impl<'a> Fence<'a> {
    /// The fence of a line, which may stand in a list, if it opens a block.
    fn opens(line: &'a str) -> Option<Self> {
        let text = line.trim_start();
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let length = text.chars().take_while(|c| *c == mark).count();
        let info = text[length..].trim();
        // Code within a line may begin so, too.
        let is_fence = length >= 3 && !(mark == '`' && info.contains('`'));
        is_fence.then(|| Fence { mark, length, indentation: line.len() - text.len(), info })
    }

    /// Whether a line closes the block.
    fn is_closed_by(&self, line: &str) -> bool {
        let text = line.trim();
        text.chars().all(|c| c == self.mark) && text.chars().count() >= self.length
    }

    /// A line of the block, without its indentation.
    fn content<'l>(&self, line: &'l str) -> &'l str {
        let spaces = line.bytes().take_while(|byte| *byte == b' ').count();
        &line[spaces.min(self.indentation)..]
    }
}

/// The word by which a block is not run.
const SKIP: &str = "skip";

/// What a block's first line may say after its tag.
const ATTRIBUTES: [&str; 2] = ["node", "database"];

impl Markdown {
    /// Reads a file.
    pub(super) fn read(text: &str) -> Self {
        let mut found = Markdown::default();
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            let Some(fence) = Fence::opens(line) else { continue };
            let mut content = String::new();
            let mut is_closed = false;
            for (line, _) in lines.by_ref() {
                if fence.is_closed_by(line) {
                    is_closed = true;
                    break;
                }
                content.push_str(fence.content(line));
                content.push('\n');
            }
            if !is_closed {
                let label = "all of the file after it would be taken for commands".to_owned();
                found.wrong.push(Wrong { line: number, title: "this block is never closed".to_owned(), label });
                break;
            }
            found.add(&fence, number, content);
        }
        found
    }

    fn add(&mut self, fence: &Fence<'_>, line: usize, text: String) {
        let mut words = fence.info.split_whitespace();
        let tag = words.next().unwrap_or_default();
        if words.clone().any(|word| word == SKIP) {
            self.others.push((line, format!("{tag}, {SKIP}")));
            return;
        }
        let Some(runner) = Runner::of(tag) else {
            self.others.push((line, if tag.is_empty() { "no tag" } else { tag }.to_owned()));
            return;
        };
        let mut block = Block { runner, node: None, database: None, line: line + 1, text };
        self.wrong.extend(block.open_transaction());
        for word in words {
            let Some((name, value)) =
                word.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty())
            else {
                self.wrong.extend(not_an_attribute(word, line));
                continue;
            };
            let value = value.trim_matches(['"', '\'']).to_owned();
            match name {
                "node" => block.node = Some(value),
                "database" => block.database = Some(value),
                // Others are for other readers.
                other => {
                    if let Some(near) = did_you_mean(other, ATTRIBUTES) {
                        let (title, label) =
                            (format!("unknown attribute `{other}`"), format!("did you mean `{near}`?"));
                        self.wrong.push(Wrong { line, title, label });
                    }
                }
            }
        }
        match block.is_empty() {
            true => self.others.push((line, format!("{tag}, empty"))),
            false => self.blocks.push(block),
        }
    }
}

/// What is wrong with a word that is no `NAME=VALUE`, if it was to be one.
fn not_an_attribute(word: &str, line: usize) -> Option<Wrong> {
    let name = word.split(['=', ':']).next().unwrap_or_default();
    let is_one = ATTRIBUTES.contains(&name) || word.starts_with(['=', ':']);
    let label = "write the name, `=` and the value without blanks: `node=rescue`".to_owned();
    is_one.then(|| Wrong { line, title: format!("`{word}` names nothing"), label })
}

impl Block {
    /// Whether there is nothing in it but remarks.
    fn is_empty(&self) -> bool {
        match self.runner {
            Runner::Sh | Runner::Bash => {
                self.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
            }
            Runner::Psql => {
                let script = Script::read(self.text.as_bytes());
                script.statements.is_empty() && script.commands.is_empty() && script.cut.is_none()
            }
        }
    }

    /// A transaction that it begins and does not end: psql would undo it when the block is over,
    /// and exit with 0.
    fn open_transaction(&self) -> Option<Wrong> {
        if self.runner != Runner::Psql {
            return None;
        }
        let mut open = None;
        for statement in Script::read(self.text.as_bytes()).statements {
            match statement.control() {
                Some(Control::Begins) => open = open.or(Some(statement.line)),
                Some(_) => open = None,
                None => {}
            }
        }
        let title = "this transaction is never committed".to_owned();
        let label = "each block is a session of its own: at its end, all of this is undone".to_owned();
        open.map(|at| Wrong { line: self.line + at - 1, title, label })
    }
}

/// The piece of a file that is one line.
pub(super) fn line_span(text: &Source, line: usize) -> Span {
    let start: usize = text.text().split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let length = text.text()[start..].lines().next().map_or(0, str::len);
    let indentation = text.text()[start..].len() - text.text()[start..].trim_start_matches([' ', '\t']).len();
    Span { start: start + indentation.min(length), end: start + length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_their_lines() {
        let text = "# Restore\n\n```sh node=rescue\necho a\n```\n\n1. In a list:\n\n   ~~~~SQL database=\"shop\" title=x\n   SELECT 1;\n\
                    \x20  ~~~\n   ~~~~\n\n```console\n$ ls\n```\n\n````\n```sh\n````\n`` ```sh `` is code.\n```sh skip\n```\n";
        let found = Markdown::read(text);
        let block = |runner, node: Option<&str>, database: Option<&str>, line, text: &str| Block {
            runner,
            node: node.map(str::to_owned),
            database: database.map(str::to_owned),
            line,
            text: text.to_owned(),
        };
        let expected = [
            block(Runner::Sh, Some("rescue"), None, 4, "echo a\n"),
            block(Runner::Psql, None, Some("shop"), 10, "SELECT 1;\n~~~\n"),
        ];
        assert_eq!(found.blocks, expected);
        assert_eq!(found.others, [(14, "console".to_owned()), (18, "no tag".to_owned()), (22, "sh, skip".to_owned())]);
        assert_eq!(found.wrong, []);
    }

    #[test]
    fn a_block_of_remarks_has_no_commands() {
        let found = Markdown::read("```sh\n# nothing\n\n```\n```sql\n-- nothing\n```\n```shell\nls\n```\n");
        assert_eq!(found.others, [(1, "sh, empty".to_owned()), (5, "sql, empty".to_owned())]);
        assert_eq!(found.blocks.iter().map(|block| block.runner).collect::<Vec<_>>(), [Runner::Sh]);
    }

    #[test]
    fn a_transaction_that_is_left_open_is_told() {
        let wrong = |text: &str| {
            let found = Markdown::read(&format!("```sql\n{text}\n```\n"));
            found.wrong.into_iter().map(|wrong| (wrong.line, wrong.title)).collect::<Vec<_>>()
        };
        let told = "this transaction is never committed".to_owned();
        assert_eq!(wrong("\\connect shop\nBEGIN;\nDELETE FROM t;"), [(3, told)]);
        assert_eq!(wrong("BEGIN;\nROLLBACK TO a;\nCOMMIT;"), []);
    }

    #[test]
    fn an_attribute_has_no_blanks() {
        let found =
            Markdown::read("```sh node = rescue\nls\n```\n```sh node:rescue\nls\n```\n```sh once title=x\nls\n```\n");
        let lines: Vec<(usize, &str)> = found.wrong.iter().map(|wrong| (wrong.line, wrong.title.as_str())).collect();
        assert_eq!(lines, [(1, "`node` names nothing"), (1, "`=` names nothing"), (4, "`node:rescue` names nothing")]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let found = Markdown::read("```sh nod=rescue\n```\n\n```bash\necho\n");
        let wrong: Vec<(usize, &str)> = found.wrong.iter().map(|wrong| (wrong.line, wrong.label.as_str())).collect();
        assert_eq!(wrong, [(1, "did you mean `node`?"), (4, "all of the file after it would be taken for commands")]);
    }
}
