//! `drillyard evidence`

use std::path::Path;

use super::args::{EvidenceCommand, EvidenceReportArgs, EvidenceVerifyArgs};
use super::out::print_all;
use super::stop::{Result, Stop};
use crate::evidence::{Chain, Verified, VerifyingKey, page, verify};
use crate::journal::ExitCode;

/// Verifies evidence, or makes a page of it.
pub fn evidence(command: EvidenceCommand) -> Result<ExitCode> {
    match command {
        EvidenceCommand::Verify(args) => verify_file(&args),
        EvidenceCommand::Report(args) => report(&args),
    }
}

fn read_key(path: &Path) -> Result<VerifyingKey> {
    VerifyingKey::read(path).map_err(|error| Stop::usage(format!("--key: {error}")).help(error.help))
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|e| Stop::usage(format!("cannot read {}: {e}", path.display())))?;
    // What is no text is no statement either, and the line is found.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn verify_file(args: &EvidenceVerifyArgs) -> Result<ExitCode> {
    let key = read_key(&args.key)?;
    let text = read(&args.file)?;
    let verified = verify(&text, &key);
    let name = args.file.display();
    let mut told = String::new();
    for finding in &verified.findings {
        told.push_str(&format!("{name}:{}: {}\n", finding.line, finding.what));
    }
    let lost = args.last.as_ref().filter(|wanted| !verified.has(&text, wanted));
    if let Some(wanted) = lost {
        told.push_str(&format!(
            "{name}: the statement {wanted} is not there: it was changed, or the newest statements were removed\n"
        ));
    }
    let is_whole = verified.findings.is_empty() && lost.is_none();
    told.push_str(&match is_whole {
        true => format!("{name}: verified: {}, signed with {}\n", count(&verified), key.id()),
        false => format!("{name}: NOT verified: {} of {}\n", verified.statements.len(), count_lines(&verified)),
    });
    if let Some(newest) = &verified.newest {
        told.push_str(&format!("the newest is number {}: {}\n", newest.number, newest.digest));
    }
    print_all(&told);
    Ok(if is_whole { ExitCode::Passed } else { ExitCode::Failed })
}

fn count(verified: &Verified) -> String {
    match verified.statements.len() {
        1 => "1 statement".to_owned(),
        many => format!("{many} statements"),
    }
}

fn count_lines(verified: &Verified) -> String {
    match verified.lines {
        1 => "1 line is a statement that this key has signed".to_owned(),
        many => format!("{many} lines are statements that this key has signed"),
    }
}

fn report(args: &EvidenceReportArgs) -> Result<ExitCode> {
    let key = read_key(&args.key)?;
    let until = args.until.unwrap_or_else(jiff::Timestamp::now);
    if until <= args.since {
        return Err(Stop::usage("--until is not after --since"));
    }
    let mut chains = vec![];
    let mut has_last = false;
    for path in &args.files {
        let text = read(path)?;
        let verified = verify(&text, &key);
        has_last |= args.last.as_ref().is_some_and(|wanted| verified.has(&text, wanted));
        chains.push(Chain { name: path.display().to_string(), verified });
    }
    let lost = args.last.clone().filter(|_| !has_last);
    let is_whole = chains.iter().all(|chain| chain.verified.findings.is_empty()) && lost.is_none();
    print_all(&page(&chains, key.id(), (args.since, until), lost.as_deref(), args.format));
    Ok(if is_whole { ExitCode::Passed } else { ExitCode::Failed })
}
