//! A review, read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::{Operation, Settings, Writer};
use super::{API_VERSION, REVIEW};
use crate::claim::Claim;
use crate::claim::wire::{Str, mapping, mapping_or_null};
use crate::telemetry::traces::SPANS;

/// The deepest nesting that is looked into; serde's own bound on what it parses, held to what it skips as well.
const MOST_DEPTH: usize = 128;

/// The most bytes of a spec that are read. As a value it takes up to thirty times as much memory, and no legal claim
/// comes near: the API server stores objects of at most 1.5 MiB.
const MOST_SPEC: usize = 256 * 1024;

/// Why a body cannot be answered as a review: there is no uid to answer to.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not of a review's shape.
    #[error("the body is no AdmissionReview: {0}")]
    NotReview(#[from] serde_json::Error),
    /// Not even text.
    #[error("the body is no AdmissionReview: {0}")]
    NotUtf8(#[from] std::str::Utf8Error),
    /// A review of another version, or something else altogether.
    #[error("apiVersion and kind must be {API_VERSION} {REVIEW}")]
    OtherKind,
    /// `request` or its `uid` is missing or empty.
    #[error("request.uid is missing")]
    NoUid,
}

/// A review whose uid is known, of an object that is read as `O`.
#[derive(Debug)]
pub struct Review<'a, O = Claim<'a>> {
    /// The id that the response repeats; never empty.
    pub uid: Cow<'a, str>,
    /// What is asked, or why that cannot be made out.
    pub head: Result<Head<'a>, String>,
    /// The object and the stored one, or why they cannot be read.
    pub objects: Result<(Option<O>, Option<O>), String>,
}

/// What is asked, apart from the objects.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head<'a> {
    /// Group, version and kind of the object.
    #[serde(borrow, default, deserialize_with = "mapping_or_null")]
    kind: Option<GroupVersionKind<'a>>,
    #[serde(borrow, default)]
    sub_resource: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    namespace: Option<Str<'a>>,
    #[serde(borrow, default)]
    operation: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "mapping_or_null")]
    user_info: Option<UserInfo<'a>>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(borrow, default, deserialize_with = "mapping_or_null")]
    options: Option<Options<'a>>,
}

#[derive(Debug, Deserialize)]
struct GroupVersionKind<'a> {
    #[serde(borrow)]
    group: Str<'a>,
    #[serde(borrow)]
    version: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
}

#[derive(Debug, Deserialize)]
struct UserInfo<'a> {
    #[serde(borrow, default)]
    username: Option<Str<'a>>,
    #[serde(borrow, default)]
    groups: Option<Vec<Str<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options<'a> {
    #[serde(borrow, default)]
    field_manager: Option<Str<'a>>,
}

fn text<'r>(text: Option<&'r Str<'_>>) -> &'r str {
    text.map_or("", |text| &text.0)
}

impl Head<'_> {
    /// Group, version and kind of the object, where the review says.
    #[must_use]
    pub fn kind(&self) -> Option<(&str, &str, &str)> {
        self.kind
            .as_ref()
            .map(|kind| (&*kind.group.0, &*kind.version.0, &*kind.kind.0))
    }

    /// Whether a part of the object only, such as its status, is written.
    #[must_use]
    pub fn is_subresource(&self) -> bool {
        !text(self.sub_resource.as_ref()).is_empty()
    }

    /// What is done to the object.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::from_word(text(self.operation.as_ref()))
    }

    /// The name that the review gives; empty where the API server has not generated one yet.
    #[must_use]
    pub fn name(&self) -> &str {
        text(self.name.as_ref())
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        text(self.namespace.as_ref())
    }

    /// The user name.
    #[must_use]
    pub fn user(&self) -> &str {
        text(self.user_info.as_ref().and_then(|user| user.username.as_ref()))
    }

    /// Who the client says manages the fields it writes.
    #[must_use]
    pub fn field_manager(&self) -> &str {
        text(self.options.as_ref().and_then(|options| options.field_manager.as_ref()))
    }

    /// Nothing will be stored.
    #[must_use]
    pub fn dry_run(&self) -> bool {
        self.dry_run.unwrap_or_default()
    }

    /// Which privileges the user has.
    #[must_use]
    pub fn writer(&self, settings: &Settings) -> Writer {
        let groups = self
            .user_info
            .as_ref()
            .and_then(|user| user.groups.as_deref())
            .unwrap_or_default();
        // An empty setting is nobody's; a review without a user would match it.
        let is_set = |setting: &&String| !setting.is_empty();
        Writer {
            crossplane: Some(&settings.crossplane_account)
                .filter(is_set)
                .is_some_and(|account| self.user() == account),
            operator: settings
                .operator_group
                .as_ref()
                .filter(is_set)
                .is_some_and(|group| groups.iter().any(|g| g.0 == *group)),
        }
    }
}

/// A review, with as much of its request as `R` reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "R: Deserialize<'de>"))]
struct Wire<'a, R> {
    #[serde(borrow, default)]
    api_version: Option<Str<'a>>,
    #[serde(borrow, default)]
    kind: Option<Str<'a>>,
    #[serde(default = "Option::default", deserialize_with = "mapping_or_null")]
    request: Option<R>,
}

