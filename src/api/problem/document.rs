//! The problems in the `OpenAPI` document: which an operation can meet, and what they look like.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Kind, PROBLEM_JSON, Wire};

/// The problems that any request can meet.
const ANY: [Kind; 6] = [
    Kind::Malformed,
    Kind::TooSlow,
    Kind::TooLarge,
    Kind::NotLocal,
    Kind::Internal,
    Kind::Unavailable,
];

/// The responses of an operation that can meet these, and those that any can, by status.
pub(in crate::api) fn responses(kinds: &[Kind]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<Kind>> = BTreeMap::new();
    for kind in Kind::ALL
        .into_iter()
        .filter(|kind| ANY.contains(kind) || kinds.contains(kind))
    {
        by_status
            .entry(kind.status().as_str().to_owned())
            .or_default()
            .push(kind);
    }
    let response = |kinds: &[Kind]| {
        let titles: Vec<&str> = kinds.iter().map(|kind| kind.title()).collect();
        let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
        for kind in kinds {
            let value = json!({
                "type": kind.uri(), "title": kind.title(), "status": kind.status().as_u16(), "detail": example(*kind),
            });
            let example = ExampleBuilder::new().value(Some(value)).build();
            content = content.examples_from_iter([(kind.row().1, example)]);
        }
        let mut response = ResponseBuilder::new()
            .description(titles.join(". Or: "))
            .content(PROBLEM_JSON, content.build());
        if kinds.contains(&Kind::Unavailable) {
            response = response.header(
                "Retry-After",
                header(Type::Integer, "After how many seconds to ask again"),
            );
        }
        if kinds.contains(&Kind::NotAuthenticated) {
            response = response.header("WWW-Authenticate", header(Type::String, "Bearer"));
        }
        response.build()
    };
    by_status
        .into_iter()
        .map(|(status, kinds)| (status, RefOr::T(response(&kinds))))
        .collect()
}

/// A header, for the document.
pub(in crate::api) fn header(kind: Type, description: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind);
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(description))
        .build()
}

/// Names the problems that an operation can meet, for its documentation.
macro_rules! problems {
    ($(#[$doc:meta])* $name:ident: $($kind:ident),*) => {
        $(#[$doc])*
        struct $name;
        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                $crate::api::problem::responses(&[$($crate::api::problem::Kind::$kind),*])
            }
        }
    };
}
pub(in crate::api) use problems;

/// What the document has to know beside what its paths name.
pub(in crate::api) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![("Problem".to_owned(), Wire::schema())];
    Wire::schemas(&mut schemas);
    schemas
}

/// A `detail` as it may look.
fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Malformed => "the body is no JSON: expected value at line 1 column 1",
        Kind::Invalid => "provider: is written by the platform alone; remove it",
        Kind::NotAuthenticated => "no token came: send `Authorization: Bearer TOKEN`",
        Kind::Forbidden => "you may not list claims of all namespaces; ask for those of one: ?namespace=NAME",
        Kind::NotFound => "there is no claim orders-db in namespace orders",
        Kind::MethodNotAllowed => "the header Allow says what can be done",
        Kind::BeingDeleted => "claim orders-db in namespace orders is being deleted; ask again once it is gone",
        Kind::Changed => "claim orders-db in namespace orders is another one by now; look at it, and ask again",
        Kind::Expired => "the list has gone on since its first page was asked for; begin again without `continue`",
        Kind::TooSlow => "the body did not arrive within 10s",
        Kind::TooLarge => "the body is larger than 65536 bytes",
        Kind::NotJson => "send the body with `Content-Type: application/json`",
        Kind::NotLocal => "the header Host must name this machine, such as localhost:8080",
        Kind::Unschedulable => {
            "0/1 candidates fit: 1 lacks MultiAZ; oci-us-ashburn-1: lacks MultiAZ; ask for less (tier, ha), or ask your \
                 platform team"
        }
        Kind::NotInstalled => {
            "the cluster does not know MySQLInstanceClaim; install it: idp-multicloud crd | kubectl apply --server-side -f -"
        }
        Kind::ConfirmationRequired => {
            "claim orders-db stands for a database that is kept (environment prod); to delete it all the same, add \
                 ?confirm=orders-db"
        }
        Kind::Rejected => "the cluster answers 422: …",
        Kind::Internal => "the log says more",
        Kind::NotPlaced => {
            "claim orders-db in namespace orders was stored, but not placed, and never will be: is the webhook installed? \
                 Tell your platform team"
        }
        Kind::Unavailable => "the API server cannot be reached; try again",
    }
}
