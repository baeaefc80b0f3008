//! `AdmissionReview` v1, read and written. The only file that knows of base64 and JSON Patch.
//!
//! A review is read straight from the bytes and loosely: whatever is wrong inside it is answered with its uid and a
//! reason, so only what is no review at all is an error. See
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Edit};
use super::{Operation, Settings, Writer};
use crate::claim::wire::{Str, mapping, mapping_or_null};
use crate::claim::{Cause, Claim, GROUP, KIND, Problem};

const API_VERSION: &str = "admission.k8s.io/v1";
const REVIEW: &str = "AdmissionReview";

/// Room for a usual patch or response, in bytes, so that it is not moved while it grows.
const ROOM: usize = 4096;

/// The deepest nesting that is looked into; serde's own bound on what it parses, held to what it skips as well.
const MOST_DEPTH: usize = 128;

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

/// A review whose uid is known.
#[derive(Debug)]
pub struct Review<'a> {
    /// The id that the response repeats; never empty.
    pub uid: Cow<'a, str>,
    /// What is asked, or why that cannot be made out.
    pub head: Result<Head<'a>, String>,
    /// The object and the stored one, or why they cannot be read.
    pub objects: Result<Objects<'a>, String>,
}

/// The objects of a review: the new and the stored one.
pub type Objects<'a> = (Option<Claim<'a>>, Option<Claim<'a>>);

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
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
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
    #[serde(borrow, default, deserialize_with = "mapping_or_null")]
    object: Option<Claim<'a>>,
    #[serde(borrow, default, deserialize_with = "mapping_or_null")]
    old_object: Option<Claim<'a>>,
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

/// Reads a review; what cannot be read of it is left to the answer to explain.
///
/// # Errors
/// There is no uid to answer to.
pub fn read(body: &[u8]) -> Result<Review<'_>, Unreadable> {
    let body = std::str::from_utf8(body)?;
    let why = if too_deep(body.as_bytes()) {
        format!("the review is nested deeper than {MOST_DEPTH} levels")
    } else {
        match Wire::<Whole<'_>>::read(body) {
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

/// The refusal of a review that is longer than the server reads, where its beginning holds the uid.
#[must_use]
pub fn refuse_oversized(beginning: &[u8], most_bytes: usize) -> Option<Vec<u8>> {
    let mut found = None;
    // The text ends in the middle, so this always fails; what it has seen by then is what counts.
    let _ = FindUid {
        in_request: false,
        found: &mut found,
    }
    .deserialize(&mut serde_json::Deserializer::from_slice(beginning));
    let uid = found.filter(|uid| !uid.is_empty())?;
    Some(write(
        &uid,
        &Answer::malformed("", format!("the review is larger than {most_bytes} bytes")),
    ))
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireResponse<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<AuditAnnotations<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Cow<'a, str>>,
}

/// What the audit log keeps of a decision; the API server puts the webhook's name before each key.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct AuditAnnotations<'a> {
    outcome: &'static str,
    winner: &'a str,
    score: String,
    catalog_revision: &'a str,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    code: u16,
    reason: &'static str,
    message: String,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    group: &'static str,
    kind: &'static str,
    causes: Vec<StatusCause<'a>>,
}

#[derive(Serialize)]
struct StatusCause<'a> {
    reason: Cause,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: Cow<'a, str>,
    message: Cow<'a, str>,
}

/// The edits as a JSON Patch (RFC 6902).
#[must_use]
pub fn patch(edits: &[Edit<'_>]) -> String {
    let mut out = String::with_capacity(ROOM);
    for (i, Edit { path, json }) in edits.iter().enumerate() {
        // An `add` replaces what is there (RFC 6902, section 4.1).
        out.push_str(if i == 0 {
            r#"[{"op":"add","path":"#
        } else {
            r#"},{"op":"add","path":"#
        });
        out.push_str(&serde_json::to_string(path).unwrap_or_default());
        out.push_str(r#","value":"#);
        out.push_str(json);
    }
    out.push_str(if edits.is_empty() { "[]" } else { "}]" });
    out
}

/// The response to the review with this uid.
#[must_use]
pub fn write(uid: &str, answer: &Answer<'_>) -> Vec<u8> {
    let mut body = json(&WireResponse {
        api_version: API_VERSION,
        kind: REVIEW,
        response: Response {
            uid,
            allowed: answer.verdict.is_ok(),
            status: answer.verdict.as_ref().err().map(|problems| status(problems)),
            audit_annotations: answer.placed.as_ref().map(|placed| AuditAnnotations {
                outcome: answer.outcome.as_str(),
                winner: &placed.candidate,
                score: placed.score.to_string(),
                catalog_revision: &placed.revision,
            }),
            warnings: answer
                .warnings
                .iter()
                .map(|warning| masked(Cow::Borrowed(warning)))
                .collect(),
        },
    });
    match answer.verdict.as_deref() {
        Ok(edits) if !edits.is_empty() => add_patch(&mut body, patch(edits).as_bytes()),
        _ => {}
    }
    body
}

/// Adds the patch to a response. It is by far the longest part and base64 needs no escaping, so it is put in as it is
/// rather than have a serialiser look at every byte of it.
fn add_patch(body: &mut Vec<u8>, patch: &[u8]) {
    const END: &[u8] = b"}}";
    body.truncate(body.len() - END.len());
    body.extend_from_slice(br#","patchType":"JSONPatch","patch":""#);
    let start = body.len();
    body.resize(start + patch.len().div_ceil(3) * 4, 0);
    if let Some(room) = body.get_mut(start..) {
        // The room is exactly what padded base64 takes.
        let _ = STANDARD.encode_slice(patch, room);
    }
    body.push(b'"');
    body.extend_from_slice(END);
}

/// Every refusal is 403: at 409 or 422, GitOps tools with `force` delete and create anew.
fn status(problems: &[Problem]) -> Status<'_> {
    let causes = problems
        .iter()
        .map(|problem| StatusCause {
            reason: problem.cause,
            field: masked(Cow::Borrowed(&problem.field)),
            message: masked(Cow::Borrowed(&problem.message)),
        })
        .collect();
    Status {
        status: "Failure",
        code: 403,
        reason: "Forbidden",
        message: masked(Cow::Owned(message(problems))).into_owned(),
        details: Details {
            group: GROUP,
            kind: KIND,
            causes,
        },
    }
}

/// Every problem, readable in a terminal: one on the line, several on a line each.
#[must_use]
pub fn message(problems: &[Problem]) -> String {
    match problems {
        [one] => one.to_string(),
        many => {
            let heading = format!("{} problems, nothing was changed:", many.len());
            many.iter()
                .fold(heading, |text, problem| text + "\n  - " + &problem.to_string())
        }
    }
}

/// GitOps tools delete and recreate what is answered with this word, so it never leaves the house, not even in an echo.
fn masked(text: Cow<'_, str>) -> Cow<'_, str> {
    const WORD: &str = "immutable";
    let lower = text.to_ascii_lowercase();
    if !lower.contains(WORD) {
        return text;
    }
    let mut masked = text.into_owned();
    for (at, _) in lower.match_indices(WORD) {
        masked.replace_range(at..at + WORD.len(), "i*******e");
    }
    Cow::Owned(masked)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROOM);
    // Every key is a string and every number finite, so nothing here can fail to serialise; were it to, the API
    // server would take the broken answer for a failed call and refuse.
    let _ = serde_json::to_writer(&mut bytes, value);
    bytes
}
