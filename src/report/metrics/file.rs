//! The text of metrics: samples in families, written and read.

use std::fmt::Write;

use super::families::FAMILIES;

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// Its family: all of them are gauges.
    pub name: String,
    /// Its labels, in the order in which they are written.
    pub labels: Vec<(String, String)>,
    /// The number.
    pub value: String,
}

/// The labels that say what a sample is about.
const ABOUT: [&str; 5] = ["drill", "version", "backend", "settings", "command"];

impl Sample {
    fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether it is about the same drill on the same version and backend with the same settings,
    /// run or proved; or about the run.
    pub(super) fn is_about_what(&self, other: &Sample) -> bool {
        let is_proof = |sample: &Sample| sample.name.starts_with("drillyard_proof_");
        is_proof(self) == is_proof(other) && ABOUT.iter().all(|name| self.label(name) == other.label(name))
    }

    /// Whether it is still of use when another run has written the file. A drill that came to no
    /// version was not run: that concerns its own run alone.
    pub(super) fn outlives_its_run(&self) -> bool {
        let is_known = FAMILIES.iter().any(|(name, _)| *name == self.name);
        is_known && (!self.label("version").is_empty() || !self.label("command").is_empty())
    }
}

/// All samples, by family and then by label.
pub(super) fn text(samples: &[Sample]) -> String {
    let mut text = String::new();
    // A String takes every write.
    for (name, help) in FAMILIES {
        let mut of_family: Vec<&Sample> = samples.iter().filter(|sample| sample.name == *name).collect();
        if of_family.is_empty() {
            continue;
        }
        of_family.sort_by(|a, b| a.labels.cmp(&b.labels));
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for sample in of_family {
            let labels = sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
            let labels = labels.collect::<Vec<_>>().join(",");
            let _ = writeln!(text, "{name}{{{labels}}} {}", sample.value);
        }
    }
    text.push_str("# EOF\n");
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The samples of a file that this program has written. A line that is none of its own is left out.
pub(super) fn parse(text: &str) -> Vec<Sample> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let (name, mut rest) = line.split_once('{')?;
    let mut labels = vec![];
    while !rest.starts_with('}') {
        let (label, after) = rest.split_once("=\"")?;
        let (value, after) = unescaped(after)?;
        labels.push((label.to_owned(), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    let value = rest.strip_prefix("} ")?;
    value.parse::<f64>().ok()?;
    Some(Sample { name: name.to_owned(), labels, value: value.to_owned() })
}

/// The value of a label up to its closing quote, and what comes after that.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            c => value.push(c),
        }
    }
    None
}
