//! The files of a load: what is in them, whether they are whole, and which others they bring in.

use std::path::{Path, PathBuf};

use crate::harness::{Finding, World};
use crate::pg::script::{Command, Control, Script, Statement};
use crate::source::Span;
use crate::steps::data::psql_words::{copied_file, has_shell, quoted, turns_off_stopping, unquoted, words};

/// A file, as it is handed to psql.
#[derive(Debug)]
pub(crate) struct LoadFile {
    /// How people know it.
    pub name: String,
    /// What is in it, with its commands rewritten. It has as many lines as it had.
    pub text: Vec<u8>,
    /// What it is made of; of a file with rows nothing is known.
    pub script: Script,
}

/// A file and all that it brings in.
#[derive(Debug)]
pub(crate) struct Load {
    /// The first one is where psql begins.
    pub files: Vec<LoadFile>,
    /// Whether it begins or ends transactions itself.
    pub own_transactions: bool,
    /// What psql was not told, for whoever wonders: a line each.
    pub remarks: Vec<String>,
}

/// What is wrong with a file before it is run.
#[derive(Debug)]
pub(crate) struct Unfit {
    /// `shop.sql:12`, or the file alone.
    pub place: String,
    /// What is wrong there.
    pub what: String,
    /// What to do.
    pub help: Option<String>,
}

