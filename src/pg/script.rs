//! As much of a psql script's structure as is needed to know, before it is run, what is in it and whether it is whole: statements, psql's
//! own commands, and the rows that follow a COPY (manual, psql and 4.1).
//!
//! It works on bytes: a script may be in any encoding in which the characters of ASCII are themselves.

use super::sql::Depth;

/// A script, taken apart.
#[derive(Debug, Default)]
pub struct Script {
    /// In order.
    pub statements: Vec<Statement>,
    /// In order.
    pub commands: Vec<Command>,
    /// Where it is cut off.
    pub cut: Option<Cut>,
    /// Whether the last statement has no `;`.
    pub open: bool,
    /// How many lines it has.
    pub lines: usize,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its first line, from 1.
    pub line: usize,
    /// The line of its `;`.
    pub last_line: usize,
    /// Its bytes in the text: from, before.
    pub bytes: (usize, usize),
    /// Its first words, in lower case.
    pub words: Vec<String>,
}

/// A command of psql's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its line, from 1.
    pub line: usize,
    /// Its name, without the backslash.
    pub name: String,
    /// What follows the name.
    pub args: String,
    /// Its bytes in the text, from the backslash on: from, before.
    pub bytes: (usize, usize),
    /// Whether it stands in an `\if`.
    pub conditional: bool,
    /// Whether nothing but blanks and comments follows it.
    pub last: bool,
}

/// What a script ends in the middle of, and the line in which that began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The rows of a COPY: there is no `\.`.
    Rows(usize),
    /// A string.
    Text(usize),
    /// A quoted name.
    Name(usize),
    /// A string in dollar quotes.
    DollarQuote(usize),
    /// A comment.
    Comment(usize),
    /// Parentheses.
    Parenthesis(usize),
    /// The body of a function, BEGIN ATOMIC.
    Body(usize),
    /// What a newer pg_dump writes between `\restrict` and `\unrestrict`.
    Restricted(usize),
    /// `\if` without `\endif`.
    If(usize),
}

impl Cut {
    /// What it is, and where it began.
    pub fn told(self) -> (&'static str, usize) {
        match self {
            Cut::Rows(line) => ("in the rows of this COPY: there is no `\\.` after them", line),
            Cut::Text(line) => ("in this string: it has no closing quote", line),
            Cut::Name(line) => ("in this quoted name: it has no closing quote", line),
            Cut::DollarQuote(line) => ("in this dollar-quoted string: it has no closing tag", line),
            Cut::Comment(line) => ("in this comment: there is no `*/`", line),
            Cut::Parenthesis(line) => ("in this statement: a parenthesis is not closed", line),
            Cut::Body(line) => ("in this function's body: it has no END", line),
            Cut::Restricted(line) => ("after this `\\restrict`: pg_dump ends with an `\\unrestrict`", line),
            Cut::If(line) => ("in this `\\if`: there is no `\\endif`", line),
        }
    }
}

/// Commands that take the rest of their line as it is.
const WHOLE_LINE: &[&str] = &["copy", "!", "ef", "ev", "sf", "sv", "h", "help"];
/// Commands that send the statement before them.
const SENDS: &[&str] = &["g", "gx", "gset", "gexec", "gdesc", "crosstabview", "crosstab", "watch", "sendpipeline"];

impl Script {
    /// Takes a script apart.
    pub fn read(text: &[u8]) -> Script {
        let mut reader = Reader { text, line: 1, conforming: true, ..Reader::default() };
        reader.run();
        reader.script.lines = text.split_inclusive(|byte| *byte == b'\n').count();
        reader.script
    }

    /// The first statement that is at work in this line, or the one that ends there.
    pub fn statement_at(&self, line: usize) -> Option<&Statement> {
        self.statements.iter().find(|statement| (statement.line..=statement.last_line).contains(&line))
    }
}

impl Statement {
    /// What it does to the transaction that it is in.
    pub fn control(&self) -> Option<Control> {
        let word = |at: usize| self.words.get(at).map_or("", String::as_str);
        match (word(0), word(1)) {
            // Goes back to a savepoint, within the transaction.
            ("rollback" | "abort", "to") => None,
            ("rollback" | "abort", "transaction" | "work") if word(2) == "to" => None,
            ("commit" | "rollback", "prepared") | ("prepare", "transaction") => Some(Control::TwoPhase),
            ("begin" | "start", _) => Some(Control::Begins),
            ("commit" | "end", _) => Some(Control::Commits),
            ("rollback" | "abort", _) => Some(Control::Undoes),
            _ => None,
        }
    }
}

/// What a statement does to the transaction that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// BEGIN, START TRANSACTION.
    Begins,
    /// COMMIT, END.
    Commits,
    /// ROLLBACK, ABORT.
    Undoes,
    /// PREPARE TRANSACTION and what follows it.
    TwoPhase,
}

