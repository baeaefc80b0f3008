//! What is answered when something is not done: `application/problem+json`, RFC 9457. The one place that knows which HTTP
//! status a refusal has. `document` says the same in the `OpenAPI` document.

mod document;

use axum::extract::Path;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::request::{Named, misnamed};
use crate::catalog::cut;
use crate::claim::{self, Cause};
use crate::store::{Key, LABEL, MOST_NAME, NAME, StoreError, is_label, is_subdomain};

pub(super) use document::{header, problems, responses, schemas};

const PROBLEM_JSON: &str = "application/problem+json";

/// What a `type` begins with. It names the problem; there need not be a page.
const TYPES: &str = "https://platform.example.org/problems/";

/// The most bytes of what is told of a query.
const MOST_TOLD: usize = 256;

/// After how many seconds it makes sense to try again.
const LATER: HeaderValue = HeaderValue::from_static("2");

/// What went wrong, as one word. These words are documented and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the title says it")]
pub enum Kind {
    Malformed,
    Invalid,
    NotAuthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    BeingDeleted,
    Changed,
    Expired,
    TooSlow,
    TooLarge,
    NotJson,
    NotLocal,
    Unschedulable,
    NotInstalled,
    ConfirmationRequired,
    Rejected,
    Internal,
    NotPlaced,
    Unavailable,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Malformed,
        Self::Invalid,
        Self::NotAuthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BeingDeleted,
        Self::Changed,
        Self::Expired,
        Self::TooSlow,
        Self::TooLarge,
        Self::NotJson,
        Self::NotLocal,
        Self::Unschedulable,
        Self::NotInstalled,
        Self::ConfirmationRequired,
        Self::Rejected,
        Self::Internal,
        Self::NotPlaced,
        Self::Unavailable,
    ];

    /// Status, word and title.
    fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Malformed => (StatusCode::BAD_REQUEST, "malformed", "The request cannot be read"),
            Self::Invalid => (
                StatusCode::BAD_REQUEST,
                "invalid",
                "Something is wrong with what is asked for",
            ),
            Self::NotAuthenticated => (StatusCode::UNAUTHORIZED, "not-authenticated", "Say who you are"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "You may not do this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "It is not there"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "That cannot be done to it",
            ),
            Self::BeingDeleted => (StatusCode::CONFLICT, "being-deleted", "The claim is being deleted"),
            Self::Changed => (StatusCode::CONFLICT, "changed", "It has changed in the meantime"),
            Self::Expired => (StatusCode::GONE, "expired", "The list has gone on"),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                "The request did not come in time",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large"),
            Self::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The request is not JSON",
            ),
            Self::NotLocal => (
                StatusCode::MISDIRECTED_REQUEST,
                "not-local",
                "This server answers this machine only",
            ),
            Self::Unschedulable => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unschedulable",
                "No candidate takes the claim",
            ),
            Self::NotInstalled => (
                StatusCode::FAILED_DEPENDENCY,
                "not-installed",
                "The platform is not installed",
            ),
            Self::ConfirmationRequired => (
                StatusCode::CONFLICT,
                "confirmation-required",
                "The claim has to be named once more",
            ),
            Self::Rejected => (
                StatusCode::BAD_GATEWAY,
                "rejected",
                "The cluster does not take the request",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something is wrong with this server",
            ),
            Self::NotPlaced => (
                StatusCode::FAILED_DEPENDENCY,
                "not-placed",
                "The claim is there, and nobody has placed it",
            ),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now"),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// The `type`.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{TYPES}{}", self.row().1)
    }

    /// What a person reads first.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().2
    }
}

/// One thing that is wrong with what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Why, as one of the documented words.
    #[schema(value_type = String, example = "PlacementForbidden")]
    pub reason: Cause,
    /// The field of the request; empty where it is about the request as a whole.
    #[schema(example = "provider")]
    pub field: String,
    /// What is wrong, and what to do.
    #[schema(example = "is written by the platform alone; remove it")]
    pub message: String,
}

impl From<claim::Problem> for FieldError {
    /// The fields of a claim by the names that a request has for them.
    fn from(problem: claim::Problem) -> Self {
        let claim::Problem { cause, field, message } = problem;
        let short = ["spec.parameters.", "metadata."]
            .iter()
            .find_map(|place| field.strip_prefix(place));
        Self {
            reason: cause,
            field: short.map_or(field.clone(), str::to_owned),
            message,
        }
    }
}

