//! The parts of a claim that admission reads, as loosely as they can arrive: `/mutate` runs before schema validation.
//!
//! Nothing here is ever written back: unknown fields must survive, so changes are made to the object itself.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::REASON;

/// A text that borrows from the input where it can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Str<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A claim, in the parts that admission looks at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim<'a> {
    /// Group and version.
    #[serde(borrow, default)]
    pub api_version: Option<Str<'a>>,
    /// Kind.
    #[serde(borrow, default)]
    pub kind: Option<Str<'a>>,
    /// Name, namespace, deletion and the reason annotation. Every object has one.
    #[serde(borrow, deserialize_with = "mapping")]
    pub metadata: Metadata<'a>,
    /// The whole spec as it came, of whatever type.
    #[serde(default)]
    pub spec: Value,
}

/// The parts of `metadata` that admission looks at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// Absent where the API server is still to generate one.
    #[serde(borrow, default)]
    pub name: Option<Str<'a>>,
    /// The namespace.
    #[serde(borrow, default)]
    pub namespace: Option<Str<'a>>,
    /// Set while the object waits for its finalizers.
    #[serde(borrow, default)]
    pub deletion_timestamp: Option<Str<'a>>,
    /// Absent where the object has none.
    #[serde(borrow, default)]
    pub annotations: Option<Annotations<'a>>,
}

/// The one annotation that admission looks at.
#[derive(Clone, Debug, Default)]
pub struct Annotations<'a> {
    /// The value of [`REASON`].
    pub reason: Option<Cow<'a, str>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Annotations<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut annotations = Annotations::default();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    if key.0 == REASON {
                        annotations.reason = map.next_value::<Option<Str<'de>>>()?.map(|reason| reason.0);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(annotations)
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

/// Reads a `T` from a mapping and from nothing else: left to itself, serde reads a struct from a list as well.
pub(crate) fn mapping<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Visit<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mapping")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Visit(PhantomData))
}

/// [`mapping`], or null.
pub(crate) fn mapping_or_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Read<T>(T);
    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Read<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            mapping(deserializer).map(Self)
        }
    }
    Ok(Option::<Read<T>>::deserialize(deserializer)?.map(|read| read.0))
}

impl Claim<'_> {
    /// Whether the object says it is of that group, version and kind.
    #[must_use]
    pub fn is_of(&self, group: &str, version: &str, kind: &str) -> bool {
        let group_version = self.api_version.as_ref().and_then(|text| text.0.split_once('/'));
        group_version == Some((group, version)) && self.kind.as_ref().is_some_and(|text| text.0 == kind)
    }

    /// `spec.parameters`, if it is a mapping.
    #[must_use]
    pub fn parameters(&self) -> Option<&Map<String, Value>> {
        self.spec.get("parameters")?.as_object()
    }

    /// `spec.crossplane`; null counts as absent.
    #[must_use]
    pub fn crossplane(&self) -> Option<&Value> {
        self.spec.get("crossplane").filter(|value| !value.is_null())
    }

    /// The reason annotation.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.metadata.annotations.as_ref()?.reason.as_deref()
    }

    /// The namespace, empty where none is given, which is offline only.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_ref().map_or("", |namespace| &namespace.0)
    }

    /// The name, empty where there is none yet.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_ref().map_or("", |name| &name.0)
    }
}
