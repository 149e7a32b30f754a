//! Files of SQL, run by psql: all of a file, or a failure that says where it ended.
//!
//! That psql ends with 0 is no proof. At the end of the file stands a statement of drillyard's own,
//! which tells where the session is by then: still in the one transaction that began before the
//! file, or in none. Only then, and when the server says that the transaction was committed, all of
//! it is there.

use std::fmt::Write;

use tokio_postgres::Client;

use crate::harness::{Context, Finding};
use crate::host::Program;
use crate::node::{Node, Purpose};
use crate::pg::condition::condition;
use crate::pg::{SqlState, Xid};
use crate::source::{RoleName, Spanned};
use crate::steps::data::load_files::{Load, Unfit, gather};

/// A file of SQL that a step runs.
pub(crate) struct FileRun<'a> {
    pub file: &'a Spanned<String>,
    /// With whose settings.
    pub purpose: Purpose,
    /// Whether it may begin and end transactions itself.
    pub may_commit: bool,
    /// The title of a failure.
    pub title: String,
    /// The database that it runs in, if not the node's own one.
    pub database: Option<&'a Spanned<String>>,
    /// The role that it runs as, if not the one that drillyard logs in as.
    pub role: Option<&'a Spanned<RoleName>>,
}

/// What is told at a file's end: the transaction's time, the statement's, and the transaction's id.
struct AtEnd {
    transaction: String,
    statement: String,
    xid: Option<String>,
}

