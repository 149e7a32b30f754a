//! `latest`, `current`, or a timeline's number.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::scalars::parsed;
use crate::pg::{TargetTimeline, TimelineId};

/// Which timeline a recovery follows: `latest`, `current`, or its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeline(pub TargetTimeline);

impl Timeline {
    /// Reads `latest`, `current` or `3`.
    ///
    /// # Errors
    /// Where it is none of these; the text says what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        match (text, text.parse::<u32>()) {
            ("latest", _) => Ok(Timeline(TargetTimeline::Latest)),
            ("current", _) => Ok(Timeline(TargetTimeline::Current)),
            (_, Ok(number @ 1..)) => Ok(Timeline(TargetTimeline::Id(TimelineId(number)))),
            (_, Ok(_)) => Err("timelines count from 1".to_owned()),
            (_, Err(_)) => Err(format!(
                "`{text}` is not a timeline\nhelp: write `latest`, `current` (the backup's own), or a number such as 1"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Timeline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "`latest`, `current` or a number", Timeline::parse)
    }
}

impl JsonSchema for Timeline {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timeline".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "enum": ["latest", "current"] }, { "type": "integer", "minimum": 1 }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_is_a_word_or_a_number() {
        let parsed = |text| Timeline::parse(text).map(|timeline| timeline.0);
        assert_eq!(parsed("latest"), Ok(TargetTimeline::Latest));
        assert_eq!(parsed("current"), Ok(TargetTimeline::Current));
        assert_eq!(parsed("12"), Ok(TargetTimeline::Id(TimelineId(12))));
        for wrong in ["0", "-1", "newest", "1.5", "Latest"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
