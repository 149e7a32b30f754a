//! Looking up what a value refers to that is known only when its step runs.

use super::later::{Formula, OfNode, Part};
use super::{FactOf, FactType, FromFact, Later, Places, Resolved, Scope};
use crate::source::{Late, Name, Ordered, Piece, Pieces, Scalar, Span, Spanned, choices, did_you_mean};

impl Scope<'_> {
    /// A value that may be known later, every reference in it looked up.
    pub fn later<T: FromFact>(&mut self, value: Late<T>, places: Places) -> Resolved<Later<T>> {
        Some(match value {
            Late::Known(value) => Later::Known(value),
            Late::Made(pieces) => {
                let formula = self.formula(pieces, places)?;
                self.check_type::<T>(&formula);
                Later::Made(formula)
            }
        })
    }

    /// Tells of a value that is one fact, and one of another type.
    fn check_type<T: FromFact>(&mut self, formula: &Formula) {
        let [Part::Fact { step, fact, at, .. }] = formula.parts.as_slice() else { return };
        let Some(info) = self.ids.get(step).cloned() else { return };
        let (Some(kind), Some(is)) = (info.kind.filter(|kind| kind.leaves(fact)), FactType::of(fact)) else { return };
        if T::FITS.contains(&is) {
            return;
        }
        let title = format!("`{}` does not fit here", formula.text);
        let label = format!("it is {is}, and {} is wanted", T::WANTED);
        self.error_related(*at, title, label, (info.span, format!("this {} step", kind.name)));
        let fits = |fact: &&str| FactType::of(fact).is_some_and(|is| T::FITS.contains(&is));
        let fitting: Vec<&str> = kind.facts().into_iter().filter(fits).collect();
        if is == FactType::Number && T::FITS.is_empty() {
            let unit = if fact.ends_with("_ms") { "ms" } else { "s" };
            self.help_last(format!("write its unit behind it: `{}{unit}`", formula.text));
        } else if !fitting.is_empty() && *T::FITS != [FactType::Number] {
            self.help_last(format!("of what {} steps leave, {} would", kind.name, choices(fitting, "and")));
        }
    }

    /// The same for a list.
    pub fn all_later<T: FromFact>(
        &mut self,
        values: impl IntoIterator<Item = Late<T>>,
        places: Places,
    ) -> Resolved<Vec<Later<T>>> {
        // All of them: what is wrong is told in one go.
        let all: Vec<Resolved<Later<T>>> = values.into_iter().map(|value| self.later(value, places)).collect();
        all.into_iter().collect()
    }

    /// The same for the variables of commands.
    pub fn variables(&mut self, all: Option<Ordered<String, Late<Scalar>>>) -> Resolved<Vec<(String, Later<Scalar>)>> {
        let all: Vec<_> = all
            .into_iter()
            .flatten()
            .map(|(name, value)| Some((name.value, self.later(value, Places::OfHost)?)))
            .collect();
        all.into_iter().collect()
    }

    /// The same for a field that may be left out.
    pub fn maybe_later<T: FromFact>(&mut self, value: Option<Spanned<Late<T>>>) -> Resolved<Option<Spanned<Later<T>>>> {
        value.map_or(Some(None), |value| self.spanned_later(value).map(Some))
    }

    /// One that is there.
    pub fn spanned_later<T: FromFact>(&mut self, value: Spanned<Late<T>>) -> Resolved<Spanned<Later<T>>> {
        let Spanned { value, span, entry } = value;
        Some(Spanned { value: self.later(value, Places::Nowhere)?, span, entry })
    }

    /// What a value is made of.
    pub fn formula(&mut self, pieces: Pieces, places: Places) -> Resolved<Formula> {
        let mut at = Span::default();
        let mut parts = vec![];
        for piece in pieces.pieces {
            match piece {
                Piece::Text(text) => parts.push(Some(Part::Text(text))),
                Piece::Reference(reference, span) => {
                    if at == Span::default() {
                        at = span;
                    }
                    parts.push(self.part(&reference, span, places));
                }
            }
        }
        let parts: Resolved<Vec<Part>> = parts.into_iter().collect();
        Some(Formula { text: pieces.text, parts: parts?, at })
    }

    /// Whether a reference is to something of this drill, and not to something of a shell's.
    pub fn knows(&self, reference: &str) -> bool {
        let (owner, _) = reference.rsplit_once('.').unwrap_or((reference, ""));
        let part =
            |prefix: &str| owner.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        reference == "files" || part("nodes") || part("repos") || self.ids.contains_key(owner)
    }

    fn part(&mut self, reference: &str, at: Span, places: Places) -> Resolved<Part> {
        let (owner, what) = reference.rsplit_once('.').unwrap_or((reference, ""));
        let part = match owner.split_once('.') {
            Some(("nodes", node)) => self.of_node(node, what, at),
            Some(("repos", repo)) => self.of_repo(repo, what, at),
            None if reference == "files" => Some(Part::Files),
            None if owner == "nodes" || owner == "repos" => {
                let (title, help) = match owner {
                    "nodes" => (
                        "what of this node?",
                        "`${nodes.X.host}`, `port`, `user`, `password`, `database`, `conninfo`, `data`",
                    ),
                    _ => ("what of this repo?", "`${repos.X.path}`"),
                };
                self.error_help(at, format!("`${{{reference}}}` is not whole"), title, help);
                return None;
            }
            _ => return self.of_step(owner, what, at),
        };
        match (places, &part) {
            (Places::OfHost, _) => {}
            (Places::OfSession, Some(Part::Files)) => {
                let help = "give the text itself, or read the file with an `exec` step that has a `capture`";
                self.error_help(at, "the scenario's files are for commands", "a session does not read them", help);
                return None;
            }
            (Places::OfSession, _) => {}
            (Places::Nowhere, _) => {
                let help = "it may stand in `env`, `run` and `vars` of commands, and in `args` and `format` of SQL";
                self.error_help(at, "where something is depends on who asks", "nobody asks here", help);
                return None;
            }
        }
        part
    }

    fn name(&mut self, what: &str, text: &str, at: Span) -> Option<Spanned<Name>> {
        match if what == "step" { Name::of_step(text) } else { Name::new(text) } {
            Ok(value) => Some(Spanned { value, span: at, entry: at }),
            Err(_) => {
                self.error(at, format!("`{text}` is no name of a {what}"), "there is none of that name");
                None
            }
        }
    }

    fn of_node(&mut self, node: &str, what: &str, at: Span) -> Resolved<Part> {
        let name = self.name("node", node, at)?;
        let found = OfNode::ALL.iter().find(|(word, _)| *word == what);
        let Some((_, what)) = found else {
            let words = OfNode::ALL.map(|(word, _)| word);
            let label =
                did_you_mean(what, words).map_or("no such thing".to_owned(), |near| format!("did you mean `{near}`?"));
            let title = format!("a node has no `{what}`");
            self.error_help(at, title, label, format!("a node has {}", choices(words, "and")));
            return None;
        };
        let node = self.own_named_node(&name)?;
        Some(Part::Node { node: node.id, what: *what })
    }

    fn of_repo(&mut self, repo: &str, what: &str, at: Span) -> Resolved<Part> {
        let name = self.name("repo", repo, at)?;
        if what != "path" {
            self.error(at, format!("a repo has no `{what}`"), "it has a `path`");
            return None;
        }
        let repo = self.repo(&name)?;
        if let Some(existing) = self.repo_info(&repo).and_then(|info| info.existing) {
            let title = format!("repo `{repo}` has no directory of the drill's own");
            self.error_related(at, title, "its path is in the file", (existing, "somebody else's".to_owned()));
            return None;
        }
        Some(Part::Repo(repo.id))
    }

    fn of_step(&mut self, step: &str, fact: &str, at: Span) -> Resolved<Part> {
        let name = self.name("step", step, at)?;
        if let Some(info) = self.ids.get(step).cloned()
            && !self.leaves(&info, (step, fact), at)
        {
            return None;
        }
        let step = self.any_step(&name)?;
        let of = self.ids.get(&step.id).map_or(FactOf::Scenario, |info| info.fact_of(fact));
        Some(Part::Fact { step: step.id, fact: fact.to_owned(), of, at })
    }

    /// Adds a remark to the last error.
    pub fn help_last(&mut self, text: String) {
        if let Some(last) = self.problems.last_mut() {
            *last = last.clone().help(text);
        }
    }

    /// Notes that the step being resolved captures values under these names: later steps may ask
    /// for them. A name that a fact of its kind has is an error.
    pub fn captures(&mut self, names: impl IntoIterator<Item = (String, Span)>) {
        let Some(info) = self.id.as_ref().and_then(|id| self.ids.get(id)).cloned() else {
            let first = names.into_iter().next().map(|(_, span)| span);
            if let Some(span) = first {
                let help = "give the step an `id`: the value is `${ID.NAME}` then";
                self.error_help(span, "`capture` is of no use without an `id`", "nobody could ask for this", help);
            }
            return;
        };
        let mut seen: Vec<String> = vec![];
        for (name, span) in names {
            if seen.contains(&name) {
                self.error(span, format!("`{name}` is captured twice"), "once is enough");
                continue;
            }
            seen.push(name.clone());
            let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let help = "letters, digits and `_`, and no digit at the beginning";
                self.error_help(span, format!("`{name}` is no name for a value"), "no reference could have it", help);
                continue;
            }
            if let Some(kind) = info.kind.filter(|kind| kind.leaves(&name)) {
                let title = format!("every {} step has a fact `{name}` of its own", kind.name);
                self.error(span, title, "choose another name");
                continue;
            }
            if let Some(info) = self.id.as_ref().and_then(|id| self.ids.get_mut(id)) {
                info.captures.push(name);
            }
        }
    }
}
