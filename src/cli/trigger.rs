//! Who or what has started this program.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::LazyLock;

use nix::unistd::{Uid, User};
use regex::Regex;

use super::dirs;
use crate::evidence::{Ci, Trigger};

/// What starts programs: its name, the variable by which it is known, and those that say which job
/// it is. None of them has a secret.
const STARTERS: &[(&str, &str, &[&str])] = &[
    (
        "GitHub Actions",
        "GITHUB_ACTIONS",
        &[
            "GITHUB_SERVER_URL",
            "GITHUB_REPOSITORY",
            "GITHUB_WORKFLOW",
            "GITHUB_JOB",
            "GITHUB_RUN_ID",
            "GITHUB_RUN_ATTEMPT",
            "GITHUB_EVENT_NAME",
            "GITHUB_ACTOR",
            "GITHUB_TRIGGERING_ACTOR",
            "GITHUB_REF",
            "GITHUB_SHA",
        ],
    ),
    (
        "GitLab CI",
        "GITLAB_CI",
        &[
            "CI_SERVER_URL",
            "CI_PROJECT_PATH",
            "CI_PIPELINE_ID",
            "CI_PIPELINE_SOURCE",
            "CI_JOB_ID",
            "CI_JOB_NAME",
            "CI_COMMIT_REF_NAME",
            "CI_COMMIT_SHA",
            "GITLAB_USER_LOGIN",
        ],
    ),
    ("Jenkins", "JENKINS_URL", &["JOB_NAME", "BUILD_NUMBER", "BUILD_URL", "BUILD_USER_ID", "GIT_COMMIT"]),
    (
        "Buildkite",
        "BUILDKITE",
        &["BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BUILD_NUMBER", "BUILDKITE_SOURCE", "BUILDKITE_COMMIT"],
    ),
    (
        "CircleCI",
        "CIRCLECI",
        &["CIRCLE_PROJECT_REPONAME", "CIRCLE_JOB", "CIRCLE_BUILD_NUM", "CIRCLE_USERNAME", "CIRCLE_SHA1"],
    ),
    ("Kubernetes", "KUBERNETES_SERVICE_HOST", &["HOSTNAME", "POD_NAME", "POD_NAMESPACE", "NODE_NAME"]),
    ("a CI", "CI", &["CI"]),
    ("systemd", "INVOCATION_ID", &["INVOCATION_ID"]),
];

/// Options whose values are secret.
const SECRET: [&str; 2] = ["--notify", "--heartbeat"];

/// What comes before a value that is secret, in a connection string or elsewhere. Blanks may stand
/// around the `=`.
static SECRET_NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?i)(?:password|passwd|passphrase|secret|token)["']?\s*[=:]\s*"#).ok());

/// What may come after a password in a connection string.
const CONNINFO: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "gssencmode",
    "host",
    "hostaddr",
    "options",
    "passfile",
    "port",
    "replication",
    "service",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslpassword",
    "sslrootcert",
    "target_session_attrs",
    "user",
];

/// Who or what has started this program, without secrets: `redact` takes away those of the run.
pub fn trigger(redact: impl Fn(&str) -> String) -> Trigger {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let told = |text: &str| told_of(text, &redact);
    let uid = Uid::effective();
    let starter = STARTERS.iter().find(|(_, known_by, _)| variable(known_by).is_some());
    let ci = starter.map(|(name, _, variables)| {
        let variables = variables.iter().filter_map(|name| Some(((*name).to_owned(), told(&variable(name)?))));
        Ci { name: (*name).to_owned(), variables: variables.collect::<BTreeMap<_, _>>() }
    });
    let args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    Trigger {
        user: User::from_uid(uid).ok().flatten().map(|user| user.name),
        uid: uid.as_raw(),
        sudo_user: variable("SUDO_USER"),
        host: Some(dirs::host()).filter(|host| !host.is_empty()),
        directory: std::env::current_dir().ok().map(|dir| redact(&dir.display().to_string())),
        command_line: command_line(args, told),
        terminal: std::io::stdin().is_terminal(),
        ci,
    }
}

fn told_of(text: &str, redact: impl Fn(&str) -> String) -> String {
    without_passwords(&redact(text))
}

