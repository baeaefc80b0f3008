//! The claims that `place` is asked about: out of a file's documents, or made of flags. Nothing is judged here.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::claim::{GROUP, KIND, Shown, VERSION};
use crate::yaml;

/// The most bytes that are read, as many as the webhook takes.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// A claim as somebody would submit it.
#[derive(Debug)]
pub(super) struct Submitted {
    /// The object, with whatever it holds.
    pub(super) object: Value,
    /// What messages call it; harmless on a terminal.
    pub(super) title: String,
}

/// The claims of a file, and what else is in it.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Never empty.
    pub(super) claims: Vec<Submitted>,
    /// The documents that are no claims, in words.
    pub(super) skipped: Vec<String>,
}

impl Submitted {
    /// A claim without a name.
    pub(super) fn of_parameters(parameters: &Value, namespace: Option<&str>) -> Self {
        let metadata = namespace.map_or_else(|| json!({}), |namespace| json!({ "namespace": namespace }));
        Self {
            object: json!({
                "apiVersion": format!("{GROUP}/{VERSION}"),
                "kind": KIND,
                "metadata": metadata,
                "spec": { "parameters": parameters },
            }),
            title: "request".to_owned(),
        }
    }

    fn of_object(mut object: Value) -> Self {
        let title = title(&object);
        if let Some(metadata) = object.as_object_mut().map(|fields| fields.entry("metadata"))
            && let metadata = metadata.or_insert(Value::Null)
            && metadata.is_null()
        {
            // The API server never sends an object without.
            *metadata = json!({});
        }
        Self { object, title }
    }

    /// A text in `metadata`.
    pub(super) fn metadata(&self, field: &str) -> Option<&str> {
        metadata(&self.object, field)
    }
}

/// Reads the claims in a file, or from standard input where `path` is `-`.
///
/// # Errors
/// The file cannot be read, is no YAML, or holds no claim.
pub(super) fn read(path: &Path) -> anyhow::Result<Found> {
    let shown = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let text = text(path, &shown)?;
    let documents = yaml::documents(&text).with_context(|| format!("{shown} cannot be read as YAML"))?;
    let mut found = Found::default();
    for document in documents {
        found.add(document);
    }
    if found.claims.is_empty() {
        let skipped = found.skipped.join("\n  - ");
        let listed = if skipped.is_empty() { "" } else { "\n  - " };
        bail!("{shown} holds no {KIND} of {GROUP}{listed}{skipped}");
    }
    Ok(found)
}

fn text(path: &Path, shown: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
    };
    let read = read.with_context(|| format!("{shown} cannot be read"))?;
    if u64::try_from(read)? > MOST_BYTES {
        bail!("{shown} is larger than {MOST_BYTES} bytes");
    }
    String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8"))
}

impl Found {
    fn add(&mut self, document: Value) {
        let word = |field| document.get(field).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (word("apiVersion"), word("kind"));
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        if group == GROUP && kind == KIND {
            return self.claims.push(Submitted::of_object(document));
        }
        let is_list =
            (api_version, kind) == ("v1", "List") || (group == GROUP && kind.strip_suffix("List") == Some(KIND));
        if is_list && document.get("items").is_some_and(Value::is_array) {
            if let Value::Object(mut list) = document
                && let Some(Value::Array(items)) = list.remove("items")
            {
                for item in items {
                    self.add(item);
                }
            }
            return;
        }
        self.skipped.push(match (api_version, kind) {
            (_, "") => "a document without a kind".to_owned(),
            ("", kind) => format!("{} {}, which has no apiVersion", Shown(kind), title(&document)),
            _ => format!("{} {} of {}", Shown(kind), title(&document), Shown(api_version)),
        });
    }
}

fn metadata<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.as_str()
}

/// Namespace and name, or what of them there is.
fn title(object: &Value) -> String {
    let name = match (metadata(object, "name"), metadata(object, "generateName")) {
        (Some(name), _) => Shown(name).to_string(),
        (None, Some(prefix)) => format!("{}…", Shown(prefix)),
        (None, None) => "(no name)".to_owned(),
    };
    match metadata(object, "namespace") {
        Some(namespace) => format!("{}/{name}", Shown(namespace)),
        None => name,
    }
}