/// Reads a script.
#[derive(Default)]
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    /// Whether a backslash in a string is itself (`standard_conforming_strings`).
    conforming: bool,
    /// Where the statement that is being read began: its line and its first byte.
    start: Option<(usize, usize)>,
    depth: Depth,
    /// Where the last parenthesis was opened.
    parenthesis: usize,
    words: Vec<String>,
    last_word: String,
    copies: bool,
    /// The line of a COPY whose rows begin in the next line.
    rows: Option<usize>,
    restricted: Option<usize>,
    ifs: Vec<usize>,
    script: Script,
}

impl Reader<'_> {
    fn peek(&self, offset: usize) -> Option<u8> {
        self.text.get(self.at + offset).copied()
    }

    /// Goes on by so many bytes, and counts lines.
    fn advance(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.text.len());
        self.line += self.text[self.at..end].iter().filter(|byte| **byte == b'\n').count();
        self.at = end;
    }

    fn rest_of_line(&self) -> usize {
        let rest = &self.text[self.at..];
        rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
    }

    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'\n', _) => {
                    self.advance(1);
                    if let Some(line) = self.rows.take() {
                        self.skip_rows(line);
                    }
                }
                (byte, _) if byte.is_ascii_whitespace() => self.advance(1),
                (b'-', Some(b'-')) => self.advance(self.rest_of_line()),
                (b'/', Some(b'*')) => self.comment(),
                (b'\\', _) => self.command(),
                _ => self.sql(byte),
            }
        }
        if let Some(line) = self.rows {
            self.cut(Cut::Rows(line));
        }
        let open = self.start.map(|(line, _)| line);
        match (open, self.depth.parentheses(), self.depth.blocks()) {
            (Some(_), 1.., _) => self.cut(Cut::Parenthesis(self.parenthesis)),
            (Some(line), _, 1..) => self.cut(Cut::Body(line)),
            _ => {}
        }
        if let Some(line) = self.restricted {
            self.cut(Cut::Restricted(line));
        }
        if let Some(line) = self.ifs.last() {
            self.cut(Cut::If(*line));
        }
        self.script.open = self.start.is_some();
        self.finish(self.text.len());
    }

    /// Notes where the text is cut off; what is seen first is the innermost.
    fn cut(&mut self, cut: Cut) {
        self.script.cut.get_or_insert(cut);
    }

    /// A piece of a statement.
    fn sql(&mut self, byte: u8) {
        if let Some(last) = self.script.commands.last_mut() {
            last.last = false;
        }
        if byte == b';' && self.depth.parentheses() == 0 && self.depth.blocks() == 0 {
            self.finish(self.at);
            return self.advance(1);
        }
        self.start.get_or_insert((self.line, self.at));
        match byte {
            b'\'' => self.quoted(b'\'', !self.conforming),
            b'"' => self.quoted(b'"', false),
            b'$' => self.dollar(),
            byte if byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii() => self.word(),
            byte if byte.is_ascii_digit() => {
                let digits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'.';
                let length = self.text[self.at..].iter().position(|byte| !digits(byte));
                self.last_word.clear();
                self.advance(length.unwrap_or(self.text.len() - self.at));
            }
            byte => {
                if byte == b'(' {
                    self.parenthesis = self.line;
                }
                self.depth.see_symbol(byte);
                self.last_word.clear();
                self.advance(1);
            }
        }
    }

    fn word(&mut self) {
        let rest = &self.text[self.at..];
        let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii();
        let length = rest.iter().position(|byte| !in_word(byte)).unwrap_or(rest.len());
        let word = String::from_utf8_lossy(&rest[..length]).to_ascii_lowercase();
        self.advance(length);
        if word == "e" && self.peek(0) == Some(b'\'') {
            return self.quoted(b'\'', true);
        }
        if self.words.len() < 4 {
            self.words.push(word.clone());
        }
        self.depth.see_word(&word);
        let copy = self.words.first().is_some_and(|first| first == "copy");
        self.copies |= copy && self.last_word == "from" && word == "stdin";
        self.last_word = word;
    }

    /// A string or a quoted name, from its opening quote on.
    fn quoted(&mut self, quote: u8, backslashes: bool) {
        let (line, mut length) = (self.line, 1);
        loop {
            match (self.peek(length), self.peek(length + 1)) {
                (None, _) => {
                    self.cut(if quote == b'"' { Cut::Name(line) } else { Cut::Text(line) });
                    break;
                }
                (Some(b'\\'), _) if backslashes => length += 2,
                (Some(byte), Some(next)) if byte == quote && next == quote => length += 2,
                (Some(byte), _) if byte == quote => {
                    length += 1;
                    break;
                }
                _ => length += 1,
            }
        }
        self.last_word.clear();
        self.advance(length);
    }

    /// A dollar-quoted string, or a parameter.
    fn dollar(&mut self) {
        let rest = &self.text[self.at..];
        let in_tag = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
        let name = rest[1..].iter().position(|byte| !in_tag(byte)).unwrap_or(rest.len() - 1);
        let is_tag = rest.get(name + 1) == Some(&b'$') && !rest.get(1).is_some_and(u8::is_ascii_digit);
        self.last_word.clear();
        if !is_tag {
            return self.advance(1 + name);
        }
        let (tag, body) = rest.split_at(name + 2);
        match body.windows(tag.len()).position(|window| window == tag) {
            Some(at) => self.advance(at + 2 * tag.len()),
            None => {
                self.cut(Cut::DollarQuote(self.line));
                self.advance(rest.len());
            }
        }
    }

    fn comment(&mut self) {
        let (line, mut length, mut depth) = (self.line, 2, 1);
        while depth > 0 {
            match (self.peek(length), self.peek(length + 1)) {
                (None, _) => {
                    self.cut(Cut::Comment(line));
                    break;
                }
                (Some(b'/'), Some(b'*')) => (length, depth) = (length + 2, depth + 1),
                (Some(b'*'), Some(b'/')) => (length, depth) = (length + 2, depth - 1),
                _ => length += 1,
            }
        }
        self.advance(length);
    }

    /// The statement that ends before this byte.
    fn finish(&mut self, end: usize) {
        if let Some((line, from)) = self.start.take() {
            let words = std::mem::take(&mut self.words);
            self.follow_strings(&words, from, end);
            if self.copies {
                self.rows = Some(line);
            }
            self.script.statements.push(Statement { line, last_line: self.line, bytes: (from, end), words });
        }
        self.depth = Depth::default();
        self.words.clear();
        self.last_word.clear();
        self.copies = false;
    }

    /// psql reads strings as the server does: `SET standard_conforming_strings = off` says how.
    fn follow_strings(&mut self, words: &[String], from: usize, end: usize) {
        if words.first().is_some_and(|word| word == "set") && words.iter().any(|w| w == "standard_conforming_strings") {
            let said = String::from_utf8_lossy(&self.text[from..end]).to_ascii_lowercase();
            let value = said.rsplit(|c: char| c == '=' || c.is_whitespace()).next().unwrap_or_default();
            self.conforming = !matches!(value.trim_matches('\''), "off" | "false" | "no" | "0");
        }
    }

    /// Goes on behind the `\.` that ends a COPY's rows.
    fn skip_rows(&mut self, of: usize) {
        loop {
            if self.at >= self.text.len() {
                return self.cut(Cut::Rows(of));
            }
            let length = self.rest_of_line();
            let row = &self.text[self.at..self.at + length];
            let ends = row.strip_suffix(b"\r").unwrap_or(row) == b"\\.";
            self.advance(length + 1);
            if ends {
                return;
            }
        }
    }

    fn command(&mut self) {
        let (from, line) = (self.at, self.line);
        if self.peek(1) == Some(b';') {
            // Divides what is sent as one.
            return self.advance(2);
        }
        let rest = &self.text[self.at + 1..self.at + self.rest_of_line()];
        let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'\\';
        let name = rest.iter().position(ends).unwrap_or(rest.len());
        let args = &rest[name..];
        let name = String::from_utf8_lossy(&rest[..name]).into_owned();
        let length = match WHOLE_LINE.contains(&name.as_str()) {
            true => args.len(),
            false => arguments(args),
        };
        let args = String::from_utf8_lossy(&args[..length]).trim().to_owned();
        self.advance(1 + name.len() + length);
        let bytes = (from, self.at);
        // Two backslashes end the arguments.
        if self.peek(0) == Some(b'\\') && self.peek(1) == Some(b'\\') {
            self.advance(2);
        }
        match name.as_str() {
            "if" => self.ifs.push(line),
            "endif" => drop(self.ifs.pop()),
            "restrict" => self.restricted = Some(line),
            "unrestrict" => self.restricted = None,
            "copy" if words(&args).windows(2).any(|pair| pair[0] == "from" && pair[1] == "stdin") => {
                self.rows = Some(line);
            }
            "r" | "reset" => (self.start, self.depth) = (None, Depth::default()),
            sends if SENDS.contains(&sends) => self.finish(from),
            _ => {}
        }
        if let Some(last) = self.script.commands.last_mut() {
            last.last = false;
        }
        let conditional = !self.ifs.is_empty();
        self.script.commands.push(Command { line, name, args, bytes, conditional, last: true });
    }
}

