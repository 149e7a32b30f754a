//! How the roles of two servers differ.

use std::collections::BTreeSet;

use super::facts::{Roles, Said, Subject};

/// What came of comparing the roles of two servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RolesComparison {
    /// How many roles were compared.
    pub roles: usize,
    /// What differs, a line each.
    pub differences: Vec<String>,
    /// What could not be compared, and why.
    pub not_compared: Vec<String>,
    /// The roles that were to be left out, and that neither server has.
    pub unknown: Vec<String>,
}

/// What stands on its own: it may be there or not. All else is said of something that is.
const OWN: [&str; 8] = [
    "role",
    "membership",
    "setting",
    "database",
    "grant",
    "grant on tablespace",
    "grant on parameter",
    "default privileges",
];

/// What is only known from a version on, and what that is.
const SINCE: [(u32, &[&str], &str); 2] = [
    (15, &["grant on parameter"], "grants on parameters"),
    (16, &["INHERIT OPTION", "SET OPTION"], "INHERIT OPTION and SET OPTION of memberships"),
];

impl RolesComparison {
    /// Compares what there should be with what there is; `ignore` are roles that are left out.
    pub fn of(expected: &Roles, actual: &Roles, ignore: &[&str]) -> RolesComparison {
        let (before, now) = (expected.names(), actual.names());
        let left_out: BTreeSet<&str> = ignore.iter().copied().collect();
        // What is said of a role that only one of them has goes without saying.
        let alone: BTreeSet<&str> = before.symmetric_difference(&now).copied().collect();
        let mut found = RolesComparison {
            roles: before.difference(&left_out).count(),
            unknown: left_out
                .iter()
                .filter(|role| !before.contains(*role) && !now.contains(*role))
                .map(ToString::to_string)
                .collect(),
            ..RolesComparison::default()
        };
        found.note_not_compared(expected, actual);
        let versions = expected.major.min(actual.major);
        let entered = |database: &String| expected.entered.contains(database) && actual.entered.contains(database);
        let counts = |subject: &Subject, said: &Said| {
            let is_of = |roles: &BTreeSet<&str>| said.roles.iter().any(|role| roles.contains(role.as_str()));
            let one_sided = subject.aspect != "role" && is_of(&alone);
            let later = |(since, aspects, _): &(u32, &[&str], &str)| {
                versions < *since && aspects.contains(&subject.aspect.as_str())
            };
            let unknown = SINCE.iter().any(later);
            // The other server's own password is not in what this one was made of.
            let made_up = subject.aspect == "PASSWORD"
                && expected.made_up != actual.made_up
                && [&expected.made_up, &actual.made_up].into_iter().flatten().any(|role| said.roles.contains(role));
            let shut = said.database.as_ref().is_some_and(|database| !entered(database));
            !(is_of(&left_out) || one_sided || unknown || made_up || shut)
        };
        for (subject, said) in expected.facts.iter().filter(|(subject, said)| counts(subject, said)) {
            let own = OWN.contains(&subject.aspect.as_str());
            match actual.facts.get(subject) {
                None if own => found.differences.push(format!("- {} is missing", told(subject, said))),
                Some(seen) if seen.value != said.value => {
                    let of = if own { " " } else { " of " };
                    let (aspect, name) = (&subject.aspect, &subject.name);
                    found.differences.push(match may_be_secret(subject) {
                        true => format!("~ {aspect}{of}{name}: its value became another one (neither is shown)"),
                        false => format!("~ {aspect}{of}{name}: {} became {}", said.value, seen.value),
                    });
                }
                _ => {}
            }
        }
        let added = actual.facts.iter().filter(|(subject, said)| {
            counts(subject, said) && OWN.contains(&subject.aspect.as_str()) && !expected.facts.contains_key(subject)
        });
        found.differences.extend(added.map(|(subject, said)| format!("+ {} should not be there", told(subject, said))));
        found
    }

    /// What a dump of roles would change of those that are there already: a line each. What is not
    /// there is no difference.
    pub fn in_the_way(dumped: &Roles, there: &Roles) -> Vec<String> {
        const KEPT: [&str; 6] =
            ["role", "database", "grant", "grant on tablespace", "grant on parameter", "default privileges"];
        let is_dumped = |subject: &&Subject| {
            let everywhere = subject.aspect != "setting" || !subject.name.contains(" in database ");
            !KEPT.contains(&subject.aspect.as_str()) && subject.aspect != "OWNER" && everywhere
        };
        let both = dumped.facts.iter().filter(|(subject, said)| is_dumped(subject) && !said.roles.is_empty());
        let both = both.filter_map(|(subject, said)| Some((subject, said, there.facts.get(subject)?)));
        // Of a role without a comment a dump says nothing of comments.
        let says = |(subject, said, _): &(&Subject, &Said, &Said)| subject.aspect != "COMMENT" || said.value != "none";
        let differ = both.filter(says).filter(|(_, said, seen)| said.value != seen.value);
        let line = |(subject, said, seen): (&Subject, &Said, &Said)| match may_be_secret(subject) {
            true => format!("{} {}: another value (neither is shown)", subject.aspect, subject.name),
            false => {
                format!("{} of {}: {} in the dump, {} there", subject.aspect, subject.name, said.value, seen.value)
            }
        };
        differ.map(line).collect()
    }

