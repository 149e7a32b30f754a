//! The settings for the log that a server has only while it recovers.

use super::config::{LOG_BEGINS, LOG_ENDS, RECOVERY_LOG};
use super::server::Node;
use crate::host::{HostError, Program};

/// Gives a server its own settings for the log back.
const OWN_LOG_SETTINGS: &str = include_str!("scripts/own_log_settings.sh");

impl Node {
    /// Gives a server that has recovered its own settings for the log back (see
    /// [`Config::recovery_log`](super::Config)).
    pub async fn own_log_settings(&self) -> Result<(), HostError> {
        let names: Vec<&str> = RECOVERY_LOG.iter().map(|(name, _)| *name).collect();
        let host = self.host()?;
        let arguments = [host.paths().data.as_str(), LOG_BEGINS, LOG_ENDS, &names.join("|")];
        let output = host.run(Program::script(OWN_LOG_SETTINGS, arguments)).await?;
        match output.success() {
            true => Ok(()),
            false => {
                let why = output.stderr.trim();
                Err(HostError::new(format!("the settings of `{}` cannot be restored: {why}", self.name())))
            }
        }
    }
}
