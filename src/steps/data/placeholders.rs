//! What stands in SQL for values, compared with the values that a step has for it.

use crate::harness::Scope;
use crate::pg::sql::{Placeholder, PlaceholderKind, UserSqlError, placeholders, user_sql};
use crate::source::{Late, Scalar, Span, Spanned, Sql, choices, did_you_mean};

/// The values that a step has for a text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given<'a> {
    /// Bound as `$1`, `$2` ...
    args: Option<&'a Spanned<Vec<Late<Scalar>>>>,
    /// Whether the step could have some.
    takes_args: bool,
    /// Whether `format` makes the text: its placeholders are looked at by themselves.
    formatted: bool,
}

impl<'a> Given<'a> {
    /// A step without `args`, and nothing like it.
    pub(crate) const NOTHING: Given<'static> = Given { args: None, takes_args: false, formatted: false };

    /// These `args`.
    pub(crate) fn args(args: Option<&'a Spanned<Vec<Late<Scalar>>>>) -> Self {
        Given { args, takes_args: true, formatted: false }
    }

    /// The same where `format` makes the text, if it does.
    pub(crate) fn formatted(self, formatted: bool) -> Self {
        Given { formatted, ..self }
    }
}

/// Checks a text of SQL of the scenario: each placeholder has a value, and each value its
/// placeholder.
pub(crate) fn check(scope: &mut Scope<'_>, sql: &Spanned<Sql>, given: Given<'_>) {
    let found = placeholders(sql.as_str());
    let mut told: Vec<&str> = vec![];
    for one in &found {
        if told.contains(&one.text) || !is_unbound(one, given) {
            continue;
        }
        told.push(one.text);
        let span = scope.within(sql.span, one.text);
        let (title, label, help) = unbound(one, given);
        scope.error_help(span, title, label, help);
    }
    check_args(scope, sql.as_str(), given.args);
}

/// Checks that each of the `args` is used in a text.
pub(crate) fn check_args(scope: &mut Scope<'_>, text: &str, args: Option<&Spanned<Vec<Late<Scalar>>>>) {
    let Some(args) = args else { return };
    let found = placeholders(text);
    let is_used = |wanted: usize| {
        found.iter().any(|one| matches!(one.kind, PlaceholderKind::Numbered { number, .. } if number == wanted))
    };
    let unused: Vec<String> = (1..=args.value.len()).filter(|at| !is_used(*at)).map(|at| format!("${at}")).collect();
    let Some(first) = unused.first() else {
        if args.value.is_empty() {
            scope.error(args.entry, "`args` is empty", "which values? Or leave it out");
        }
        return;
    };
    let names = choices(unused.iter().map(String::as_str), "and");
    let label = format!("{names} {} not in the SQL", if unused.len() == 1 { "is" } else { "are" });
    let help = match text.contains(first.as_str()) {
        true => format!("within quotes or a comment `{first}` is text: leave the quotes out, a value needs none"),
        false => format!("write `{first}` where the value belongs, or leave the value out"),
    };
    scope.error_help(args.entry, "`args` has values that the SQL does not use", label, help);
}

/// Whether nothing stands for it.
fn is_unbound(one: &Placeholder<'_>, given: Given<'_>) -> bool {
    match one.kind {
        PlaceholderKind::Numbered { number, defined } => {
            !defined && !(1..=given.args.map_or(0, |args| args.value.len())).contains(&number)
        }
        PlaceholderKind::Named => true,
        PlaceholderKind::Format => !given.formatted,
    }
}

/// What is said of one that has no value: title, label and help.
fn unbound(one: &Placeholder<'_>, given: Given<'_>) -> (String, String, String) {
    const USERS: [&str; 2] = ["$client", "$seq"];
    let text = one.text;
    let none = || "nothing stands for it".to_owned();
    let has_no_value = || format!("`{text}` has no value");
    match one.kind {
        PlaceholderKind::Numbered { .. } if !given.takes_args => {
            let help = "write the value into the SQL; `sql` and `assert_rows` have `args` for it";
            (has_no_value(), "this SQL takes no parameters".to_owned(), help.to_owned())
        }
        PlaceholderKind::Numbered { .. } => {
            let label = match given.args.map_or(0, |args| args.value.len()) {
                0 => "there is no `args`".to_owned(),
                many => format!("the last value of `args` is that of `${many}`"),
            };
            (has_no_value(), label, "give it one in `args: [...]`; the first is that of `$1`".to_owned())
        }
        PlaceholderKind::Named if USERS.contains(&text) => {
            let help = "`$client` and `$seq` are for the transactions of `traffic`";
            (has_no_value(), "no user runs this SQL".to_owned(), help.to_owned())
        }
        PlaceholderKind::Named => {
            let near = did_you_mean(text, USERS);
            let label = near.map_or_else(none, |near| format!("did you mean `{near}`, in `traffic`?"));
            let help = match given.takes_args {
                true => "values are bound as `$1`, `$2` ..., from `args: [...]`",
                false => "write the value into the SQL; `sql` and `assert_rows` have `args` for it",
            };
            (format!("`{text}` is no parameter of SQL"), label, help.to_owned())
        }
        PlaceholderKind::Format => {
            let help = "`sql` has `format: [...]`, whose values come into the query with the quotes that they need";
            (has_no_value(), "there is no `format`".to_owned(), help.to_owned())
        }
    }
}

/// What is told of a parameter that users' SQL does not have.
const USERS_HAVE: &str = "users have `$client` and `$seq`; write other values into the SQL";

/// Checks users' SQL: its parameters are `$client` and `$seq`.
pub(crate) fn check_users(scope: &mut Scope<'_>, sql: &Spanned<Sql>) {
    if let Err(UserSqlError { text, .. }) = user_sql(sql.as_str()) {
        let near = did_you_mean(&text, ["$client", "$seq"]).map(|near| format!("did you mean `{near}`?"));
        let label = near.unwrap_or_else(|| "nothing stands for it".to_owned());
        scope.error_help(sql.span, format!("`{text}` is no parameter of users' SQL"), label, USERS_HAVE);
    }
    let found = placeholders(sql.as_str());
    if let Some(one) = found.iter().find(|one| one.kind == PlaceholderKind::Format) {
        let span: Span = scope.within(sql.span, one.text);
        scope.error_help(span, format!("`{}` has no value", one.text), "nothing stands for it", USERS_HAVE);
    }
}
