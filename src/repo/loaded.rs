//! What a new server has been filled with.

/// What a new server has been filled with from a backup of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The databases that it has.
    pub databases: Vec<String>,
    /// Where its roles and tablespaces come from; nothing where there were none.
    pub globals: Vec<String>,
    /// What was in the backup, and was left out since it would do harm in a copy.
    pub left_out: Vec<String>,
    /// Its subscriptions, none of which is enabled.
    pub subscriptions: Vec<String>,
    /// The servers that its foreign tables are on, each with its database.
    pub foreign_servers: Vec<String>,
}

impl Loaded {
    /// Reads what `scripts/dump_restore.sh` printed: a word and a tab before each.
    pub fn read(text: &str) -> Self {
        let mut loaded = Loaded::default();
        for (word, what) in text.lines().filter_map(|line| line.split_once('\t')) {
            let list = match word {
                "database" => &mut loaded.databases,
                "globals" => &mut loaded.globals,
                "left_out" => &mut loaded.left_out,
                "subscription" => &mut loaded.subscriptions,
                "foreign_server" => &mut loaded.foreign_servers,
                _ => continue,
            };
            list.push(what.to_owned());
        }
        loaded
    }

    /// Each of it that there is, by its name.
    pub fn facts(&self) -> impl Iterator<Item = (&'static str, String)> {
        [
            ("databases", &self.databases),
            ("globals", &self.globals),
            ("left_out", &self.left_out),
            ("subscriptions", &self.subscriptions),
            ("foreign_servers", &self.foreign_servers),
        ]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| (name, list.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_read_line_by_line() {
        let loaded = Loaded::read("globals\t/b/globals.sql\ndatabase\tpostgres\ndatabase\tmy shop\nnoise\n");
        assert_eq!(loaded.databases, ["postgres", "my shop"]);
        let facts: Vec<(&str, String)> = loaded.facts().collect();
        let expected = [("databases", "postgres, my shop"), ("globals", "/b/globals.sql")];
        assert_eq!(facts, expected.map(|(name, value)| (name, value.to_owned())));
    }
}