impl Unfit {
    fn new(name: &str, line: usize, what: impl Into<String>) -> Unfit {
        Unfit { place: format!("{name}:{line}"), what: what.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Unfit {
        self.help = Some(help.into());
        self
    }

    /// As a step tells it.
    pub fn finding(self, title: impl Into<String>, at: Span) -> Box<Finding> {
        let finding = Finding::failed(title).at(at).label(format!("{}: {}", self.place, self.what));
        match self.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}

type Result<T> = std::result::Result<T, Unfit>;

/// How deep files may bring in others.
const DEEPEST: usize = 16;

/// Reads a file and what it brings in. `place` says where a file will lie, by its number, as psql's
/// host sees it.
pub(crate) fn gather(world: &World, name: &str, place: &dyn Fn(usize) -> String) -> Result<Load> {
    let missing = || Unfit { place: name.to_owned(), what: "there is no such file".to_owned(), help: None };
    let path = found(&world.file_roots, Path::new(name)).ok_or_else(missing)?;
    let main = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut gathering = Gathering { roots: &world.file_roots, main, place, load: None, statements: 0 };
    gathering.script(name, &path, 0)?;
    let statements = gathering.statements;
    let load = gathering.load.ok_or_else(missing)?;
    if statements == 0 {
        let what = "no statement is in it: nothing would be loaded".to_owned();
        return Err(Unfit { place: name.to_owned(), what, help: None });
    }
    Ok(load)
}

fn found(roots: &[PathBuf], path: &Path) -> Option<PathBuf> {
    roots.iter().map(|root| root.join(path)).find(|path| path.is_file())
}

struct Gathering<'a> {
    roots: &'a [PathBuf],
    /// The directory of the file where psql begins.
    main: PathBuf,
    place: &'a dyn Fn(usize) -> String,
    load: Option<Load>,
    statements: usize,
}

impl Gathering<'_> {
    fn load(&mut self) -> &mut Load {
        self.load.get_or_insert_with(|| Load { files: vec![], own_transactions: false, remarks: vec![] })
    }

    /// Adds a script, and gives its number.
    fn script(&mut self, name: &str, path: &Path, depth: usize) -> Result<usize> {
        let mut text = read(name, path)?;
        let script = Script::read(&text);
        check_encoding(name, &text, &script)?;
        if let Some(cut) = script.cut {
            let (what, line) = cut.told();
            return Err(Unfit::new(name, line, format!("the file is cut off {what}")));
        }
        self.statements += script.statements.len();
        self.statements += script.commands.iter().filter(|command| command.name == "copy").count();
        let number = self.load().files.len();
        self.load().files.push(LoadFile { name: name.to_owned(), text: vec![], script: Script::default() });
        self.check_transactions(name, &script)?;
        if script.statements.iter().any(|statement| statement.runs_alone(&text).is_some()) {
            self.load().own_transactions = true;
        }
        // From the last one on, so that the places of the others stay right.
        let mut changes = vec![];
        for command in &script.commands {
            if let Some(change) = self.command(name, path, command, depth)? {
                changes.push((command.bytes, change));
            }
        }
        for ((from, to), change) in changes.into_iter().rev() {
            text.splice(from..to, change.into_bytes());
        }
        self.load().files[number] = LoadFile { name: name.to_owned(), text, script };
        Ok(number)
    }

    fn check_transactions(&mut self, name: &str, script: &Script) -> Result<()> {
        let mut begun = None;
        for (statement, control) in script.statements.iter().filter_map(|one| Some((one, one.control()?))) {
            match control {
                Control::Begins => begun = Some(statement.line),
                Control::Commits | Control::TwoPhase => begun = None,
                Control::Undoes => {
                    let since = begun.map_or_else(String::new, |line| format!(" since line {line}"));
                    let what = format!("ROLLBACK undoes what the file has done{since}");
                    return Err(Unfit::new(name, statement.line, what)
                        .help("leave it out, or load a file that keeps what it loads"));
                }
            }
            self.load().own_transactions = true;
        }
        match begun {
            Some(line) => {
                Err(Unfit::new(name, line, "the transaction that begins here is never committed: there is no COMMIT")
                    .help("is the file cut off? Without BEGIN and COMMIT all of it is one transaction"))
            }
            None => Ok(()),
        }
    }

    /// What a command becomes; nothing where it stays as it is.
    fn command(&mut self, name: &str, path: &Path, command: &Command, depth: usize) -> Result<Option<String>> {
        let unfit = |what: String| Unfit::new(name, command.line, what);
        let said = format!("\\{}", command.name);
        let args = command.args.as_str();
        if has_shell(&command.name, args) {
            return Err(unfit(format!("`{said}` would run a program on the server's host"))
                .help("`exec` runs programs; leave it out of the file"));
        }
        match command.name.as_str() {
            "i" | "include" | "ir" | "include_relative" => {
                let beside = path.parent().unwrap_or(Path::new(""));
                let Some((other, at)) = self.other(name, command, unquoted(args), beside)? else { return Ok(None) };
                if depth >= DEEPEST {
                    return Err(unfit(format!("files bring in one another, {DEEPEST} deep")));
                }
                let number = self.script(&other, &at, depth + 1)?;
                Ok(Some(format!("\\i {}", quoted(&(self.place)(number)))))
            }
            "copy" => self.copy(name, path, command),
            "q" | "quit" if command.last => Ok(None),
            "q" | "quit" => Err(unfit(format!("psql stops at `{said}`: what follows would not be loaded"))
                .help("leave it out, or what follows it")),
            "prompt" | "password" => Err(unfit(format!("`{said}` asks a person, and nobody is there"))
                .help("write the value into the file: `\\set NAME VALUE`")),
            "e" | "edit" | "ef" | "ev" => Err(unfit(format!("`{said}` opens an editor, and nobody is there"))),
            "c" | "connect" => self.connect(name, command),
            "set" | "unset" if turns_off_stopping(&command.name, args) => {
                let remark =
                    format!("{name}:{}: `{said} {args}` is passed over: a load ends at its first error", command.line);
                self.load().remarks.push(remark);
                Ok(Some(String::new()))
            }
            // Of use only to whoever reads a file that somebody else wrote; older versions of psql
            // do not know them.
            "restrict" | "unrestrict" => Ok(Some(String::new())),
            _ => Ok(None),
        }
    }

    /// `\connect` within the server goes on in another database; nowhere else.
    fn connect(&mut self, name: &str, command: &Command) -> Result<Option<String>> {
        let words = words(&command.args);
        let database = |word: &String| !word.starts_with('-') && !word.contains(['=', ':']);
        let named = match words.as_slice() {
            [one] => database(one),
            [reuse, conninfo] if reuse == "-reuse-previous=on" => conninfo.starts_with("dbname="),
            _ => false,
        };
        if !named {
            let what =
                format!("`\\{} {}` would load into another server, or as somebody else", command.name, command.args);
            return Err(Unfit::new(name, command.line, what).help("one step loads into one node: take the file apart"));
        }
        self.load().own_transactions = true;
        Ok(None)
    }

    /// `\copy table from file`: the file comes along.
    fn copy(&mut self, name: &str, path: &Path, command: &Command) -> Result<Option<String>> {
        let unfit = |what: &str| Unfit::new(name, command.line, what);
        let Some((start, end)) = copied_file(&command.args) else { return Ok(None) };
        let from = &command.args[start..end];
        match from.to_ascii_lowercase().as_str() {
            "stdin" | "stdout" | "pstdout" => return Ok(None),
            "pstdin" => return Err(unfit("`\\copy ... from pstdin` reads what a person types, and nobody is there")),
            _ => {}
        }
        let direction = words(&command.args[..start]).pop().unwrap_or_default().to_ascii_lowercase();
        if direction == "to" {
            return Err(
                unfit("`\\copy ... to` writes a file on the server's host").help("a load only reads: leave it out")
            );
        }
        let beside = path.parent().unwrap_or(Path::new(""));
        let Some((other, at)) = self.other(name, command, unquoted(from), beside)? else { return Ok(None) };
        let text = std::fs::read(&at).map_err(|e| unfit(&format!("{} cannot be read: {e}", at.display())))?;
        let number = self.load().files.len();
        self.load().files.push(LoadFile { name: other, text, script: Script::default() });
        let place = quoted(&(self.place)(number));
        Ok(Some(format!("\\copy {}{place}{}", &command.args[..start], &command.args[end..])))
    }

    /// The file that a command names: looked for beside the one that names it, beside the first
    /// one, and where every file is.
    fn other(&self, name: &str, command: &Command, named: String, beside: &Path) -> Result<Option<(String, PathBuf)>> {
        if named.is_empty() {
            return Ok(None);
        }
        let roots: Vec<PathBuf> =
            [beside.to_owned(), self.main.clone()].into_iter().chain(self.roots.iter().cloned()).collect();
        match found(&roots, Path::new(&named)) {
            Some(path) => {
                // As people would name it from where the first one lies.
                let shown =
                    path.strip_prefix(&self.main).map_or_else(|_| named.clone(), |path| path.display().to_string());
                Ok(Some((shown, path)))
            }
            None if named.contains(':') => {
                Err(Unfit::new(name, command.line, format!("`{named}` is no file's name as it stands"))
                    .help("drillyard brings the files to the server before psql runs: name them without variables"))
            }
            // psql may never come here.
            None if command.conditional => Ok(None),
            None => {
                let looked: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
                Err(Unfit::new(name, command.line, format!("there is no file {named}"))
                    .help(format!("looked in {}", looked.join(", "))))
            }
        }
    }
}

/// Reads a script's bytes, without a mark of their order (BOM).
fn read(name: &str, path: &Path) -> Result<Vec<u8>> {
    let whole = |what: String| Unfit { place: name.to_owned(), what, help: None };
    let mut text = std::fs::read(path).map_err(|e| whole(format!("it cannot be read: {e}")))?;
    if text.starts_with(b"PGDMP") {
        return Err(whole("it is a dump in pg_dump's custom format, not SQL".to_owned())
            .help("make it SQL: `pg_restore --file=dump.sql FILE`, or dump with `--format=plain`"));
    }
    if text.starts_with(&[0x1f, 0x8b]) {
        return Err(whole("it is compressed (gzip)".to_owned()).help("decompress it first"));
    }
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(whole("it is in UTF-16, which PostgreSQL does not read".to_owned()).help("save it as UTF-8"));
    }
    if let Some(at) = text.iter().position(|byte| *byte == 0) {
        let line = line_of(&text, at);
        let wide = text.iter().take(64).filter(|byte| **byte == 0).count() > 16;
        return Err(match wide {
            true => Unfit::new(name, line, "it is in UTF-16 or UTF-32, which PostgreSQL does not read")
                .help("save it as UTF-8"),
            false => Unfit::new(name, line, "there is a NUL byte, which no SQL may have"),
        });
    }
    if text.starts_with(&[0xef, 0xbb, 0xbf]) {
        text.drain(..3);
    }
    Ok(text)
}

