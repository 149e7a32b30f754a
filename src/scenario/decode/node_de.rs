//! serde's view of one value of the tree.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::{Deserializer, Expected, Visitor};

use super::access::{Choice, Fields, Items, Lines, Next, Places, Word, scalar};
use super::failure::{Failure, Wrong};
use super::{FEW, Passes, described, quoted};
use crate::scenario::node::{Node, Style, Value};
use crate::scenario::remedy;
use crate::source::{
    CONNECTION_STRING, Form, RefersTo, SCALAR, SEVERAL, SHELL, SPANNED, SQL, ScalarKind as Kind, Span, VALUE, WORD,
    choices, did_you_mean,
};

/// A value to be decoded.
#[derive(Clone, Copy)]
pub(super) struct NodeDe<'p> {
    pub passes: &'p Passes<'p>,
    pub node: &'p Node,
    /// Its key, where it is a map's.
    pub key: Option<&'p Node>,
    text: Text,
}

/// What may be in a scalar's text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    /// References are substituted.
    Value,
    /// The same, with secrets escaped as parts of a connection string.
    ConnectionString,
    /// A map's key: no references.
    Key,
    Sql,
    Shell,
}

/// A scalar after substitution.
struct Scalar<'t> {
    text: Cow<'t, str>,
    form: Form,
    /// Whether it is exactly one reference: then it may be read as any type.
    given: bool,
    substituted: bool,
    secret: bool,
}

impl<'p> NodeDe<'p> {
    pub(super) fn new(passes: &'p Passes<'p>, node: &'p Node, key: Option<&'p Node>) -> Self {
        NodeDe { passes, node, key, text: Text::Value }
    }

    pub(super) fn key(passes: &'p Passes<'p>, node: &'p Node) -> Self {
        NodeDe { passes, node, key: None, text: Text::Key }
    }

    /// Whether a secret's value is in it.
    pub(super) fn has_secret(self) -> bool {
        self.node
            .text()
            .is_some_and(|text| self.passes.decoder.values.resolve(text).is_ok_and(|resolved| resolved.secret))
    }

    pub(super) fn failure(
        self,
        span: Span,
        title: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) -> Failure {
        Failure::Wrong(Box::new(Wrong { span, title: title.into(), label: label.into(), help }))
    }

    /// It is something else than `expected`.
    fn wrong(self, expected: &str, help: Option<String>) -> Failure {
        let label = format!("expected {expected}");
        let help = self.remedy(expected).or(help);
        match (self.node.is_null(), self.key) {
            (true, Some(key)) => {
                let title = format!("`{}` is empty", key.text().unwrap_or_default());
                self.failure(key.span, title, label, help)
            }
            _ => self.failure(self.node.span, format!("expected {expected}, found {}", self.found()), label, help),
        }
    }

    /// What somebody may have meant by this value.
    fn remedy(self, expected: &str) -> Option<String> {
        remedy::value(self.key?.text()?, self.node, expected)
    }

    fn found(self) -> String {
        let Value::Scalar { text, style } = &self.node.value else { return described(&self.node.value).to_owned() };
        let Ok(scalar) = self.scalar("") else { return format!("text {}", quoted(text)) };
        let shown = quoted(&scalar.text);
        match scalar.form {
            _ if scalar.secret => "text `***`".to_owned(),
            _ if scalar.substituted => format!("{}, which is {shown}", quoted(text)),
            Form::Null => "nothing".to_owned(),
            Form::Bool => shown,
            Form::Integer | Form::Float => format!("the number {shown}"),
            Form::Text if *style == Style::Quoted && Kind::of_plain(text) != Kind::Text => {
                format!("text {shown} in quotes")
            }
            Form::Text => format!("text {shown}"),
        }
    }

