//! What `pgbackrest info --output=json` says.

use serde::Deserialize;

use crate::repo::error::{RepoError, Result};
use crate::repo::storage::Label;

/// The stanzas of a repository.
#[derive(Debug, Deserialize)]
pub(super) struct Info(Vec<Stanza>);

#[derive(Debug, Deserialize)]
struct Stanza {
    #[serde(default)]
    backup: Vec<Backup>,
}

/// A backup, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Backup {
    label: String,
    /// Whether pages were backed up whose checksums are wrong.
    pub(super) error: Option<bool>,
    /// Its tablespaces, which are listed for one backup alone.
    tablespace: Option<Vec<Tablespace>>,
}

#[derive(Debug, Deserialize)]
struct Tablespace {
    oid: u32,
}

impl Info {
    /// Reads it.
    pub(super) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text.trim()).map_err(|e| RepoError::Failed {
            what: "pgbackrest info",
            status: 0,
            said: format!("its answer is not what was expected: {e}"),
        })
    }

    /// The backups, the oldest first.
    pub(super) fn backups(&self) -> impl Iterator<Item = &Backup> {
        self.0.iter().flat_map(|stanza| &stanza.backup)
    }
}

impl Backup {
    /// What it is called.
    pub(super) fn label(&self) -> Label {
        Label::new(&self.label)
    }

    /// The numbers of its tablespaces.
    pub(super) fn tablespaces(&self) -> impl Iterator<Item = String> {
        self.tablespace.iter().flatten().map(|space| space.oid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = r#"[{"archive":[],"backup":[{"archive":{"start":"0A","stop":"0A"},"error":false,"label":"20261129-092028F",
            "tablespace":[{"destination":"/ts","name":"sp","oid":16389}],"type":"full"},{"error":true,"label":"20261129-092032F"}],
            "cipher":"none","name":"main","status":{"code":0}}]"#;
        let info = Info::read(text).expect("read");
        let labels: Vec<String> = info.backups().map(|backup| backup.label().to_string()).collect();
        assert_eq!(labels, ["20261129-092028F", "20261129-092032F"]);
        assert_eq!(info.backups().flat_map(Backup::tablespaces).collect::<Vec<_>>(), ["16389"]);
        assert_eq!(info.backups().last().and_then(|backup| backup.error), Some(true));
        assert_eq!(Info::read("[]\n").expect("nothing").backups().count(), 0);
        assert!(Info::read("ERROR").is_err());
    }
}