/// A request in whole. serde's `flatten` would buffer it all, so the fields of [`Head`] stand here once more.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct Whole<'a, O> {
    #[serde(borrow, default)]
    uid: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "mapping_or_null")]
    kind: Option<GroupVersionKind<'a>>,
    #[serde(borrow, default)]
    sub_resource: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    namespace: Option<Str<'a>>,
    #[serde(borrow, default)]
    operation: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "mapping_or_null")]
    user_info: Option<UserInfo<'a>>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(borrow, default, deserialize_with = "mapping_or_null")]
    options: Option<Options<'a>>,
    #[serde(default = "Option::default", deserialize_with = "mapping_or_null")]
    object: Option<O>,
    #[serde(default = "Option::default", deserialize_with = "mapping_or_null")]
    old_object: Option<O>,
}

/// The least of a request.
#[derive(Deserialize)]
struct Uid<'a> {
    #[serde(borrow, default)]
    uid: Option<Str<'a>>,
}

impl<'a, R: Deserialize<'a>> Wire<'a, R> {
    fn read(body: &'a str) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(body);
        let wire = mapping(&mut deserializer)?;
        deserializer.end()?;
        Ok(wire)
    }

    fn request(self) -> Result<R, Unreadable> {
        if text(self.api_version.as_ref()) != API_VERSION || text(self.kind.as_ref()) != REVIEW {
            return Err(Unreadable::OtherKind);
        }
        self.request.ok_or(Unreadable::NoUid)
    }
}

fn uid(uid: Option<Str<'_>>) -> Result<Cow<'_, str>, Unreadable> {
    uid.map(|uid| uid.0)
        .filter(|uid| !uid.is_empty())
        .ok_or(Unreadable::NoUid)
}

/// Reads a review of a claim; what cannot be read of it is left to the answer to explain.
///
/// # Errors
/// There is no uid to answer to.
pub fn read(body: &[u8]) -> Result<Review<'_>, Unreadable> {
    read_as(body, MOST_SPEC)
}

/// Reads a review of any object, as long as the API server takes it.
///
/// # Errors
/// There is no uid to answer to.
pub fn read_any(body: &[u8]) -> Result<Review<'_, Value>, Unreadable> {
    read_as(body, usize::MAX)
}

fn read_as<'a, O: Deserialize<'a>>(body: &'a [u8], most_spec: usize) -> Result<Review<'a, O>, Unreadable> {
    let _span = tracing::info_span!(target: SPANS, "parse").entered();
    let body = std::str::from_utf8(body)?;
    let why = if too_deep(body.as_bytes()) {
        format!("the review is nested deeper than {MOST_DEPTH} levels")
    } else if body.len() > most_spec && spec_too_long(body, most_spec) {
        format!("spec is longer than {most_spec} bytes")
    } else {
        match Wire::<Whole<'_, O>>::read(body) {
            Ok(wire) => {
                let Whole {
                    uid: id,
                    kind,
                    sub_resource,
                    name,
                    namespace,
                    operation,
                    user_info,
                    dry_run,
                    options,
                    object,
                    old_object,
                } = wire.request()?;
                let head = Head {
                    kind,
                    sub_resource,
                    name,
                    namespace,
                    operation,
                    user_info,
                    dry_run,
                    options,
                };
                return Ok(Review {
                    uid: uid(id)?,
                    head: Ok(head),
                    objects: Ok((object, old_object)),
                });
            }
            Err(error) => error.to_string(),
        }
    };
    let uid = uid(Wire::<Uid<'_>>::read(body)?.request()?.uid)?;
    // Skipped parts are skipped without recursion, so depth does no harm here.
    let head = Wire::<Head<'_>>::read(body).map_err(|error| error.to_string());
    let head = head.and_then(|wire| wire.request().map_err(|error| error.to_string()));
    Ok(Review {
        uid,
        head,
        objects: Err(why),
    })
}

/// Whether a spec of the review is longer than `most` bytes.
fn spec_too_long(body: &str, most: usize) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Objects<'a> {
        #[serde(borrow, default)]
        object: Option<Object<'a>>,
        #[serde(borrow, default)]
        old_object: Option<Object<'a>>,
    }
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow, default)]
        spec: Option<&'a RawValue>,
    }
    let Ok(Wire {
        request: Some(Objects { object, old_object }),
        ..
    }) = Wire::<Objects<'_>>::read(body)
    else {
        return false;
    };
    let specs = [object, old_object]
        .into_iter()
        .flatten()
        .filter_map(|object| object.spec);
    specs.into_iter().any(|spec| spec.get().len() > most)
}

/// Whether brackets nest deeper than [`MOST_DEPTH`].
fn too_deep(body: &[u8]) -> bool {
    let opens = |byte: &u8| matches!(byte, b'{' | b'[');
    // Hardly any review has that many brackets in all, and counting them is next to free.
    let brackets = |bytes: &[u8]| usize::from(bytes.iter().map(|byte| u8::from(opens(byte))).sum::<u8>());
    if body.chunks(usize::from(u8::MAX)).map(brackets).sum::<usize>() <= MOST_DEPTH {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            byte if opens(byte) => {
                depth += 1;
                if depth > MOST_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