impl FileRun<'_> {
    /// Reads the file, and what it brings in: what can be seen without running it.
    pub fn gather(&self, cx: &Context<'_>, node: &Node) -> Result<Load, Box<Finding>> {
        let (shared, index) = (node.host()?.paths().shared.clone(), cx.index);
        let place = move |number: usize| format!("{shared}/load-{index}-{number}");
        let load = gather(cx.world, &self.file.value, &place).map_err(|unfit| self.unfit(unfit))?;
        if load.own_transactions && !self.may_commit {
            return Err(self.own_transactions(&load));
        }
        Ok(load)
    }

    fn unfit(&self, unfit: Unfit) -> Box<Finding> {
        unfit.finding(&self.title, self.file.span)
    }

    fn own_transactions(&self, load: &Load) -> Box<Finding> {
        let statement = load.files.iter().find_map(|file| {
            file.script.statements.iter().find_map(|statement| {
                let what = match statement.runs_alone(&file.text) {
                    Some(name) => format!("{name} cannot run in one"),
                    None => format!("`{}` {ANOTHER}", statement.control().and(statement.words.first())?.to_uppercase()),
                };
                Some(format!("{}:{}: {what}", file.name, statement.line))
            })
        });
        let label = statement.unwrap_or_else(|| format!("{}: `\\connect` {ANOTHER}", self.file.value));
        Finding::failed("`sql` runs in one transaction of its own")
            .at(self.file.span)
            .label(label)
            .help("`autocommit: true` runs files with transactions of their own; so does `create_data: { file: ... }`")
    }

    /// Runs it, and gives the id of its transaction, where it is one and has written something.
    /// `asking` is a session of drillyard's own.
    pub async fn run(
        &self,
        cx: &mut Context<'_>,
        node: &Node,
        asking: &Client,
        load: &Load,
    ) -> Result<Option<Xid>, Box<Finding>> {
        let token = format!("drillyard {:016x}", fastrand::u64(..));
        let host = node.host()?;
        for (number, file) in load.files.iter().enumerate() {
            let place = place(node, cx.index, number)?;
            match number {
                0 => host.write(&place, &[&file.text, at_end(&token, file.script.open).as_bytes()].concat()).await?,
                _ => host.write(&place, &file.text).await?,
            }
        }
        cx.wait("psql");
        let output = host.run(self.psql(cx, node, load, &token)?).await?;
        let said = Said { text: &output.stderr, load, index: cx.index };
        if let Some(error) = said.first_error() {
            return Err(self.refused(load, error));
        }
        if !output.success() {
            let text = format!("psql ended with status {}", output.status);
            return Err(Finding::failed(&self.title).at(self.file.span).label(text).note("said", output.stderr.trim()));
        }
        self.prove(asking, load, &token, &output.stderr).await
    }

    fn psql(&self, cx: &Context<'_>, node: &Node, load: &Load, token: &str) -> Result<Program, Box<Finding>> {
        let program = node.client_program("psql", self.purpose)?;
        let program = match self.database {
            Some(database) => program.env("PGDATABASE", &database.value),
            None => program,
        };
        let options = match self.role {
            Some(role) => node.session_options_as(self.purpose, role.value.as_str()),
            None => node.session_options(self.purpose),
        };
        // The notices are read here; a server that is left alone looks from time to time whether
        // anybody still waits.
        let alive = if node.version().major >= 14 { " -c client_connection_check_interval=1s" } else { "" };
        let program = program
            .env("PGOPTIONS", format!("{options} -c client_min_messages=notice{alive}"))
            // A file of a scenario is UTF-8 where it does not say otherwise.
            .env("PGCLIENTENCODING", "UTF8")
            .with_args(["-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"]);
        let program = match load.own_transactions {
            true => program,
            false => program.with_args(["-1", "-c", &told(token, "begins")]),
        };
        Ok(program.with_args(["-f", &place(node, cx.index, 0)?]))
    }

    /// Whether all of it was run and committed.
    async fn prove(&self, asking: &Client, load: &Load, token: &str, said: &str) -> Result<Option<Xid>, Box<Finding>> {
        let failed = |label: String| self.remarked(load, Finding::failed(&self.title).at(self.file.span).label(label));
        let Some(end) = AtEnd::read(said, token, "ends") else {
            return Err(failed(format!("{}: psql did not come to the end of it", self.file.value)));
        };
        if load.own_transactions {
            return match end.transaction == end.statement {
                true => Ok(None),
                false => {
                    Err(failed(format!("{}: it ends within a transaction that is not committed", self.file.value)))
                }
            };
        }
        if AtEnd::read(said, token, "begins").is_none_or(|begin| begin.transaction != end.transaction) {
            let label =
                format!("{}: the one transaction that it runs in was ended in the middle of it", self.file.value);
            return Err(failed(label));
        }
        let Some(xid) = end.xid else { return Ok(None) };
        let status = asking.query_one("SELECT pg_catalog.pg_xact_status($1::text::xid8)", &[&xid]).await?;
        match status.get::<_, Option<&str>>(0) {
            Some("committed") => Ok(xid.parse().ok().map(Xid::from_full)),
            status => Err(failed(format!(
                "{}: its transaction {xid} was not committed ({})",
                self.file.value,
                status.unwrap_or("the server does not know it any more")
            ))),
        }
    }

    fn refused(&self, load: &Load, error: Refused) -> Box<Finding> {
        let name = error.state.and_then(|state| Some(format!(" ({}, {})", condition(state.code())?, state.code())));
        let message = format!("{}{}", error.message, name.unwrap_or_default());
        let finding = Finding::failed(&self.title).at(self.file.span).label(format!("{}: {message}", error.place));
        let finding = self.remarked(load, finding.note("said", error.rest));
        match (error.state, self.purpose) {
            (Some(state), Purpose::User) => user_help(finding, state.code()),
            (Some(state), _) if state.code() == IN_TRANSACTION => finding.help(
                "all of a file is one transaction, unless it has a BEGIN and COMMIT of its own; `sql: { file: ..., autocommit: true }` runs what \
                 cannot be in one",
            ),
            _ => finding,
        }
    }

    fn remarked(&self, load: &Load, finding: Box<Finding>) -> Box<Finding> {
        load.remarks.iter().fold(finding, |finding, remark| finding.note("note", remark))
    }
}

/// What a statement that begins or ends transactions would do to the step's own.
const ANOTHER: &str = "would end or begin another one";

/// `active_sql_transaction`: CREATE DATABASE, VACUUM and the like.
const IN_TRANSACTION: &str = "25001";

