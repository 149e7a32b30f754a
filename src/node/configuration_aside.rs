//! A server that is restored from somebody else's backup: nothing of its configuration is used,
//! since what is right for the original may do harm in a copy of it.

use super::inherited::setting;
use super::server::Node;
use crate::host::{HostError, Program};

/// Sets the configuration files aside, and prints what is in them.
const SET_ASIDE: &str = include_str!("scripts/set_configuration_aside.sh");

/// What a restored data directory says of the server that it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Theirs {
    /// Its major version; none if PG_VERSION cannot be read.
    pub major: Option<u32>,
    /// The names of the settings that were made, and are not used.
    pub settings: Vec<String>,
}

impl Node {
    /// Takes the configuration files out of this server's data directory, which was restored from
    /// somebody else's backup: their names get `.original` at the end, for people to read.
    pub async fn set_configuration_aside(&self) -> Result<Theirs, HostError> {
        let host = self.host()?;
        let output = host.run(Program::script(SET_ASIDE, [&host.paths().data])).await?;
        if !output.success() {
            let why = output.stderr.trim();
            return Err(HostError::new(format!("the configuration of `{}` cannot be set aside: {why}", self.name())));
        }
        Ok(Theirs::read(&output.text()))
    }
}

impl Theirs {
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let major = lines.next().and_then(|version| version.trim().parse().ok());
        let mut settings: Vec<String> = lines.filter_map(setting).map(|(name, _)| name).collect();
        settings.sort();
        settings.dedup();
        Theirs { major, settings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_settings_are_read() {
        let text =
            "15\nwork_mem = 7MB\n# port = 1\ninclude_dir = 'conf.d'\narchive_command = 'cp %p /x/%f'\nwork_mem = 8MB\n";
        let theirs = Theirs::read(text);
        assert_eq!(theirs.major, Some(15));
        assert_eq!(theirs.settings, ["archive_command", "include_dir", "work_mem"]);
        assert_eq!(Theirs::read(""), Theirs::default());
    }
}