/// How long a command's arguments are: to the end of the line, or to a backslash outside of quotes.
fn arguments(text: &[u8]) -> usize {
    let mut quote = None;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (quote, byte) {
            (Some(b'\''), b'\\') => at += 1,
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"' | b'`') => quote = Some(*byte),
            (None, b'\\') => return at,
            (None, _) => {}
        }
        at += 1;
    }
    text.len()
}

/// The words of a command's arguments, in lower case.
fn words(args: &str) -> Vec<String> {
    args.split_whitespace().map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Script {
        Script::read(text.as_bytes())
    }

    fn lines(script: &Script) -> Vec<(usize, usize)> {
        script.statements.iter().map(|one| (one.line, one.last_line)).collect()
    }

    #[test]
    fn statements_have_their_lines() {
        let script =
            read("-- a\nCREATE TABLE t (\n  a int; -- no end\n  b int\n);\n\nSELECT ';\n', $x$;\n$x$; SELECT 1\n");
        assert_eq!(lines(&script), [(2, 5), (7, 9), (9, 10)]);
        assert!(script.open && script.cut.is_none());
        assert_eq!(script.lines, 9);
        assert_eq!(script.statement_at(4).map(|one| one.line), Some(2));
    }

    #[test]
    fn what_is_cut_off_is_seen() {
        let cut = |text| read(text).cut;
        assert_eq!(cut("SELECT 1;\nCOPY t FROM stdin;\n1\n2\n"), Some(Cut::Rows(2)));
        assert_eq!(cut("COPY t FROM stdin;"), Some(Cut::Rows(1)));
        assert_eq!(cut("COPY t FROM stdin;\n1\n\\.\n"), None);
        assert_eq!(cut("copy t (a) from stdin with (format csv);\r\n1\r\n\\.\r\nSELECT 1;\r\n"), None);
        assert_eq!(cut("\\copy t from stdin\n1\n"), Some(Cut::Rows(1)));
        assert_eq!(cut("SELECT 1;\n\nSELECT 'it''s"), Some(Cut::Text(3)));
        assert_eq!(cut("SELECT \"a"), Some(Cut::Name(1)));
        assert_eq!(cut("SELECT E'a\\'"), Some(Cut::Text(1)));
        assert_eq!(cut("SET standard_conforming_strings = off; SELECT 'a\\';'"), None);
        assert_eq!(cut("DO $$ BEGIN"), Some(Cut::DollarQuote(1)));
        assert_eq!(cut("SELECT 1 /* /* */"), Some(Cut::Comment(1)));
        assert_eq!(cut("INSERT INTO t\nVALUES (1, (2)"), Some(Cut::Parenthesis(2)));
        assert_eq!(cut("\\restrict abc\nSELECT 1;\n"), Some(Cut::Restricted(1)));
        assert_eq!(cut("\\restrict abc\nSELECT 1;\n\\unrestrict abc\n"), None);
        assert_eq!(cut("\\if true\nSELECT 1;\n"), Some(Cut::If(1)));
    }

    #[test]
    fn rows_and_strings_are_no_statements() {
        let script = read("COPY t FROM stdin;\nBEGIN;\nit's\n\\.\nSELECT 'COMMIT;' \\gset\n");
        let words: Vec<_> = script.statements.iter().map(|one| one.words[0].as_str()).collect();
        assert_eq!(words, ["copy", "select"]);
        assert_eq!(read("-- nothing\n/* at all */ ;;\n").statements, []);
    }

    #[test]
    fn commands_have_their_arguments() {
        let script = read("\\set x 'a\\'b' \\echo hi\n\\copy t from 'a b.csv' csv\nSELECT 1 \\gexec\n\\q\n-- end\n");
        let told: Vec<_> = script.commands.iter().map(|one| (one.line, one.name.as_str(), one.args.as_str())).collect();
        let expected = [
            (1, "set", "x 'a\\'b'"),
            (1, "echo", "hi"),
            (2, "copy", "t from 'a b.csv' csv"),
            (3, "gexec", ""),
            (4, "q", ""),
        ];
        assert_eq!(told, expected);
        assert!(script.commands[4].last && !script.commands[3].last);
        assert!(!read("\\q\nSELECT 1;").commands[0].last);
    }

    #[test]
    fn transactions_are_begun_and_ended() {
        let controls = |text| read(text).statements.iter().filter_map(Statement::control).collect::<Vec<_>>();
        assert_eq!(controls("BEGIN; SAVEPOINT a; ROLLBACK TO a; END;"), [Control::Begins, Control::Commits]);
        assert_eq!(
            controls("START TRANSACTION; ROLLBACK WORK TO SAVEPOINT a; ABORT"),
            [Control::Begins, Control::Undoes]
        );
        assert_eq!(controls("PREPARE TRANSACTION 'x'; PREPARE q AS SELECT 1"), [Control::TwoPhase]);
    }
}