/// What to do where the server's settings, which hold for a user's SQL, have ended it.
pub(crate) fn user_help(finding: Box<Finding>, code: &str) -> Box<Finding> {
    let (setting, lift) = match code {
        "57014" => ("statement_timeout", "SET LOCAL statement_timeout = 0;"),
        "55P03" => ("lock_timeout", "SET LOCAL lock_timeout = 0;"),
        IN_TRANSACTION => {
            return finding.help("`sql` runs in one transaction; `autocommit: true` runs what cannot be in one");
        }
        "25006" => ("default_transaction_read_only", "SET TRANSACTION READ WRITE;"),
        _ => return finding,
    };
    finding.help(format!(
        "the server's settings hold for `sql`, as they do for users: if this is its {setting}, `{lift}` in front of the SQL lifts it"
    ))
}

fn place(node: &Node, index: usize, number: usize) -> Result<String, Box<Finding>> {
    Ok(format!("{}/load-{index}-{number}", node.host()?.paths().shared))
}

/// A statement that tells where the session is. It works whatever was set.
fn told(token: &str, what: &str) -> String {
    format!(
        "DO $drillyard$ BEGIN RAISE NOTICE '{token} {what} % % %', extract(epoch from pg_catalog.now()), \
         extract(epoch from pg_catalog.statement_timestamp()), \
         coalesce(pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, '-'); END $drillyard$;"
    )
}

/// What is appended to a file.
fn at_end(token: &str, open: bool) -> String {
    let end = if open { ";\n" } else { "" };
    format!("\n{end}SET client_min_messages = notice;\n{}\n", told(token, "ends"))
}

impl AtEnd {
    fn read(said: &str, token: &str, what: &str) -> Option<AtEnd> {
        let (_, rest) = said.split_once(&format!("{token} {what} "))?;
        let mut words = rest.split_whitespace().map(str::to_owned);
        let (transaction, statement, xid) = (words.next()?, words.next()?, words.next()?);
        Some(AtEnd { transaction, statement, xid: Some(xid).filter(|xid| xid != "-") })
    }
}

/// What psql wrote to its standard error.
struct Said<'a> {
    text: &'a str,
    load: &'a Load,
    index: usize,
}

/// The first error.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    /// `shop.sql:12`, or the file alone.
    place: String,
    state: Option<SqlState>,
    message: String,
    /// What else was said of it.
    rest: String,
}

impl Said<'_> {
    fn first_error(&self) -> Option<Refused> {
        let mut lines = self.text.lines().skip_while(|line| error_line(line).is_none());
        let (prefix, state, message) = error_line(lines.next()?)?;
        let rest: Vec<&str> =
            lines.take_while(|line| !begins_message(line)).filter(|line| !line.starts_with("LOCATION:")).collect();
        let place = self.place(prefix, rest.iter().find_map(|line| excerpt(line)));
        Some(Refused { place, state, message: message.to_owned(), rest: rest.join("\n") })
    }

    /// `shop.sql:12` for `psql:/shared/load-3-0:14`: the line of the file where the server found
    /// fault, as far as that is known, or else where the statement begins.
    fn place(&self, prefix: &str, excerpt: Option<(usize, &str)>) -> String {
        let mark = format!("/load-{}-", self.index);
        let numbers = prefix.rsplit_once(&mark).and_then(|(_, rest)| rest.split_once(':'));
        let numbers = numbers.and_then(|(file, line)| Some((file.parse::<usize>().ok()?, line.parse::<usize>().ok()?)));
        let Some((file, line)) = numbers.and_then(|(file, line)| Some((self.load.files.get(file)?, line))) else {
            return self.load.files.first().map_or_else(String::new, |file| file.name.clone());
        };
        if line > file.script.lines {
            return format!("{}:{} (at its end)", file.name, file.script.lines);
        }
        let Some(statement) = file.script.statement_at(line) else { return format!("{}:{line}", file.name) };
        let found = excerpt.and_then(|(_, text)| {
            let lines = file.text.split(|byte| *byte == b'\n').enumerate().map(|(at, line)| (at + 1, line));
            let mut within = lines.filter(|(at, _)| (statement.line..=statement.last_line).contains(at));
            within.find(|(_, line)| String::from_utf8_lossy(line).contains(text)).map(|(at, _)| at)
        });
        format!("{}:{}", file.name, found.unwrap_or(statement.line))
    }
}

