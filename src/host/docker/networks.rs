//! The networks by which the nodes of a drill reach each other.
//!
//! Where nothing is cut that is one, `wire`. A connection that will be cut has a network of its own, and no other network has both
//! of its ends: taking one end off it leaves every other connection as it is.

use crate::host::LabSpec;

/// A network of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wire {
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
pub(super) fn all(spec: &LabSpec) -> Vec<Wire> {
    let cuts = spec.cuts.iter().enumerate();
    let mut wires: Vec<Wire> = cuts
        .map(|(number, (a, b))| Wire { name: format!("cut-{number}"), nodes: vec![a.clone(), b.clone()] })
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
    if shared.is_empty() && wires.is_empty() {
        shared.push(spec.nodes.clone());
    }
    wires.extend(shared.into_iter().enumerate().map(|(number, nodes)| {
        let name = if number == 0 { "wire".to_owned() } else { format!("wire-{number}") };
        Wire { name, nodes }
    }));
    wires
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(nodes: &[&str], cuts: &[(&str, &str)]) -> LabSpec {
        LabSpec {
            run: "r".to_owned(),
            drill: 0,
            dir: "/tmp".into(),
            major: 15,
            nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
            repos: vec![],
            cuts: cuts.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
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
            let wires = all(&spec);
            for (place, a) in spec.nodes.iter().enumerate() {
                assert!(wires.iter().any(|wire| wire.nodes.contains(a)), "{wires:?}");
                for b in &spec.nodes[place + 1..] {
                    let both: Vec<&str> = wires
                        .iter()
                        .filter(|wire| wire.nodes.contains(a) && wire.nodes.contains(b))
                        .map(|wire| wire.name.as_str())
                        .collect();
                    match of_cut(&spec, a, b) {
                        Some(own) => assert_eq!(both, [own], "{a} {b}: {wires:?}"),
                        None => assert!(!both.is_empty(), "{a} {b}: {wires:?}"),
                    }
                }
            }
        }
        assert_eq!(all(&spec(&["a", "b", "c"], &[])).len(), 1);
        assert_eq!(all(&spec(&["a", "b", "c", "d"], &[("a", "b")])).len(), 3);
    }
}