    fn note_not_compared(&mut self, expected: &Roles, actual: &Roles) {
        if !expected.sees_passwords || !actual.sees_passwords {
            self.not_compared.push("who has a password: pg_authid may not be read on both".to_owned());
        }
        if let (Some(role), None) | (None, Some(role)) = (&expected.made_up, &actual.made_up) {
            self.not_compared
                .push(format!("the password of role {role}: drillyard has made one up on the server that it made"));
        }
        let entered =
            |database: &&String| !(expected.entered.contains(*database) && actual.entered.contains(*database));
        let shut = expected.databases.intersection(&actual.databases).filter(entered);
        let shut: Vec<&str> = shut.map(String::as_str).collect();
        if !shut.is_empty() {
            self.not_compared.push(format!("default privileges in {}: no session there on both", shut.join(", ")));
        }
        let (older, newer) = (expected.major.min(actual.major), expected.major.max(actual.major));
        let alone = SINCE.iter().filter(|(since, ..)| older < *since && newer >= *since);
        self.not_compared.extend(alone.map(|(.., what)| format!("{what}: only one knows them")));
    }
}

/// Whether its value is shown to nobody: what PostgreSQL itself does not know (`app.api_key`), an
/// application may keep a secret in.
fn may_be_secret(subject: &Subject) -> bool {
    let setting = subject.name.split(' ').next().unwrap_or_default();
    subject.aspect == "setting" && setting.contains('.')
}

/// What it is, with what is said of it.
fn told(subject: &Subject, said: &Said) -> String {
    let name = format!("{} {}", subject.aspect, subject.name);
    if said.value.is_empty() || may_be_secret(subject) { name } else { format!("{name} ({})", said.value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(major: u32, facts: &[(&str, &str, &str, &[&str])]) -> Roles {
        let facts = facts.iter().map(|(aspect, name, value, roles)| {
            let subject = Subject { aspect: (*aspect).to_owned(), name: (*name).to_owned() };
            let roles = roles.iter().map(ToString::to_string).collect();
            (subject, Said { value: (*value).to_owned(), roles, database: None })
        });
        Roles { major, facts: facts.collect(), sees_passwords: true, ..Roles::default() }
    }

    #[test]
    fn a_password_that_drillyard_has_made_up_is_not_compared() {
        let with = |value: &str| {
            roles(17, &[("role", "postgres", "", &["postgres"]), ("PASSWORD", "role postgres", value, &["postgres"])])
        };
        let found = RolesComparison::of(&with("none"), &with("set").with_password_made_up("postgres"), &[]);
        assert_eq!((found.differences.len(), found.not_compared.len()), (0, 1), "{found:?}");
        // Of two that it has made it has made up both.
        let [before, after] = ["set", "none"].map(|value| with(value).with_password_made_up("postgres"));
        let found = RolesComparison::of(&before, &after, &[]);
        assert_eq!((found.differences.len(), found.not_compared.len()), (1, 0), "{found:?}");
        assert_eq!(RolesComparison::of(&with("none"), &with("set"), &[]).differences.len(), 1);
    }

    #[test]
    fn values_that_may_be_secrets_are_compared_and_not_shown() {
        let with = |token: &str| {
            let own = ("setting", "app.token of role clerk", token, &["clerk"][..]);
            let known = ("setting", "work_mem of role clerk in database a.b", token, &["clerk"][..]);
            roles(17, &[("role", "clerk", "", &["clerk"]), own, known])
        };
        let found = RolesComparison::of(&with("geheim"), &with("secret"), &[]).differences;
        assert_eq!(
            found,
            [
                "~ setting app.token of role clerk: its value became another one (neither is shown)",
                "~ setting work_mem of role clerk in database a.b: geheim became secret",
            ]
        );
        assert!(RolesComparison::of(&with("geheim"), &with("geheim"), &[]).differences.is_empty());
        let bare = roles(17, &[("role", "clerk", "", &["clerk"])]);
        let gone = &RolesComparison::of(&with("geheim"), &bare, &[]).differences[0];
        assert_eq!(gone, "- setting app.token of role clerk is missing");
    }

    #[test]
    fn a_missing_role_says_all_about_itself() {
        let before = roles(
            17,
            &[
                ("role", "clerk", "", &["clerk"]),
                ("role", "staff", "", &["staff"]),
                ("LOGIN", "role clerk", "true", &["clerk"]),
                ("LOGIN", "role staff", "false", &["staff"]),
                ("membership", "clerk in staff", "without admin option", &["clerk", "staff"]),
            ],
        );
        let now = roles(17, &[("role", "staff", "", &["staff"]), ("LOGIN", "role staff", "true", &["staff"])]);
        let found = RolesComparison::of(&before, &now, &[]);
        assert_eq!(found.differences, ["~ LOGIN of role staff: false became true", "- role clerk is missing"]);
        assert_eq!(found.roles, 2);
        let other_way = RolesComparison::of(&now, &before, &["staff", "nobody"]);
        assert_eq!(other_way.differences, ["+ role clerk should not be there"]);
        assert_eq!((other_way.roles, other_way.unknown), (0, vec!["nobody".to_owned()]));
    }

    #[test]
    fn options_that_one_server_does_not_know_are_no_difference() {
        let both: [(&str, &str, &str, &[&str]); 1] = [("role", "clerk", "", &["clerk"])];
        let option: [(&str, &str, &str, &[&str]); 2] = [both[0], ("SET OPTION", "clerk in staff", "true", &["clerk"])];
        let found = RolesComparison::of(&roles(15, &both), &roles(17, &option), &[]);
        assert_eq!(found.differences, Vec::<String>::new());
        assert_eq!(found.not_compared.len(), 1);
    }
}