/// The parts of a line that tells an error: what stands before it, the SQLSTATE, the message.
fn error_line(line: &str) -> Option<(&str, Option<SqlState>, &str)> {
    let (prefix, rest) = ["ERROR:  ", "FATAL:  ", "PANIC:  ", "error: ", "fatal: "].iter().find_map(|severity| {
        let (prefix, rest) = line.split_once(severity)?;
        let prefix = prefix.trim_end_matches([' ', ':']);
        // Not within what somebody else says.
        (prefix.is_empty() || prefix.starts_with("psql") && !prefix.contains(": ")).then_some((prefix, rest))
    })?;
    match rest.split_once(": ").and_then(|(code, message)| Some((SqlState::from_code(code)?, message))) {
        Some((state, message)) => Some((prefix, Some(state), message)),
        None => Some((prefix, None, rest)),
    }
}

/// Whether psql begins to tell something else.
fn begins_message(line: &str) -> bool {
    line.starts_with("psql:")
}

/// What the server quotes of a statement: `LINE 3: ...`, without the dots that stand for what is
/// left out.
fn excerpt(line: &str) -> Option<(usize, &str)> {
    let (number, text) = line.strip_prefix("LINE ")?.split_once(": ")?;
    let text = text.trim().trim_start_matches("...").trim_end_matches("...");
    Some((number.parse().ok()?, text)).filter(|(_, text)| !text.is_empty())
}

/// An import's first error, in few words, with all that psql said.
pub(crate) fn plain_errors(stderr: &str) -> (String, String) {
    let lines = stderr.lines().filter(|line| !line.contains("NOTICE:"));
    let lines: Vec<&str> = lines.collect();
    let first = lines.iter().find_map(|line| error_line(line).map(|(_, _, message)| message));
    let mut said = String::new();
    for line in &lines {
        let _ = writeln!(said, "{line}");
    }
    (first.or(lines.first().copied()).unwrap_or_default().trim().to_owned(), said.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::script::Script;
    use crate::steps::data::load_files::LoadFile;

    fn load(text: &str) -> Load {
        let file = LoadFile { name: "shop.sql".to_owned(), text: text.into(), script: Script::read(text.as_bytes()) };
        Load { files: vec![file], own_transactions: false, remarks: vec![] }
    }

    fn first(load: &Load, text: &str) -> Option<(String, String)> {
        let error = Said { text, load, index: 3 }.first_error()?;
        Some((error.place, error.message))
    }

    #[test]
    fn errors_are_told_by_the_line_of_the_file() {
        let load = load("SELECT 1;\nSELECT a,\n  b,\n  nonsense\nFROM t;\nCOPY t FROM stdin;\nx\n\\.\n");
        let said = "psql:/s/load-3-0:1: NOTICE:  00000: ERROR:  no\npsql:/s/load-3-0:5: ERROR:  42703: column \"nonsense\" does not exist\n\
            LINE 3:   nonsense\n          ^\nLOCATION:  x.c:1\n";
        let told = first(&load, said).expect("an error");
        assert_eq!(told, ("shop.sql:4".to_owned(), "column \"nonsense\" does not exist".to_owned()));
        assert_eq!(first(&load, "psql:/s/load-3-0:5: ERROR:  42P01: gone").expect("an error").0, "shop.sql:2");
        assert_eq!(
            first(&load, "psql:/s/load-3-0:10: ERROR:  23503: late").expect("an error").0,
            "shop.sql:8 (at its end)"
        );
        assert_eq!(first(&load, "psql: error: no server").expect("an error").0, "shop.sql");
        assert_eq!(
            first(&load, "psql:/s/load-3-0:1: error: invalid command \\x").expect("an error").1,
            "invalid command \\x"
        );
        assert_eq!(first(&load, "psql:/s/load-3-0:1: WARNING:  01000: ERROR:  said by somebody"), None);
    }

    #[test]
    fn the_end_of_a_file_is_told() {
        let end = AtEnd::read("NOTICE:  00000: t ends 1.5 2.5 77\nLOCATION: x", "t", "ends").expect("told");
        assert_eq!((end.transaction.as_str(), end.statement.as_str(), end.xid.as_deref()), ("1.5", "2.5", Some("77")));
        let none = AtEnd::read("t ends 1.5 2.5 -\n", "t", "ends").expect("told");
        assert!(none.xid.is_none() && AtEnd::read("t begins 1 2 3", "t", "ends").is_none());
    }
}
