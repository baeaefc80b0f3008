//! The catalog in a folder: every `*.yaml` in it, each with one or many objects.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::check::{CatalogError, Object, Problem, check};
use super::snapshot::Snapshot;
use crate::yaml;

/// A folder of catalog files, and which content of it was looked at last.
///
/// Bytes are compared, not times: a mounted `ConfigMap` changes by a symlink swap.
#[derive(Clone, Debug)]
pub struct Folder {
    dir: PathBuf,
    seen: Option<Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Content([u8; 32]),
    Unreadable(String),
}

impl Folder {
    /// The folder at `dir`; nothing is read yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            seen: None,
        }
    }

    /// Reads the folder. `None` where it is as it was at the last call, whether that was good or bad.
    ///
    /// # Errors
    /// The folder cannot be read or is no catalog.
    pub fn poll(&mut self) -> Option<Result<Snapshot, CatalogError>> {
        let (seen, outcome) = match read(&self.dir) {
            Ok(files) => {
                let mut hash = Sha256::new();
                for (name, text) in &files {
                    for part in [name.as_bytes(), text] {
                        hash.update(part.len().to_le_bytes());
                        hash.update(part);
                    }
                }
                (Seen::Content(hash.finalize().into()), Ok(files))
            }
            Err(error) => (Seen::Unreadable(error.to_string()), Err(error)),
        };
        if self.seen.as_ref() == Some(&seen) {
            return None;
        }
        self.seen = Some(seen);
        Some(outcome.and_then(|files| parse(&files)))
    }
}

/// Reads and checks the folder at `dir` once.
///
/// # Errors
/// The folder cannot be read or is no catalog.
pub fn load(dir: &Path) -> Result<Snapshot, CatalogError> {
    parse(&read(dir)?)
}

/// The objects in one file's text.
pub(super) fn objects(file: &str, text: &str) -> Result<Vec<Object>, CatalogError> {
    let documents = yaml::documents(text)
        .map_err(|error| CatalogError::Invalid(vec![whole_file(file, format!("cannot be read as YAML: {error}"))]))?;
    Ok(documents
        .into_iter()
        .map(|value| Object {
            file: file.to_owned(),
            value,
        })
        .collect())
}

fn whole_file(file: &str, message: String) -> Problem {
    Problem {
        file: file.to_owned(),
        object: String::new(),
        path: String::new(),
        message,
    }
}

fn read(dir: &Path) -> Result<Vec<(String, Vec<u8>)>, CatalogError> {
    let unreadable = |path: &Path, source| CatalogError::Unreadable {
        path: path.display().to_string(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))? {
        let path = entry.map_err(|error| unreadable(dir, error))?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
        files.push((path.display().to_string(), bytes));
    }
    files.sort();
    Ok(files)
}

/// Every problem of every file, those of the YAML and those of the objects that could be read.
fn parse(files: &[(String, Vec<u8>)]) -> Result<Snapshot, CatalogError> {
    if files.is_empty() {
        return Err(CatalogError::Invalid(vec![whole_file(
            "",
            "the folder has no *.yaml file; `idp-multicloud catalog show -o yaml` prints one to start from".to_owned(),
        )]));
    }
    let mut problems = Vec::new();
    let mut all = Vec::new();
    for (file, bytes) in files {
        match std::str::from_utf8(bytes) {
            Err(error) => problems.push(whole_file(file, format!("is not UTF-8: {error}"))),
            Ok(text) => match objects(file, text) {
                Ok(objects) => all.extend(objects),
                Err(CatalogError::Invalid(found)) => problems.extend(found),
                Err(other) => return Err(other),
            },
        }
    }
    match check(&all) {
        Ok(snapshot) if problems.is_empty() => Ok(snapshot),
        Ok(_) => Err(CatalogError::Invalid(problems)),
        Err(CatalogError::Invalid(found)) => {
            problems.extend(found);
            Err(CatalogError::Invalid(problems))
        }
        Err(other) => Err(other),
    }
}