/// What is answered when something is not done.
#[derive(Clone, Debug)]
pub struct Problem {
    pub(super) kind: Kind,
    detail: String,
    errors: Vec<FieldError>,
    decision: Option<Box<RawValue>>,
}

/// The problem on the wire.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Wire<'a> {
    /// Which problem it is; stable.
    #[serde(rename = "type")]
    #[schema(example = "https://platform.example.org/problems/invalid")]
    uri: String,
    /// The same for people.
    #[schema(example = "Something is wrong with what is asked for")]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 400)]
    status: u16,
    /// What happened this time, and what to do.
    #[schema(example = "provider: is written by the platform alone; remove it")]
    detail: &'a str,
    /// Everything that is wrong, each with its field.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    /// With `unschedulable`: everything that was weighed, like the answer of `POST /api/placement`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<super::decision::Decided>)]
    decision: Option<&'a RawValue>,
}

impl Problem {
    /// A problem of that kind; `detail` says what happened and what to do.
    #[must_use]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            decision: None,
        }
    }

    /// Everything that is wrong with what was asked for.
    #[must_use]
    pub fn invalid(problems: Vec<claim::Problem>) -> Self {
        let errors: Vec<FieldError> = problems.into_iter().map(FieldError::from).collect();
        let told = |error: &FieldError| match &*error.field {
            "" => error.message.clone(),
            field => format!("{field}: {}", error.message),
        };
        let detail = match errors.as_slice() {
            [one] => told(one),
            several => {
                let told: Vec<String> = several.iter().map(told).collect();
                format!("{} problems: {}", several.len(), told.join(". "))
            }
        };
        Self {
            errors,
            ..Self::new(Kind::Invalid, detail)
        }
    }

    /// The claim fits nowhere; `decision` is everything that was weighed, where that is known.
    #[must_use]
    pub fn unschedulable(detail: String, decision: Option<Box<RawValue>>) -> Self {
        Self {
            decision,
            ..Self::new(Kind::Unschedulable, detail)
        }
    }
}

impl Problem {
    /// A query string that cannot be used.
    pub(super) fn of_query(error: &QueryRejection) -> Self {
        let told = error.body_text();
        let told = told
            .strip_prefix("Failed to deserialize query string: ")
            .unwrap_or(&told);
        Self::new(
            Kind::Malformed,
            format!(
                "the query cannot be used: {}",
                cut(told.escape_debug().to_string(), MOST_TOLD)
            ),
        )
    }

    /// The claim that a path names.
    pub(super) fn key(path: Result<Path<Named>, PathRejection>) -> Result<Key, Self> {
        let none = |_| Self::new(Kind::Malformed, "the path names no claim: it is not UTF-8");
        let Path(Named { namespace, name }) = path.map_err(none)?;
        Key::new(&namespace, &name).ok_or_else(|| {
            let namespace = (!is_label(&namespace)).then(|| misnamed("namespace", &namespace, LABEL));
            let name = (!is_subdomain(&name, MOST_NAME)).then(|| misnamed("name", &name, NAME));
            Self::invalid([namespace, name].into_iter().flatten().collect())
        })
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Refused(problems) => {
                return match problems.iter().find(|problem| problem.cause == Cause::Unschedulable) {
                    Some(one) => Self::unschedulable(one.message.clone(), None),
                    None => Self::invalid(problems),
                };
            }
            StoreError::Rejected { code, message } => {
                return Self::new(Kind::Rejected, format!("the cluster answers {code}: {message}"));
            }
            StoreError::Failed(why) => {
                tracing::error!("the store failed: {why}");
                return Self::new(Kind::Internal, why);
            }
            StoreError::NotAuthenticated(_) => Kind::NotAuthenticated,
            StoreError::Forbidden(_) => Kind::Forbidden,
            StoreError::NotFound(_) | StoreError::NoSuchPage => Kind::NotFound,
            StoreError::AlreadyExists(_) | StoreError::Changed(_) => Kind::Changed,
            StoreError::NotInstalled => Kind::NotInstalled,
            StoreError::Expired => Kind::Expired,
            StoreError::Unavailable(_) => Kind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let wire = Wire {
            uri: self.kind.uri(),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
            decision: self.decision.as_deref(),
        };
        // Texts and what was JSON before, none of which can fail to serialise.
        let mut body = serde_json::to_vec(&wire).unwrap_or_default();
        body.push(b'\n');
        let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        let headers = response.headers_mut();
        match self.kind {
            Kind::NotAuthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::Unavailable => {
                headers.insert(RETRY_AFTER, LATER);
            }
            _ => {}
        }
        response
    }
}