/// The arguments, without what is a secret by its option; the others as they are `told`.
fn command_line(args: impl Iterator<Item = String>, told: impl Fn(&str) -> String) -> Vec<String> {
    let mut hide_next = false;
    let each = args.map(|arg| {
        let option = SECRET.iter().find(|option| arg.strip_prefix(**option).is_some_and(|rest| rest.starts_with('=')));
        let shown = match option {
            _ if hide_next => "***".to_owned(),
            Some(option) => format!("{option}=***"),
            None => told(&arg),
        };
        hide_next = SECRET.contains(&arg.as_str());
        shown
    });
    each.collect()
}

/// A text without passwords that nobody has declared to be secrets: those of a URL, and the values
/// of what is called so. What is signed cannot be taken back: in doubt more is taken away.
pub fn without_passwords(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(at) = text.find("://").map(|at| at + 3)
        && let Some(colon) = text[at..].find(':').map(|colon| at + colon + 1)
        && let Some(end) = text.rfind('@').filter(|end| *end >= colon)
    {
        text.replace_range(colon..end, "***");
    }
    let Some(name) = SECRET_NAME.as_ref() else { return "***".to_owned() };
    let (mut shown, mut from) = (String::new(), 0);
    while let Some(found) = name.find_at(&text, from) {
        shown.push_str(&text[from..found.end()]);
        shown.push_str("***");
        from = found.end() + value_length(&text[found.end()..]);
    }
    shown + &text[from..]
}

/// How long a value is: to the next name that a connection string may have, or to the end. A quoted
/// one is whole.
fn value_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    let mut quote = None;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '\'' | '"' if at == 0 => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            _ if quote.is_none() && c.is_whitespace() && is_setting(&text[at..]) => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether a name of a connection string comes next, and its `=`.
fn is_setting(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| CONNINFO.contains(&name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_in_the_command_line() {
        let given = [
            "drillyard",
            "run",
            "--notify",
            "slack=https://hooks/T/x",
            "--heartbeat=https://hc/uuid",
            "--set",
            "prod=postgres://me:pw@db/x",
            "--seed",
            "7",
            "a.yaml",
        ];
        let told = command_line(given.map(str::to_owned).into_iter(), without_passwords);
        let expected = [
            "drillyard",
            "run",
            "--notify",
            "***",
            "--heartbeat=***",
            "--set",
            "prod=postgres://me:***@db/x",
            "--seed",
            "7",
            "a.yaml",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn nothing_is_left_of_a_password() {
        for (given, told) in [
            ("dsn=host=db password=pw user=me", "dsn=host=db password=*** user=me"),
            ("prod=host=db password='correct horse battery'", "prod=host=db password=***"),
            ("prod=host=db password='it\\'s a horse' port = 1", "prod=host=db password=*** port = 1"),
            ("password='a' sslpassword = 'b host=c' host=db", "password=*** sslpassword = *** host=db"),
            ("host=db password=R&D-77", "host=db password=***"),
            ("password=correct horse=battery user=me", "password=*** user=me"),
            ("password=a\\ b user=me", "password=*** user=me"),
            ("password=\"correct horse", "password=***"),
            ("PASSWORD = x host=db", "PASSWORD = *** host=db"),
            ("{\"token\": \"a b\"}", "{\"token\": ***"),
            ("postgres://me:p/w:x@y@db:5432/x", "postgres://me:***@db:5432/x"),
            ("postgres://db:5432/x?user=me&password=R&D", "postgres://db:5432/x?user=me&password=***"),
            ("postgres://me@db:5432/x", "postgres://me@db:5432/x"),
            ("scenarios/passwords.yaml", "scenarios/passwords.yaml"),
        ] {
            assert_eq!(without_passwords(given), told);
        }
    }

    #[test]
    fn secrets_of_the_run_go_first() {
        let redactor = crate::journal::Redactor::of(["horse password=battery".to_owned()]);
        let given = ["--set", "dsn=horse password=battery", "a.yaml"];
        let told = command_line(given.map(str::to_owned).into_iter(), |arg| told_of(arg, |text| redactor.text(text)));
        assert_eq!(told, ["--set", "dsn=***", "a.yaml"]);
    }
}
