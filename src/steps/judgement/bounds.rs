//! A number that a server has, and what it may be.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{NodeRef, Resolved, Scope, if_given};
use crate::pg::Decimal;
use crate::source::{NodeName, Number, Span, Spanned, Tolerance};

/// A number that another one should be about the same as.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AboutSpec {
    /// The number itself.
    #[serde(default)]
    value: Option<Spanned<Number>>,
    /// The node on which the same is asked.
    #[serde(default)]
    node: Option<NodeName>,
    /// How far off it may be: `1%` of the number, or so much.
    within: Tolerance,
}

/// What a number may be, as the fields of a step say.
#[derive(Debug, Clone, Default)]
pub(crate) struct BoundFields {
    pub at_least: Option<Spanned<Number>>,
    pub at_most: Option<Spanned<Number>>,
    pub between: Option<Spanned<(Number, Number)>>,
    pub about: Option<Spanned<AboutSpec>>,
}

/// What a number may be; each bound stands at its own place.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    least: Option<(Number, Span)>,
    most: Option<(Number, Span)>,
    about: Option<About>,
}

/// What a number should be about the same as.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// What that is.
    pub reference: Reference,
    /// How far off it may be.
    within: Tolerance,
    /// Where it stands.
    at: Span,
}

/// The number that another one is compared with.
#[derive(Debug, Clone)]
pub(crate) enum Reference {
    /// This one.
    Value(Number),
    /// What the same question comes to on another node.
    Node(NodeRef),
}

impl BoundFields {
    /// Where the first of them stands; `None` if there is none.
    pub fn entry(&self) -> Option<Span> {
        let number = |field: &Option<Spanned<Number>>| field.as_ref().map(|number| number.entry);
        number(&self.at_least)
            .or(number(&self.at_most))
            .or(self.between.as_ref().map(|between| between.entry))
            .or(self.about.as_ref().map(|about| about.entry))
    }

    /// What they say of a number on `node`.
    pub fn resolve(self, node: Option<&NodeRef>, scope: &mut Scope<'_>) -> Resolved<Bounds> {
        let bound = |field: Option<Spanned<Number>>| field.map(|number| (number.value, number.entry));
        let (mut least, mut most) = (bound(self.at_least), bound(self.at_most));
        if let Some(between) = self.between {
            if let Some((_, entry)) = least.as_ref().or(most.as_ref()) {
                scope.error(*entry, "`between` has both bounds", "leave this out");
            }
            let (from, to) = between.value;
            (least, most) = (Some((from, between.entry)), Some((to, between.entry)));
        }
        if let (Some((from, _)), Some((to, at))) = (&least, &most)
            && from.value > to.value
        {
            scope.error(*at, "no number is within these bounds", format!("{from} is more than {to}"));
        }
        let about = if_given(self.about.as_ref(), |about| About::resolve(about, node, scope));
        Some(Bounds { least, most, about: about? })
    }
}

impl About {
    fn resolve(about: &Spanned<AboutSpec>, node: Option<&NodeRef>, scope: &mut Scope<'_>) -> Resolved<About> {
        let AboutSpec { value, node: named, within } = &about.value;
        let reference = match (value, named) {
            (Some(value), None) => Reference::Value(value.value.clone()),
            (None, Some(named)) => {
                let other = scope.named_node(named)?;
                if node.is_some_and(|node| node.id == other.id) {
                    let label = "this is the node that is checked";
                    scope.error(named.entry, "a number is always about the same as itself", label);
                }
                Reference::Node(other)
            }
            (Some(_), Some(named)) => {
                scope.error(named.entry, "`value` and `node` exclude each other", "one of the two");
                return None;
            }
            (None, None) => {
                let help = "`{ value: 1000, within: 1% }` or `{ node: NODE, within: 1% }`";
                scope.error_help(about.span, "`value` or `node` is missing", "about what?", help);
                return None;
            }
        };
        Some(About { reference, within: within.clone(), at: about.entry })
    }
}

impl Bounds {
    /// What it should be about the same as.
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// What is wrong with a number, and where that is demanded; `other` is what it should be about
    /// the same as.
    pub fn broken_by(&self, number: &Decimal, other: Option<&Decimal>) -> Option<(Span, String)> {
        if let Some((least, at)) = self.least.as_ref().filter(|(least, _)| *number < least.value) {
            return Some((*at, format!("it is {number}, which is less than {least}")));
        }
        if let Some((most, at)) = self.most.as_ref().filter(|(most, _)| *number > most.value) {
            return Some((*at, format!("it is {number}, which is more than {most}")));
        }
        let (about, other) = (self.about.as_ref()?, other?);
        let (off, allowed) = (number.distance(other), about.within.of(other));
        let place = match &about.reference {
            Reference::Value(_) => String::new(),
            Reference::Node(node) => format!(" on `{node}`"),
        };
        let most = match &about.within {
            Tolerance::Percent(percent) => format!("{percent}% of that is {allowed}"),
            Tolerance::Absolute(_) => format!("{allowed} is allowed"),
        };
        (off > allowed).then(|| (about.at, format!("it is {number}, and {other}{place}: {off} off, and {most}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_compared_digit_by_digit() {
        let number = |text: &str| Number::parse(text).expect("a number");
        let decimal = |text: &str| Decimal::parse(text).expect("a number");
        let at = Span::default();
        let least = Bounds { least: Some((number("9007199254740993"), at)), most: None, about: None };
        assert!(least.broken_by(&decimal("9007199254740992"), None).is_some());
        assert!(least.broken_by(&decimal("9007199254740993"), None).is_none());
        let within = |text| Tolerance::parse(text).expect("a tolerance");
        let about = |text| About { reference: Reference::Value(number("200")), within: within(text), at };
        let broken = |text, value: &str| {
            let bounds = Bounds { least: None, most: None, about: Some(about(text)) };
            bounds.broken_by(&decimal(value), Some(&decimal("200"))).map(|(_, label)| label)
        };
        assert_eq!(broken("1%", "202"), None);
        assert_eq!(broken("1%", "198"), None);
        assert_eq!(broken("1%", "202.01").as_deref(), Some("it is 202.01, and 200: 2.01 off, and 1% of that is 2"));
        assert_eq!(broken("3", "196.9").as_deref(), Some("it is 196.9, and 200: 3.1 off, and 3 is allowed"));
        assert_eq!(broken("0", "200"), None);
    }
}
