//! Lines for postgresql.conf as a scenario has them: of a node, or of a step that starts one.

use crate::node::RESERVED_SETTINGS;
use crate::pg::{is_any_setting, is_only_told, is_setting, setting_names};
use crate::source::{Ordered, Setting, Span, Spanned, did_you_mean};

use super::{NodeId, Scope};

/// Settings that were checked, in the file's order.
#[derive(Debug, Clone, Default)]
pub struct NodeSettings {
    /// Their names and values.
    pub lines: Vec<(String, String)>,
    /// Where the name of each of them stands.
    pub places: Vec<Span>,
    /// How many of them, from the last one back, are of the step that started the node last.
    pub newest: usize,
}

impl Scope<'_> {
    /// The `settings` of a node that is listed, or of a step that starts one: known to the server,
    /// and not drillyard's own. `archives` is whether it archives to a repo.
    pub fn settings(&mut self, written: Option<&Ordered<String, Setting>>, archives: bool) -> NodeSettings {
        let mut settings = NodeSettings::default();
        for (name, value) in written.into_iter().flatten() {
            self.check_setting(name, archives);
            let same = settings.lines.iter().position(|(other, _)| other.eq_ignore_ascii_case(&name.value));
            if let Some(same) = same {
                let title = format!("`{}` is the same setting as `{}`", name.value, settings.lines[same].0);
                let label = "the server does not tell capitals apart: which value is meant?";
                self.error_related(name.span, title, label, (settings.places[same], "given here, too".to_owned()));
            }
            settings.lines.push((name.value.clone(), value.0.clone()));
            settings.places.push(name.span);
        }
        settings
    }

    /// Whether a node archives to a repo, as far as its line under `nodes` says.
    pub fn archives(&self, node: &str) -> bool {
        self.nodes.get(&NodeId::from(node)).is_some_and(|info| info.archive_to.is_some())
    }

    fn check_setting(&mut self, setting: &Spanned<String>, archives: bool) {
        self.known_setting(setting);
        let lower = setting.value.to_lowercase();
        if RESERVED_SETTINGS.contains(&lower.as_str()) {
            let title = format!("`{}` is drillyard's own to set", setting.value);
            let label = match lower.as_str() {
                "restore_command" => "`recover` and `rebuild` have a key `restore_command` for it",
                _ => "leave it out",
            };
            self.error(setting.span, title, label);
        }
        if is_only_told(&lower) {
            let title = format!("`{}` cannot be set", setting.value);
            self.error(setting.span, title, "the server tells it; with it in its configuration it does not start");
        }
        if ["archive_mode", "archive_command", "archive_library"].contains(&lower.as_str()) && !archives {
            let help = "say where to: `archive_to: REPO`. A drill archives into nothing that it was not told to";
            self.error_help(setting.span, format!("`{}` without `archive_to`", setting.value), "archive where?", help);
        }
    }

    /// A setting that the server does not know keeps it from starting.
    fn known_setting(&mut self, setting: &Spanned<String>) {
        let name = setting.value.as_str();
        let lacking = self.versions.iter().find(|version| !is_setting(name, version.value));
        match (is_any_setting(name), lacking.map(|version| (version.value, version.span))) {
            (true, Some((version, place))) => {
                let title = format!("PostgreSQL {version} has no setting `{name}`");
                let label = "a server of that version does not start with it";
                self.error_related(setting.span, title, label, (place, "the drill is meant for it".to_owned()));
            }
            (false, lacking) if self.versions.is_empty() || lacking.is_some() => {
                let label = match did_you_mean(name, setting_names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "no supported version of PostgreSQL has it".to_owned(),
                };
                self.error(setting.span, format!("unknown setting `{name}`"), label);
            }
            _ => {}
        }
    }
}
