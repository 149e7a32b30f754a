//! A number that a server has, and what it may be.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Finding, Later, NodeRef, Places, Resolved, Scope, if_given};
use crate::pg::Decimal;
use crate::source::{Late, NodeName, Number, Span, Spanned, Tolerance};

/// A number that another one should be about the same as.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AboutSpec {
    /// The number itself.
    #[serde(default)]
    value: Option<Spanned<Late<Number>>>,
    /// The node on which the same is asked.
    #[serde(default)]
    node: Option<NodeName>,
    /// How far off it may be: `1%` of the number, or so much.
    within: Tolerance,
}

/// What a number may be, as the fields of a step say.
#[derive(Debug, Clone, Default)]
pub(crate) struct BoundFields {
    pub at_least: Option<Spanned<Late<Number>>>,
    pub at_most: Option<Spanned<Late<Number>>>,
    pub between: Option<Spanned<(Late<Number>, Late<Number>)>>,
    pub about: Option<Spanned<AboutSpec>>,
}

/// What a number may be; each bound `N` stands at its own place.
#[derive(Debug, Clone)]
pub(crate) struct Bounds<N> {
    least: Option<(N, Span)>,
    most: Option<(N, Span)>,
    about: Option<About<N>>,
}

/// What a number should be about the same as.
#[derive(Debug, Clone)]
pub(crate) struct About<N> {
    /// What that is.
    pub reference: Reference<N>,
    /// How far off it may be.
    within: Tolerance,
    /// Where it stands.
    at: Span,
}

/// The number that another one is compared with.
#[derive(Debug, Clone)]
pub(crate) enum Reference<N> {
    /// This one.
    Value(N),
    /// What the same question comes to on another node.
    Node(NodeRef),
}

impl BoundFields {
    /// Where the first of them stands; `None` if there is none.
    pub fn entry(&self) -> Option<Span> {
        let number = |field: &Option<Spanned<Late<Number>>>| field.as_ref().map(|number| number.entry);
        number(&self.at_least)
            .or(number(&self.at_most))
            .or(self.between.as_ref().map(|between| between.entry))
            .or(self.about.as_ref().map(|about| about.entry))
    }

    /// What they say of a number on `node`.
    pub fn resolve(self, node: Option<&NodeRef>, scope: &mut Scope<'_>) -> Resolved<Bounds<Later<Number>>> {
        let [least, most] = [self.at_least, self.at_most].map(|bound| scope.maybe_later(bound));
        let [mut least, mut most] =
            [least, most].map(|bound| bound.map(|bound| bound.map(|number| (number.value, number.entry))));
        if let Some(between) = self.between {
            if let Some((_, entry)) = least.iter().chain(&most).flatten().next() {
                scope.error(*entry, "`between` has both bounds", "leave this out");
            }
            let (from, to) = between.value;
            let ends = [from, to].map(|end| Some(Some((scope.later(end, Places::Nowhere)?, between.entry))));
            [least, most] = ends;
        }
        if let (Some(Some((Later::Known(from), _))), Some(Some((Later::Known(to), at)))) = (&least, &most)
            && from.value > to.value
        {
            scope.error(*at, NO_NUMBER, format!("{from} is more than {to}"));
        }
        let about = if_given(self.about, |about| About::resolve(about, node, scope));
        Some(Bounds { least: least?, most: most?, about: about? })
    }
}

/// What is said of bounds of which the lower one is above the other.
const NO_NUMBER: &str = "no number is within these bounds";

impl About<Later<Number>> {
    fn resolve(about: Spanned<AboutSpec>, node: Option<&NodeRef>, scope: &mut Scope<'_>) -> Resolved<Self> {
        let AboutSpec { value, node: named, within } = about.value;
        let reference = match (value, named) {
            (Some(value), None) => Reference::Value(scope.later(value.value, Places::Nowhere)?),
            (None, Some(named)) => {
                let other = scope.named_node(&named)?;
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
        Some(About { reference, within, at: about.entry })
    }
}

impl Bounds<Later<Number>> {
    /// The bounds as they are now.
    pub async fn now(&self, cx: &Context<'_>) -> Result<Bounds<Number>, Box<Finding>> {
        let least = match &self.least {
            Some((number, at)) => Some((number.now(cx, None).await?, *at)),
            None => None,
        };
        let most = match &self.most {
            Some((number, at)) => Some((number.now(cx, None).await?, *at)),
            None => None,
        };
        if let (Some((from, _)), Some((to, at))) = (&least, &most)
            && from.value > to.value
        {
            return Err(Finding::failed(NO_NUMBER).at(*at).label(format!("{from} is more than {to}")));
        }
        let about = match &self.about {
            None => None,
            Some(About { reference, within, at }) => {
                let reference = match reference {
                    Reference::Value(value) => Reference::Value(value.now(cx, None).await?),
                    Reference::Node(node) => Reference::Node(node.clone()),
                };
                Some(About { reference, within: within.clone(), at: *at })
            }
        };
        Ok(Bounds { least, most, about })
    }
}

impl Bounds<Number> {
    /// What it should be about the same as.
    pub fn about(&self) -> Option<&About<Number>> {
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
