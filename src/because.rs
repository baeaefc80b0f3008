//! Why something failed, in words. A leaf.

use std::error::Error;
use std::iter::successors;

/// An error and its causes. Some errors end with the words of their cause, which are then not said again.
pub(crate) fn because(error: &(dyn Error + 'static)) -> String {
    let mut said = String::new();
    for cause in successors(Some(error), |&error| error.source()) {
        let words = cause.to_string();
        if said.is_empty() {
            said = words;
        } else if !said.ends_with(&words) {
            said = format!("{said}: {words}");
        }
    }
    said
}
