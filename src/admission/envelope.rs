//! `AdmissionReview` v1, read and written. The only room that knows of base64 and JSON Patch.
//!
//! A review is read straight from the bytes and loosely: whatever is wrong inside it is answered with its uid and a
//! reason, so only what is no review at all is an error. See
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>.

mod beginning;
mod request;
mod response;

use super::answer::Answer;

pub use request::{Head, Review, Unreadable, read, read_any};
pub use response::{message, patch, write, write_about};

const API_VERSION: &str = "admission.k8s.io/v1";
const REVIEW: &str = "AdmissionReview";

/// The refusal of a review that is longer than the server reads, where its beginning holds the uid.
#[must_use]
pub fn refuse_oversized(beginning: &[u8], most_bytes: usize) -> Option<Vec<u8>> {
    let uid = beginning::uid_in(beginning)?;
    let message = format!("the review is larger than {most_bytes} bytes");
    Some(write(&uid, &Answer::malformed("", message)))
}
