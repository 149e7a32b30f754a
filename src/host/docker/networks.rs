//! The networks by which the nodes of a drill reach each other.
//!
//! If nothing is cut that is one, `peers`. A connection that will be cut has a network of its own,
//! and no other network has both of its ends: taking one end off it leaves every other connection
//! as it is.

use testcontainers::bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest};

use super::daemon::{Daemon, MAKE};
use crate::host::{LabSpec, Result};

/// A network of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Network {
    /// What it is called after the drill's prefix.
    pub name: String,
    /// The nodes on it.
    pub nodes: Vec<String>,
}

/// The network of a connection that will be cut.
pub(super) fn of_cut(spec: &LabSpec, a: &str, b: &str) -> Option<String> {
    let is = |(one, other): &(String, String)| (one == a && other == b) || (one == b && other == a);
    spec.cuts.iter().position(is).map(|number| format!("cut-{number}"))
}

/// Every network of a drill.
pub(super) fn all(spec: &LabSpec) -> Vec<Network> {
    let cuts = spec.cuts.iter().enumerate();
    let mut networks: Vec<Network> = cuts
        .map(|(number, (a, b))| Network { name: format!("cut-{number}"), nodes: vec![a.clone(), b.clone()] })
        .collect();
    let mut shared: Vec<Vec<String>> = vec![];
    for (place, a) in spec.nodes.iter().enumerate() {
        for b in &spec.nodes[place + 1..] {
            let together = shared.iter().any(|nodes| nodes.contains(a) && nodes.contains(b));
            if together || spec.is_cut(a, b) {
                continue;
            }
            // As many nodes as may be with all those that are in it already.
            let mut nodes = vec![a.clone(), b.clone()];
            for other in &spec.nodes {
                if !nodes.contains(other) && !nodes.iter().any(|node| spec.is_cut(node, other)) {
                    nodes.push(other.clone());
                }
            }
            shared.push(nodes);
        }
    }
    if shared.is_empty() && networks.is_empty() {
        shared.push(spec.nodes.clone());
    }
    networks.extend(shared.into_iter().enumerate().map(|(number, nodes)| {
        let name = if number == 0 { "peers".to_owned() } else { format!("peers-{number}") };
        Network { name, nodes }
    }));
    networks
}

/// Takes a node's container off a network: what is sent to it there is lost.
pub(super) async fn disconnect(daemon: &Daemon, container: &str, network: &str) -> Result<()> {
    let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
    let doing = format!("taking {container} off the network {network}");
    daemon.call(&doing, MAKE, daemon.docker.disconnect_network(network, request)).await
}

/// Joins a container to a network, where it has its node's name.
pub(super) async fn connect(daemon: &Daemon, container: &str, node: &str, network: &str) -> Result<()> {
    let request = NetworkConnectRequest {
        container: container.to_owned(),
        endpoint_config: Some(EndpointSettings { aliases: Some(vec![node.to_owned()]), ..Default::default() }),
    };
    let doing = format!("joining {node} to the network {network}");
    daemon.call(&doing, MAKE, daemon.docker.connect_network(network, request)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Isolation;

    fn spec(nodes: &[&str], cuts: &[(&str, &str)]) -> LabSpec {
        LabSpec {
            run: "r".to_owned(),
            drill: 0,
            dir: "/tmp".into(),
            major: 15,
            nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
            repos: vec![],
            cuts: cuts.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            isolation: Isolation::default(),
            mounts: vec![],
            disks: vec![],
            clocks: vec![],
            releases: vec![],
        }
    }

    #[test]
    fn what_is_cut_has_a_network_of_its_own_and_everybody_else_can_talk() {
        for (nodes, cuts) in [
            (&["a"][..], &[][..]),
            (&["a", "b", "c"], &[]),
            (&["a", "b"], &[("a", "b")]),
            (&["a", "b", "c", "d"], &[("b", "a")]),
            (&["a", "b", "c", "d"], &[("a", "b"), ("a", "c"), ("c", "d")]),
        ] {
            let spec = spec(nodes, cuts);
            let networks = all(&spec);
            for (place, a) in spec.nodes.iter().enumerate() {
                assert!(networks.iter().any(|network| network.nodes.contains(a)), "{networks:?}");
                for b in &spec.nodes[place + 1..] {
                    let both: Vec<&str> = networks
                        .iter()
                        .filter(|network| network.nodes.contains(a) && network.nodes.contains(b))
                        .map(|network| network.name.as_str())
                        .collect();
                    match of_cut(&spec, a, b) {
                        Some(own) => assert_eq!(both, [own], "{a} {b}: {networks:?}"),
                        None => assert!(!both.is_empty(), "{a} {b}: {networks:?}"),
                    }
                }
            }
        }
        assert_eq!(all(&spec(&["a", "b", "c"], &[])).len(), 1);
        assert_eq!(all(&spec(&["a", "b", "c", "d"], &[("a", "b")])).len(), 3);
    }
}