    /// The scalar with its references substituted.
    fn scalar(self, expected: &str) -> Result<Scalar<'p>, Failure> {
        let Value::Scalar { text, style } = &self.node.value else { return Err(self.wrong(expected, None)) };
        let form = |text: &str| match style {
            Style::Plain => Kind::of_plain(text).into(),
            Style::Quoted | Style::Block => Form::Text,
        };
        let values = self.passes.decoder.values;
        let resolved = match self.text {
            Text::Value => values.resolve(text),
            Text::ConnectionString => values.resolve_in_connection_string(text),
            Text::Key | Text::Sql | Text::Shell => {
                self.no_reference(text)?;
                let (form, text) = (form(text), text.into());
                return Ok(Scalar { text, form, given: false, substituted: false, secret: false });
            }
        };
        match resolved {
            Ok(resolved) => Ok(Scalar {
                form: match resolved.form {
                    Some(form) => form,
                    None if resolved.substituted => Form::Text,
                    None => form(&resolved.text),
                },
                given: resolved.form.is_some(),
                substituted: resolved.substituted,
                secret: resolved.secret,
                text: resolved.text,
            }),
            Err(dangling) => {
                for one in dangling {
                    let span = self.piece(text, one.at);
                    let problem = self.passes.decoder.problem(span, one.title, one.label);
                    self.passes.tell(problem.help(one.help), self.node);
                }
                Err(Failure::Told)
            }
        }
    }

    /// There must be no reference in keys, SQL and shell text.
    fn no_reference(self, text: &str) -> Result<(), Failure> {
        let mut found = text.match_indices("${").filter(|(at, _)| !text[..*at].ends_with('$')).map(|(at, _)| {
            let end = text[at..].find('}').map_or(at + 2, |length| at + length + 1);
            at..end
        });
        let (at, place, instead) = match self.text {
            Text::Value | Text::ConnectionString => return Ok(()),
            Text::Key => (found.next(), "a key", "write the key out"),
            Text::Sql => (found.next(), "SQL", "use `args:` with $1"),
            // `${HOME}` is the shell's own business; a shell's name has no dot.
            Text::Shell => {
                let ours = |at: &Range<usize>| {
                    let name = text[at.start + 2..].trim_start();
                    ["params.", "env.", "secrets."].iter().any(|kind| name.starts_with(kind))
                };
                (found.find(ours), "shell text", "use `env:`")
            }
        };
        let Some(at) = at else { return Ok(()) };
        let title = format!("{} is not substituted inside {place}: {instead}", quoted(&text[at.clone()]));
        Err(self.failure(self.piece(text, at), title, "this would stay as it is", None))
    }

    /// Where a piece of the scalar's text is in the file; the whole scalar where its escapes hide
    /// it.
    fn piece(self, text: &str, at: Range<usize>) -> Span {
        let span = self.node.span;
        let piece = &text[at.clone()];
        let before = text[..at.start].matches(piece).count();
        let raw = self.passes.decoder.source.text().get(span.start..span.end).unwrap_or_default();
        match raw.match_indices(piece).nth(before) {
            Some((found, _)) => Span { start: span.start + found, end: span.start + found + piece.len() },
            None => span,
        }
    }

    fn bool(self) -> Result<bool, Failure> {
        let expected = "`true` or `false`";
        let scalar = self.scalar(expected)?;
        let plain = scalar.form == Form::Bool || scalar.given;
        let help = |word: &str| Some(format!("write `{word}`, without quotes"));
        match scalar.text.as_ref() {
            "true" if plain => Ok(true),
            "false" if plain => Ok(false),
            other => Err(self.wrong(
                expected,
                match other.to_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" | "1" => help("true"),
                    "no" | "off" | "n" | "false" | "0" => help("false"),
                    _ => None,
                },
            )),
        }
    }

    fn integer(self, min: i128, max: i128) -> Result<i128, Failure> {
        let expected = "a whole number";
        let scalar = self.scalar(expected)?;
        let text = scalar.text.trim();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let decimal = !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        if decimal && (scalar.form == Form::Integer || scalar.given) {
            return match text.parse::<i128>() {
                Ok(number) if (min..=max).contains(&number) => Ok(number),
                Ok(number) if number < min && min == 0 => Err(self.wrong("a number that is not negative", None)),
                _ => Err(self.wrong(&format!("a number from {min} to {max}"), None)),
            };
        }
        let bare: String = text.chars().filter(|c| !matches!(c, '_' | ',' | ' ' | '\'' | '+')).collect();
        let bare = match bare.trim_start_matches('0') {
            "" if !bare.is_empty() => "0",
            bare => bare,
        };
        let is_number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
        let help = match scalar.form {
            _ if scalar.substituted => None,
            Form::Text if decimal => Some(format!("take the quotes away: `{text}`")),
            _ if is_number => Some(format!("write it as plain digits: `{bare}`")),
            _ => remedy::digits(text).map(|digits| format!("write it as plain digits: `{digits}`")),
        };
        Err(self.wrong(expected, help))
    }

    fn float(self) -> Result<f64, Failure> {
        let expected = "a number";
        let scalar = self.scalar(expected)?;
        let numeric = matches!(scalar.form, Form::Integer | Form::Float) || scalar.given;
        match scalar.text.trim().parse::<f64>() {
            Ok(number) if numeric && number.is_finite() => Ok(number),
            Ok(_) if !numeric && !scalar.substituted => {
                Err(self.wrong(expected, Some(format!("take the quotes away: `{}`", scalar.text.trim()))))
            }
            _ => Err(self.wrong(expected, None)),
        }
    }

    fn string(self) -> Result<Cow<'p, str>, Failure> {
        let scalar = self.scalar("text")?;
        match scalar.form {
            Form::Null => Err(self.wrong("text", None)),
            Form::Text => Ok(scalar.text),
            _ if scalar.given => Ok(scalar.text),
            Form::Bool | Form::Integer | Form::Float => {
                Err(self.wrong("text", Some(format!("put it in quotes: `\"{}\"`", scalar.text))))
            }
        }
    }

    /// The members of a list; `one` says whether it may have just one.
    fn list(self, expected: &str, one: bool) -> Result<&'p [Node], Failure> {
        match &self.node.value {
            Value::Seq(items) => Ok(items),
            Value::Scalar { text, .. }
                if one && !self.node.is_null() && text.lines().count() == 1 && text.len() < 40 =>
            {
                Err(self.wrong(expected, Some(format!("write `[{text}]`"))))
            }
            Value::Scalar { .. } | Value::Map(_) => Err(self.wrong(expected, None)),
        }
    }

    /// What to write where a map is expected.
    fn keys_help(self, fields: &[&str]) -> Option<String> {
        let keys = choices(fields.iter().copied(), "and");
        match (fields.len(), self.key.and_then(Node::text)) {
            (_, Some(key)) if self.node.is_null() => Some(format!("where all is as usual, write `{key}: {{}}`")),
            (1, _) => Some(format!("its key is {keys}")),
            (2..=FEW, _) => Some(format!("its keys are {keys}")),
            _ => None,
        }
    }

    fn unknown_choice(self, place: &Node, name: &str, variants: &[&str]) -> Failure {
        let label = did_you_mean(name, variants.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let help =
            (variants.len() <= FEW).then(|| format!("the choices are {}", choices(variants.iter().copied(), "and")));
        let help = self.remedy("a choice").filter(|_| label.is_none()).or(help);
        self.failure(
            place.span,
            format!("unknown choice {}", quoted(name)),
            label.as_deref().unwrap_or("not known here"),
            help,
        )
    }
}