fn line_of(text: &[u8], at: usize) -> usize {
    text[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// What is not UTF-8 has to say what it is.
fn check_encoding(name: &str, text: &[u8], script: &Script) -> Result<()> {
    let Err(error) = std::str::from_utf8(text) else { return Ok(()) };
    let at = error.valid_up_to();
    let says = |statement: &Statement| {
        let sql = String::from_utf8_lossy(&text[statement.bytes.0..statement.bytes.1]).to_ascii_lowercase();
        statement.bytes.0 < at && (sql.contains("client_encoding") || sql.starts_with("set names"))
    };
    let said = script.statements.iter().any(says)
        || script.commands.iter().any(|command| command.name == "encoding" && command.bytes.0 < at);
    match said {
        true => Ok(()),
        false => Err(Unfit::new(name, line_of(text, at), format!("the byte 0x{:02x} is not UTF-8", text[at]))
            .help("save the file as UTF-8, or say what it is in its first line: SET client_encoding = 'LATIN1';")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_encoding_has_to_be_said() {
        let check = |text: &[u8]| check_encoding("f", text, &Script::read(text)).map_err(|unfit| unfit.place);
        assert_eq!(check("SELECT 'ä';".as_bytes()), Ok(()));
        assert_eq!(check(b"SELECT 1;\nSELECT '\xe4';"), Err("f:2".to_owned()));
        assert_eq!(check(b"SET client_encoding = 'LATIN1';\nSELECT '\xe4';"), Ok(()));
        assert_eq!(check(b"\\encoding latin1\nSELECT '\xe4';"), Ok(()));
        assert!(check(b"SELECT '\xe4';SET client_encoding = 'LATIN1';").is_err());
    }
}
