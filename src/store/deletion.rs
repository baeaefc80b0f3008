//! Which claims are deleted without a word, and the annotation that says the word. The chart's policy on DELETE says the
//! same in the API server's process; here it is asked about first, so that a person is asked back instead of refused.

use std::collections::BTreeSet;

use serde_json::Value;

/// The annotation that allows a claim's deletion, if it is [`ALLOWED`].
pub const ALLOW: &str = "platform.example.org/allow-deletion";

/// The one value of [`ALLOW`] that allows it.
pub const ALLOWED: &str = "true";

/// The environments whose claims are deleted without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposable(pub BTreeSet<String>);

impl Disposable {
    /// Whether `claim` is deleted without a word: its environment is one of these, or it is annotated.
    #[must_use]
    pub fn has(&self, claim: &Value) -> bool {
        let environment = claim.pointer("/spec/parameters/environment").and_then(Value::as_str);
        environment.is_some_and(|name| self.0.contains(name)) || is_allowed(claim)
    }
}

/// Whether somebody has said on `claim` that it may be deleted.
#[must_use]
pub fn is_allowed(claim: &Value) -> bool {
    annotation(claim).is_some_and(|value| value == ALLOWED)
}

/// What the annotation says.
pub(super) fn annotation(claim: &Value) -> Option<&Value> {
    claim.pointer("/metadata/annotations")?.get(ALLOW)
}
