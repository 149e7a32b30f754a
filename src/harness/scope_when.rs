//! Steps that `when` leaves out, where others refer to them or to what they make.

use super::Scope;
use crate::pg::SUPPORTED_MAJORS;
use crate::source::{Name, Span, Spanned};

impl Scope<'_> {
    /// Whether a step that the one being resolved refers to runs wherever this one does; an error
    /// if not.
    pub(super) fn runs_here(&mut self, name: &Spanned<Name>, step: usize, made: Span) -> bool {
        self.all_run_here(("step", name), &[step], made)
    }

    /// The same for a node: one of the steps that make it has to run there.
    pub(super) fn is_made_here(&mut self, name: &Spanned<Name>, made: Span) -> bool {
        let makers = self.runs_on.makers.iter().filter(|(node, _)| node.as_str() == name.as_str());
        let makers: Vec<usize> = makers.map(|(_, step)| *step).collect();
        makers.is_empty() || self.all_run_here(("node", name), &makers, made)
    }

    fn all_run_here(&mut self, (what, name): (&str, &Spanned<Name>), steps: &[usize], made: Span) -> bool {
        let runs = |step: usize, major: u32| self.runs_on.is_on(step, major);
        let declared: Vec<u32> = self.versions.iter().map(|version| version.value).collect();
        let majors = if declared.is_empty() { SUPPORTED_MAJORS.clone().collect() } else { declared.clone() };
        let here: Vec<u32> = majors.into_iter().filter(|major| runs(self.index, *major)).collect();
        let lacking: Vec<u32> =
            here.iter().copied().filter(|major| !steps.iter().any(|step| runs(*step, *major))).collect();
        // A drill that does not say what it is meant for may be run where all is well.
        if lacking.is_empty() || (declared.is_empty() && lacking.len() < here.len()) {
            return true;
        }
        let left_out = "left out there by its `when`, or by that of a step around it";
        let (title, help) = match declared.is_empty() {
            true => (
                format!("{what} `{}` is never there when this step runs", name.value),
                "no version of PostgreSQL is meant by both".to_owned(),
            ),
            false => {
                let versions: Vec<String> = lacking.iter().map(ToString::to_string).collect();
                let versions = versions.join(" and ");
                let title = format!("{what} `{}` is not there on PostgreSQL {versions}", name.value);
                (title, format!("give this step a `when` that leaves out PostgreSQL {versions}, too"))
            }
        };
        self.error_related(name.span, title, "used here", (made, left_out.to_owned()));
        self.help_last(help);
        false
    }
}
