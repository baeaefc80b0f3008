//! Policies from object to answer: the worked examples, what each mode does at CREATE and UPDATE, and the laws.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on is to say so and end"
)]

#[path = "../support/admission.rs"]
mod support;

mod cli;
mod examples;
mod laws;
mod modes;
mod objects;
mod updates;
mod why_not;

use idp_multicloud::admission::{Answer, Settings, Webhook, answer, envelope};
use idp_multicloud::catalog::live::Held;
use idp_multicloud::catalog::{CatalogError, Object, Snapshot, builtin, check};
use idp_multicloud::placement::{Decision, Request, Size, decide};
use serde_json::{Value, json};

use self::support::Claim;

/// The built-in catalog's objects and these.
fn objects(more: impl IntoIterator<Item = Value>) -> Vec<Object> {
    let all = builtin::load().unwrap().objects().into_iter().chain(more);
    all.map(|value| Object {
        file: "policies.yaml".to_owned(),
        value,
    })
    .collect()
}

fn catalog(more: impl IntoIterator<Item = Value>) -> Snapshot {
    check(&objects(more)).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with these, beside the built-in catalog: object, path and message.
fn problems(more: impl IntoIterator<Item = Value>) -> Vec<(String, String, String)> {
    match check(&objects(more)) {
        Ok(_) => Vec::new(),
        Err(CatalogError::Invalid(problems)) => problems
            .into_iter()
            .map(|problem| (problem.object, problem.path, problem.message))
            .collect(),
        Err(other) => panic!("{other}"),
    }
}

fn policy(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "platform.example.org/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": { "name": name },
        "spec": spec,
    })
}

/// A policy of one condition, on all claims.
fn asking(name: &str, mode: &str, expression: &str, message: &str) -> Value {
    policy(
        name,
        &json!({ "mode": mode, "validations": [{ "expression": expression, "message": message }] }),
    )
}

fn request(size: Size, storage_gb: u16) -> Request<'static> {
    Request {
        cell: "payments".into(),
        tier: "C1".into(),
        environment: "prod".into(),
        size,
        storage_gb,
        ha: false,
        namespace: "payments".into(),
    }
}

fn decided(catalog: &Snapshot) -> Decision<'_> {
    decide(catalog, request(Size::Medium, 50)).unwrap()
}

fn no(provider: &str, mode: &str) -> Value {
    asking(
        &format!("no-{provider}"),
        mode,
        &format!("candidate.provider != '{provider}'"),
        &format!("{provider} is full"),
    )
}

/// What becomes of a review of `new`, or of the change of `old` into it.
fn judged(old: Option<&Claim>, new: &Claim, catalog: &Snapshot, judge: impl FnOnce(&Answer<'_>)) {
    let review = old.map_or_else(|| support::create(new), |old| support::update(old, new));
    let body = review.bytes();
    let review = envelope::read(&body).unwrap();
    let held = Held::new(catalog.clone());
    judge(&answer(Webhook::Mutate, &review, &held, &Settings::default()));
}
