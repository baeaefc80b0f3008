//! A review of which only the beginning has come.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::claim::wire::Str;

/// `request.uid` of a review that is cut off somewhere after it.
pub(super) fn uid_in(beginning: &[u8]) -> Option<String> {
    let mut found = None;
    // The text ends in the middle, so this always fails; what it has seen by then is what counts.
    let _ = FindUid {
        in_request: false,
        found: &mut found,
    }
    .deserialize(&mut serde_json::Deserializer::from_slice(beginning));
    found.filter(|uid| !uid.is_empty())
}

/// Notes `request.uid` as soon as it comes by.
struct FindUid<'f> {
    in_request: bool,
    found: &'f mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for FindUid<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FindUid<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Str<'de>>()? {
            match &*key.0 {
                "request" if !self.in_request => {
                    map.next_value_seed(FindUid {
                        in_request: true,
                        found: &mut *self.found,
                    })?;
                }
                "uid" if self.in_request => *self.found = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
