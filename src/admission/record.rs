//! What is logged and counted of an answer, whoever asked for it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use super::envelope::{self, Review};
use super::{Answer, Operation, Outcome};
use crate::claim::{Cause, Shown};
use crate::telemetry::{Metrics, traces};

/// A text from a review as a log field: short and without control characters, like [`Shown`], and as a string, which
/// the text format puts in quotes, so that none can pass for another field.
fn field(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if text.len() <= 64 && text.bytes().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(Shown(text).to_string())
    }
}

/// Has what may be refused counted from zero on.
pub fn expect(metrics: &Metrics) {
    let refused = |operation: Operation| (operation.as_str(), Outcome::Refused.as_str());
    let reviews = [Operation::Create, Operation::Update].map(refused);
    metrics.expect(&reviews, Cause::ALL.map(Cause::as_str));
}

/// One line, and as attributes of the span that we are in what it does not know itself.
macro_rules! tell {
    ($($name:ident = $value:expr),*; $($line:tt)*) => {
        tracing::info!($($name = $value,)* $($line)* "admission");
        if traces::is_on() {
            $(traces::attribute(concat!("admission.", stringify!($name)), $value);)*
        }
    };
}

/// One line and a few counts for each review; never the object's body.
pub fn record<O>(metrics: &Metrics, review: &Review<'_, O>, answer: &Answer<'_>, revision: &str, took: Duration) {
    let head = review.head.as_ref().ok();
    let operation = head.map_or(Operation::Unknown, envelope::Head::operation).as_str();
    let outcome = answer.outcome.as_str();
    let problems = answer.verdict.as_ref().err();
    // Each cause once: how often a refused object repeats a mistake is up to its author.
    let causes: BTreeSet<_> = problems.into_iter().flatten().map(|problem| problem.cause).collect();
    let causes: Vec<_> = causes.into_iter().map(Cause::as_str).collect();
    metrics.review(operation, outcome, &causes, took);
    let dry_run = head.is_some_and(envelope::Head::dry_run);
    let placed = answer.placed.as_ref();
    if let (Some(placed), Outcome::Placed, false) = (placed, answer.outcome, dry_run) {
        metrics.placement(&placed.cell, &placed.tier, &placed.provider);
    }
    for policy in &answer.policies.broken {
        metrics.policy_error(policy);
    }
    tell! {
        uid = &*field(&review.uid),
        namespace = &*field(head.map_or("", envelope::Head::namespace)),
        name = &*field(head.map_or("", envelope::Head::name)),
        user = &*field(head.map_or("", envelope::Head::user)),
        operation = operation,
        dry_run = dry_run,
        outcome = outcome,
        causes = &*causes.join(","),
        winner = &*field(placed.map_or("", |placed| &placed.candidate)),
        policies = &*answer.policies.text(),
        catalog = revision,
        digest = &*field(placed.map_or("", |placed| &placed.digest));
        duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    }
}
