//! One thing wrong with a claim: where, what, and what to do. No HTTP, no envelope.

use std::fmt;

use serde::{Serialize, Serializer};

/// Why a claim is refused, as one word: the `reason` of a cause in `status.details`, and a metric label.
///
/// These words are documented and do not change; clients tell our refusals from RBAC's by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A field, annotation or selector that the platform alone writes was set.
    PlacementForbidden,
    /// An update would change or add to the stored placement.
    PlacementChanged,
    /// A placement is not the one that was, or would be, decided.
    PlacementMismatch,
    /// A required field is missing.
    FieldMissing,
    /// A field has the wrong type.
    FieldType,
    /// A field's value is out of range or malformed.
    FieldInvalid,
    /// A name that the catalog does not have.
    FieldUnknown,
    /// The catalog has something that the claim needs, but it is not accepted.
    CatalogNotAccepted,
    /// A field that stays for life would change.
    FieldFixed,
    /// `storageGB` would shrink.
    StorageShrunk,
    /// The tier would require less than it did.
    TierLowered,
    /// The stored placement does not have what the change asks for.
    PlacementUnfit,
    /// No candidate passes every gate.
    Unschedulable,
    /// The writer may create claims only.
    WriterForbidden,
    /// An object of the catalog is wrong.
    CatalogInvalid,
    /// The review or the object in it cannot be used.
    Malformed,
}

impl Cause {
    /// Every cause, in the order of this declaration.
    pub const ALL: [Self; 16] = [
        Self::PlacementForbidden,
        Self::PlacementChanged,
        Self::PlacementMismatch,
        Self::FieldMissing,
        Self::FieldType,
        Self::FieldInvalid,
        Self::FieldUnknown,
        Self::CatalogNotAccepted,
        Self::FieldFixed,
        Self::StorageShrunk,
        Self::TierLowered,
        Self::PlacementUnfit,
        Self::Unschedulable,
        Self::WriterForbidden,
        Self::CatalogInvalid,
        Self::Malformed,
    ];

    /// The word itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlacementForbidden => "PlacementForbidden",
            Self::PlacementChanged => "PlacementChanged",
            Self::PlacementMismatch => "PlacementMismatch",
            Self::FieldMissing => "FieldMissing",
            Self::FieldType => "FieldType",
            Self::FieldInvalid => "FieldInvalid",
            Self::FieldUnknown => "FieldUnknown",
            Self::CatalogNotAccepted => "CatalogNotAccepted",
            Self::FieldFixed => "FieldFixed",
            Self::StorageShrunk => "StorageShrunk",
            Self::TierLowered => "TierLowered",
            Self::PlacementUnfit => "PlacementUnfit",
            Self::Unschedulable => "Unschedulable",
            Self::WriterForbidden => "WriterForbidden",
            Self::CatalogInvalid => "CatalogInvalid",
            Self::Malformed => "Malformed",
        }
    }
}

impl Cause {
    /// The cause of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One thing wrong with a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its kind, for programs.
    pub cause: Cause,
    /// The field's path, such as `spec.parameters.cell`; empty where it concerns the claim as a whole.
    pub field: String,
    /// What is wrong and what to do, for people; it does not repeat the path.
    pub message: String,
}

impl Problem {
    /// A problem with `field`.
    #[must_use]
    pub fn new(cause: Cause, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            cause,
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// A text from a claim as messages and logs show it: at most 64 characters, control and bidirectional characters
/// escaped, so that it can neither forge a line nor garble a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        const MOST: usize = 64;
        // Nearly every name is plain, and every log line shows four.
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if self.0.len() <= MOST && self.0.bytes().all(plain) {
            return f.write_str(self.0);
        }
        let mut room = MOST;
        for c in self.0.chars() {
            // What Rust escapes in a string literal: controls, bidirectional and other format characters, lone marks.
            let shown = match c {
                '\'' => 1,
                c => c.escape_debug().count(),
            };
            if shown > room {
                return f.write_char('…');
            }
            room -= shown;
            if shown == 1 {
                f.write_char(c)?;
            } else {
                write!(f, "{}", c.escape_debug())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_text_is_short_and_has_no_character_that_a_terminal_obeys() {
        assert_eq!(Shown("payments").to_string(), "payments");
        assert_eq!(
            Shown("a\nb\u{1b}[31m\u{202e}\u{200b}\"'").to_string(),
            "a\\nb\\u{1b}[31m\\u{202e}\\u{200b}\\\"'"
        );
        assert_eq!(Shown(&"x".repeat(64)).to_string(), "x".repeat(64));
        assert_eq!(Shown(&"x".repeat(65)).to_string(), format!("{}…", "x".repeat(64)));
        assert!(Shown(&"\u{202e}".repeat(64)).to_string().chars().count() <= 65);
    }

    #[test]
    fn every_cause_is_listed_once() {
        let words: std::collections::BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(words.len(), Cause::ALL.len());
        assert!(Cause::ALL.is_sorted());
    }
}