/// Implements the methods for whole numbers.
macro_rules! integers {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let number = self.integer(<$type>::MIN.into(), <$type>::MAX.into())?;
            // It is within the type's range.
            visitor.$visit(<$type>::try_from(number).unwrap_or_default())
        })*
    };
}

impl<'de> Deserializer<'de> for NodeDe<'_> {
    type Error = Failure;

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Seq(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar { .. } => match self.scalar("")?.form {
                Form::Null => visitor.visit_unit(),
                Form::Bool => visitor.visit_bool(self.bool()?),
                Form::Integer => self.deserialize_i64(visitor),
                Form::Float => visitor.visit_f64(self.float()?),
                Form::Text => visitor.visit_str(&self.string()?),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(self.bool()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.value {
            Value::Scalar { .. } if self.text == Text::Value && self.scalar("")?.form == Form::Null => {
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let empty = matches!(&self.node.value, Value::Map(entries) if entries.is_empty());
        if self.node.is_null() || empty { visitor.visit_unit() } else { Err(self.wrong("nothing", None)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        if name == SEVERAL && matches!(self.node.value, Value::Seq(_)) {
            return self.deserialize_seq(visitor);
        }
        if let Some(to) = RefersTo::by_type(name) {
            self.passes.decoder.note_reference(to, self.node, self.key);
        }
        let text = match name {
            SQL => Text::Sql,
            SHELL => Text::Shell,
            CONNECTION_STRING => Text::ConnectionString,
            _ => self.text,
        };
        visitor.visit_newtype_struct(NodeDe { text, ..self })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let items = self.list("a list", true)?.iter();
        visitor.visit_seq(Items { de: self, items })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        let expected = format!("a list of {length}");
        let items = self.list(&expected, false)?;
        if items.iter().any(|item| self.passes.is_left_out(item)) {
            return Err(Failure::LeftOut);
        }
        if items.len() != length {
            let title = format!("expected {expected}, found {}", items.len());
            return Err(self.failure(self.node.span, title, format!("expected {expected}"), None));
        }
        visitor.visit_seq(Items { de: self, items: items.iter() })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if !matches!(name, SCALAR | VALUE) {
            return self.deserialize_tuple(length, visitor);
        }
        let expected = || (&visitor as &dyn Expected).to_string();
        if !matches!(self.node.value, Value::Scalar { .. }) {
            return Err(self.wrong(&expected(), None));
        }
        let found = self.scalar("")?;
        match found.form {
            Form::Null if name == VALUE => Err(self.wrong(&expected(), None)),
            form => visitor.visit_seq(scalar(form, &found.text)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if !matches!(self.node.value, Value::Map(_)) {
            return Err(self.wrong("a map", None));
        }
        visitor.visit_map(Lines { de: self, lines: self.passes.lines(self.node), line: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == SPANNED {
            return visitor.visit_map(Places::new(self));
        }
        let word = fields.contains(&WORD);
        if word && matches!(self.node.value, Value::Scalar { .. }) && !self.node.is_null() {
            return visitor.visit_map(Word { de: self, given: false });
        }
        // A key that is a word's place is none that people write; unknown keys are told from the
        // others.
        let fields = if word { fields.split_at(1).1 } else { fields };
        if !matches!(self.node.value, Value::Map(_)) {
            return Err(self.wrong("a map", self.keys_help(fields)));
        }
        self.passes.unknown_keys(self.node, self.key, fields);
        let missing = self.passes.missing.borrow().get(&std::ptr::from_ref(self.node)).cloned().unwrap_or_default();
        let lines = self.passes.lines(self.node);
        visitor.visit_map(Fields { de: self, lines, missing: missing.into_iter(), next: Next::Nothing })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let expected = || match variants.len() {
            0..=FEW => choices(variants.iter().copied(), "or"),
            _ => "a choice".to_owned(),
        };
        let (place, name, value) = match &self.node.value {
            Value::Seq(_) => return Err(self.wrong(&expected(), None)),
            Value::Scalar { .. } => {
                let found = self.scalar("")?;
                if found.form == Form::Null {
                    return Err(self.wrong(&expected(), None));
                }
                if found.secret {
                    return Err(Failure::Text("a secret is no choice".to_owned()));
                }
                (self.node, found.text.into_owned(), None)
            }
            Value::Map(entries) => match entries.as_slice() {
                [entry] => {
                    let value = NodeDe::new(self.passes, &entry.value, Some(&entry.key));
                    (&entry.key, entry.name().to_owned(), Some(value))
                }
                [] => {
                    return Err(self.failure(
                        self.node.span,
                        format!("expected {}, found an empty map", expected()),
                        "nothing is chosen",
                        None,
                    ));
                }
                [_, second, ..] => {
                    let title = format!("expected one choice, found {}", entries.len());
                    let help = Some(format!("choose one: {}", expected()));
                    return Err(self.failure(second.key.span, title, "this is a second one", help));
                }
            },
        };
        if !variants.contains(&name.as_str()) {
            return Err(self.unknown_choice(place, &name, variants));
        }
        visitor.visit_enum(Choice { de: self, name, value })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { bytes byte_buf }
}
