//! Reading a psql script, byte by byte.

use super::parts::{Command, Cut, Script, Statement};
use crate::pg::sql::Depth;

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
