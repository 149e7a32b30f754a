//! How a standby of an external server reaches it: `primary_conninfo`.

use std::path::Path;

use super::External;
use super::complete::{Target, Way};
use super::relay::Relay;
use crate::host::{Host, HostError, Program};
use crate::node::cluster::SOCKET_PORT;
use crate::node::config::quote_conninfo;
use crate::pg::conninfo::{ChannelBinding, KEYS, Use};

/// What a standby does itself that goes by a relay: the rest is about the connection to the server.
const LEFT_TO_LIBPQ: [&str; 3] = ["options", "connect_timeout", "target_session_attrs"];

/// A role that no server has.
const NO_ROLE: &str = "drillyard_no_such_role";

impl External {
    pub(super) fn way_of_standby(&self) -> &Way {
        self.standby.as_ref().unwrap_or(&self.way)
    }

    /// The application_name by which it knows a standby of this drill: other drills may have one of
    /// the same name at the same time. It is short enough to be shown as it is (`NAMEDATALEN`).
    pub(in crate::node) fn knows_as(&self, standby: &str) -> String {
        let short: String = standby.chars().take(40).collect();
        format!("{short} (drillyard {})", self.tag)
    }

    /// The role by which a standby comes.
    pub(super) fn role_of_standby(&self) -> &str {
        if self.role_lost { NO_ROLE } else { &self.way_of_standby().user }
    }

    /// The connection string of a standby of that name, without its secrets: nothing is left for
    /// libpq to be found out there.
    pub(in crate::node) fn conninfo(&self, standby: &str) -> String {
        let way = self.way_of_standby();
        let files = way.files.named();
        let shown = |path: &Path| path.display().to_string();
        let value = |name: &str| -> Option<String> {
            match name {
                "host" => Some(joined(&way.targets, |target| target.host.clone())),
                "hostaddr" => way.conninfo.get(name).map(str::to_owned),
                "port" => Some(joined(&way.targets, |target| target.port.to_string())),
                "user" => Some(self.role_of_standby().to_owned()),
                "password" | "sslpassword" => None,
                _ => {
                    let file = files.iter().find(|(key, _)| *key == name).map(|(_, path)| shown(path));
                    file.or_else(|| way.conninfo.get(name).map(str::to_owned))
                }
            }
        };
        let names = KEYS.iter().filter(|key| key.use_ == Use::Both).map(|key| key.name);
        let mut parts: Vec<String> =
            names.filter_map(|name| Some(format!("{name}={}", quote_conninfo(&value(name)?)))).collect();
        parts.push(format!("application_name={}", quote_conninfo(&self.knows_as(standby))));
        parts.join(" ")
    }

    /// The same for one that goes by a relay: what is left to libpq.
    pub(in crate::node) fn conninfo_by(&self, relay: &Relay, standby: &str) -> String {
        let way = self.way_of_standby();
        let parts = LEFT_TO_LIBPQ.iter().filter_map(|name| Some((*name, way.conninfo.get(name)?.to_owned())));
        let fixed = [
            ("host", relay.dirs().join(",")),
            ("port", SOCKET_PORT.to_owned()),
            ("user", self.role_of_standby().to_owned()),
        ];
        let name = ("application_name", self.knows_as(standby));
        let all = fixed.into_iter().chain(parts).chain([name]);
        all.map(|(name, value)| format!("{name}={}", quote_conninfo(&value))).collect::<Vec<_>>().join(" ")
    }

    /// Checks that a relay can keep to what is asked for.
    ///
    /// # Errors
    /// If the password has to be bound to the encryption: that is drillyard's, and not the copy's.
    pub(super) fn check_binding(&self) -> Result<(), HostError> {
        if self.way_of_standby().conninfo.channel_binding() != Ok(ChannelBinding::Require) {
            return Ok(());
        }
        Err(HostError::new("`channel_binding=require` cannot be kept to by a copy that is cut off from the network").help(
            "drillyard encrypts its connection to production, and checks the certificate if `sslmode` says so: give the \
             copy a `standby_conninfo` without `channel_binding`",
        ))
    }

    /// The password for a connection of a standby; empty if there is none.
    ///
    /// # Errors
    /// If its hosts have several: a connection string has but one.
    pub(in crate::node) fn password_of_standby(&self) -> Result<&str, HostError> {
        let targets = &self.way_of_standby().targets;
        let mut passwords = targets.iter().map(|target| target.replication.as_deref().unwrap_or_default());
        let first = passwords.next().unwrap_or_default();
        match passwords.all(|other| other == first) {
            true => Ok(first),
            false => Err(HostError::new("its hosts have several passwords, and a standby is given one")
                .help("name one host with `standby_conninfo`")),
        }
    }

    /// The password of the key of a standby; empty if there is none.
    pub(in crate::node) fn key_password(&self) -> &str {
        self.way_of_standby().conninfo.get("sslpassword").unwrap_or_default()
    }

    /// Checks that servers on `host` may read the files that their connection takes.
    ///
    /// # Errors
    /// For the first that they may not.
    pub(in crate::node) async fn check_files(&self, host: &dyn Host) -> Result<(), HostError> {
        let way = self.way_of_standby();
        if way.targets.iter().all(Target::is_socket) {
            return Ok(());
        }
        for (key, path) in way.files.named() {
            let path = path.display().to_string();
            let output = host.run(Program::script(r#"test -r "$1""#, [&path])).await?;
            if !output.success() {
                return Err(HostError::new(format!("the user that runs servers may not read {path} (`{key}`)")).help(
                    format!(
                        "its connection to production needs it: put it where that user may read it, or name another \
                         `{key}` with `standby_conninfo`"
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn joined(targets: &[Target], one: impl Fn(&Target) -> String) -> String {
    targets.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::node::external::{Address, ClientEnvironment};
    use crate::pg::conninfo::Conninfo;

    fn production(role_lost: bool) -> Arc<External> {
        let conninfo = Conninfo::parse("host=/srv/pg port=7 user=drill password=geheim dbname=shop").expect("a string");
        let around =
            ClientEnvironment { variables: BTreeMap::new(), home: None, user: "root".to_owned(), secrets_dir: None };
        External::find(&Address { conninfo, standby: None, role_lost }, &Arc::new(around)).expect("a way")
    }

    #[test]
    fn copies_of_the_same_name_in_two_drills_are_told_apart() {
        let (one, other) = (production(false), production(false));
        assert_ne!(one.knows_as("copy"), other.knows_as("copy"));
        assert_eq!(one.knows_as("copy"), one.knows_as("copy"));
        assert!(one.conninfo("copy").contains(&format!("application_name='{}'", one.knows_as("copy"))));
        assert!(one.knows_as(&"c".repeat(63)).len() < 64, "a server would cut it");
    }

    #[test]
    fn a_role_that_is_lost_is_that_of_the_copy_alone() {
        let (as_ever, lost) = (production(false).conninfo("copy"), production(true).conninfo("copy"));
        assert!(as_ever.contains("user='drill'") && !as_ever.contains("geheim"), "{as_ever}");
        assert!(lost.contains(&format!("user='{NO_ROLE}'")), "{lost}");
        assert_eq!(production(true).user(), "drill");
    }
}
