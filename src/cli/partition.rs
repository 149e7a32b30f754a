//! Dividing drills among several runs.

use std::str::FromStr;

/// A part of the drills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    by_hash: bool,
    part: u64,
    of: u64,
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write slice:1/4 or hash:1/4".to_owned();
        let (how, part) = text.split_once(':').ok_or_else(wrong)?;
        let by_hash = match how {
            "slice" => false,
            "hash" => true,
            _ => return Err(wrong()),
        };
        let (part, of) = part.split_once('/').ok_or_else(wrong)?;
        match (part.parse(), of.parse()) {
            (Ok(part), Ok(of)) if part >= 1 && part <= of => Ok(Partition { by_hash, part, of }),
            _ => Err(wrong()),
        }
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = if self.by_hash { "hash" } else { "slice" };
        write!(f, "part {how}:{}/{}", self.part, self.of)
    }
}

impl Partition {
    /// Whether the drill in this place, of this name, belongs to it.
    pub fn takes(&self, index: usize, name: &str) -> bool {
        // FNV-1a: the same on every machine and in every version.
        let hash = || {
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
        };
        let number = if self.by_hash { hash() } else { index as u64 };
        number % self.of == self.part - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_divide_without_loss() {
        for kind in ["slice", "hash"] {
            let parts: Vec<Partition> = (1..=3).filter_map(|n| format!("{kind}:{n}/3").parse().ok()).collect();
            for (index, name) in ["a", "b", "c", "d", "e"].iter().enumerate() {
                assert_eq!(parts.iter().filter(|part| part.takes(index, name)).count(), 1, "{kind} {name}");
            }
        }
        for wrong in ["1/4", "slice:0/4", "slice:5/4", "slice:1", "x:1/2"] {
            assert!(wrong.parse::<Partition>().is_err(), "{wrong}");
        }
    }
}
