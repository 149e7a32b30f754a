//! Who or what has started this program.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use nix::unistd::{Uid, User, gethostname};

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

/// Who or what has started this program.
pub fn trigger() -> Trigger {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let uid = Uid::effective();
    let starter = STARTERS.iter().find(|(_, known_by, _)| variable(known_by).is_some());
    let ci = starter.map(|(name, _, variables)| {
        let variables = variables.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?)));
        Ci { name: (*name).to_owned(), variables: variables.collect::<BTreeMap<_, _>>() }
    });
    Trigger {
        user: User::from_uid(uid).ok().flatten().map(|user| user.name),
        uid: uid.as_raw(),
        sudo_user: variable("SUDO_USER"),
        host: gethostname().ok().map(|name| name.to_string_lossy().into_owned()),
        directory: std::env::current_dir().ok().map(|dir| dir.display().to_string()),
        command_line: command_line(std::env::args()),
        terminal: std::io::stdin().is_terminal(),
        ci,
    }
}

/// The arguments, without what is a secret by its option, or a password in a URL or in a connection
/// string.
fn command_line(args: impl Iterator<Item = String>) -> Vec<String> {
    let mut hide_next = false;
    let each = args.map(|arg| {
        let option = SECRET.iter().find(|option| arg.strip_prefix(**option).is_some_and(|rest| rest.starts_with('=')));
        let shown = match option {
            _ if hide_next => "***".to_owned(),
            Some(option) => format!("{option}=***"),
            None => without_passwords(&arg),
        };
        hide_next = SECRET.contains(&arg.as_str());
        shown
    });
    each.collect()
}

fn without_passwords(arg: &str) -> String {
    let hide = |text: &str, from: usize, to: usize| format!("{}***{}", &text[..from], &text[to..]);
    let mut shown = arg.to_owned();
    if let Some(at) = shown.find("://").map(|at| at + 3) {
        let authority = shown[at..].find(['/', '?', '#']).map_or(shown.len(), |end| at + end);
        let user = shown[at..authority].rfind('@').map(|end| at + end);
        if let Some((colon, end)) = user.and_then(|end| Some((at + shown[at..end].find(':')?, end))) {
            shown = hide(&shown, colon + 1, end);
        }
    }
    for word in ["password=", "passwd=", "secret=", "token="] {
        if let Some(from) =
            shown.to_lowercase().find(word).map(|at| at + word.len()).filter(|at| shown.is_char_boundary(*at))
        {
            let to = shown[from..].find([' ', '&']).map_or(shown.len(), |end| from + end);
            shown = hide(&shown, from, to);
        }
    }
    shown
}

/// The same without the run's secrets.
pub fn redacted(trigger: Trigger, redact: impl Fn(&str) -> String) -> Trigger {
    let Trigger { command_line, directory, ci, .. } = &trigger;
    let ci = ci.as_ref().map(|ci| Ci {
        variables: ci.variables.iter().map(|(name, value)| (name.clone(), redact(value))).collect(),
        ..ci.clone()
    });
    Trigger {
        command_line: command_line.iter().map(|arg| redact(arg)).collect(),
        directory: directory.as_ref().map(|text| redact(text)),
        ci,
        ..trigger
    }
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
            "--set",
            "dsn=host=db password=pw user=me",
            "--seed",
            "7",
            "a.yaml",
        ];
        let told = command_line(given.map(str::to_owned).into_iter());
        let expected = [
            "drillyard",
            "run",
            "--notify",
            "***",
            "--heartbeat=***",
            "--set",
            "prod=postgres://me:***@db/x",
            "--set",
            "dsn=host=db password=*** user=me",
            "--seed",
            "7",
            "a.yaml",
        ];
        assert_eq!(told, expected);
    }
}
