use super::*;

fn read(text: &str) -> Script {
    Script::read(text.as_bytes())
}

fn lines(script: &Script) -> Vec<(usize, usize)> {
    script.statements.iter().map(|one| (one.line, one.last_line)).collect()
}

#[test]
fn statements_have_their_lines() {
    let script = read("-- a\nCREATE TABLE t (\n  a int; -- no end\n  b int\n);\n\nSELECT ';\n', $x$;\n$x$; SELECT 1\n");
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
    assert_eq!(controls("START TRANSACTION; ROLLBACK WORK TO SAVEPOINT a; ABORT"), [Control::Begins, Control::Undoes]);
    assert_eq!(controls("PREPARE TRANSACTION 'x'; PREPARE q AS SELECT 1"), [Control::TwoPhase]);
}
