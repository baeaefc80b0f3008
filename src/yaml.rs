//! YAML in and out, for people's files: the catalog folder and the command line. A leaf.

use serde::Serialize;
use serde_json::Value;

/// Why a text could not be read or a value not be written.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// Not YAML, a key twice, or aliases that multiply beyond bounds.
    #[error("{0}")]
    Read(#[source] Box<serde_saphyr::Error>),
    /// A value that YAML has no form for.
    #[error("{0}")]
    Write(#[from] serde_saphyr::SerializeError),
}

/// The documents of a YAML (or JSON) text; empty ones are left out.
///
/// # Errors
/// The first fault of the text, with line and column.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    // A message is one line: the snippet that the parser would add is another ten.
    let options = serde_saphyr::options! { with_snippet: false };
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|e| YamlError::Read(Box::new(e)))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// `value` as one YAML document.
///
/// # Errors
/// The value has no form in YAML.
pub fn to_string(value: &impl Serialize) -> Result<String, YamlError> {
    Ok(serde_saphyr::to_string(value)?)
}
