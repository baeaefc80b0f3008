//! The claims that `place`, `audit` and `catalog diff` are asked about: out of a file, or made of flags. Nothing is
//! judged here.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::progress::Progress;
use crate::claim::{GROUP, KIND, Shown, VERSION};
use crate::yaml::{self, each};

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

/// A document of a file.
#[derive(Debug)]
pub(super) enum Sorted {
    Claim(Submitted),
    /// One that is no claim, in words.
    Other(String),
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
    let shown = shown(path);
    let text = text(path, &shown)?;
    let documents = yaml::documents(&text).with_context(|| format!("{shown} cannot be read as YAML"))?;
    let mut found = Found::default();
    for document in documents {
        sort(document, &mut |sorted| match sorted {
            Sorted::Claim(claim) => found.claims.push(claim),
            Sorted::Other(words) => found.skipped.push(words),
        });
    }
    if found.claims.is_empty() {
        let skipped = found.skipped.join("\n  - ");
        let listed = if skipped.is_empty() { "" } else { "\n  - " };
        bail!("{shown} holds no {KIND} of {GROUP}{listed}{skipped}");
    }
    Ok(found)
}

/// Reads a file of any length, or standard input where `path` is `-`, and gives `take` one claim after the other.
///
/// # Errors
/// The file cannot be read, or is no YAML; what stands before that has been given.
pub(super) fn stream(path: &Path, take: &mut dyn FnMut(Sorted)) -> anyhow::Result<()> {
    let progress = Progress::new();
    let mut take = |document| sort(document, take);
    let read = if path == Path::new("-") {
        each(BufReader::new(progress.bytes(std::io::stdin().lock(), None)), &mut take)
    } else {
        let file = File::open(path).with_context(|| format!("{} cannot be read", shown(path)))?;
        let length = file.metadata().ok().map(|metadata| metadata.len());
        each(BufReader::new(progress.bytes(file, length)), &mut take)
    };
    read.with_context(|| format!("{} cannot be read as YAML", shown(path)))
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
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

/// Whether a document is a claim, a list of some, or something else.
pub(super) fn sort(document: Value, take: &mut dyn FnMut(Sorted)) {
    let word = |field| document.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (word("apiVersion"), word("kind"));
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if group == GROUP && kind == KIND {
        return take(Sorted::Claim(Submitted::of_object(document)));
    }
    let is_list = (api_version, kind) == ("v1", "List") || (group == GROUP && kind.strip_suffix("List") == Some(KIND));
    if is_list && document.get("items").is_some_and(Value::is_array) {
        if let Value::Object(mut list) = document
            && let Some(Value::Array(items)) = list.remove("items")
        {
            for item in items {
                sort(item, take);
            }
        }
        return;
    }
    take(Sorted::Other(match (api_version, kind) {
        (_, "") => "a document without a kind".to_owned(),
        ("", kind) => format!("{} {}, which has no apiVersion", Shown(kind), title(&document)),
        _ => format!("{} {} of {}", Shown(kind), title(&document), Shown(api_version)),
    }));
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
