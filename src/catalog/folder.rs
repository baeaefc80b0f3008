//! The catalog in a folder: every `*.yaml` in it, each with one or many objects.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::check::{CatalogError, Object, Problem, check, problems_of_each};
use super::snapshot::Snapshot;
use crate::yaml;

/// A folder of catalog files, and which content of it was judged last.
///
/// Bytes are compared, not times: a mounted `ConfigMap` changes by a symlink swap.
#[derive(Clone, Debug)]
pub struct Folder {
    dir: PathBuf,
    judged: Option<Seen>,
    /// What the last look found that is not judged yet.
    new: Option<Seen>,
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
            judged: None,
            new: None,
        }
    }

    /// Looks at the folder. A change is judged once two looks have found the same: files are written one by one, and a catalog
    /// of some from before a change and some from after it is one that nobody wrote. `None` where there is nothing to judge.
    ///
    /// # Errors
    /// The folder cannot be read or is no catalog.
    pub fn poll(&mut self) -> Option<Result<Snapshot, CatalogError>> {
        let files = read(&self.dir);
        let seen = Some(Seen::of(&files));
        if self.judged == seen {
            self.new = None;
            return None;
        }
        if self.new != seen {
            self.new = seen;
            return None;
        }
        self.judged = self.new.take();
        Some(files.and_then(|files| parse(&self.dir, &files)))
    }
}

impl Seen {
    fn of(files: &Result<Files, CatalogError>) -> Self {
        match files {
            Ok(files) => {
                let mut hash = Sha256::new();
                for (name, bytes) in files {
                    for part in [name.as_bytes(), bytes] {
                        hash.update(part.len().to_le_bytes());
                        hash.update(part);
                    }
                }
                Self::Content(hash.finalize().into())
            }
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

/// Reads and checks the folder at `dir` once.
///
/// # Errors
/// The folder cannot be read or is no catalog.
pub fn load(dir: &Path) -> Result<Snapshot, CatalogError> {
    parse(dir, &settled(dir, read(dir))?)
}

/// Name and content of each file, by name.
type Files = Vec<(String, Vec<u8>)>;

/// Reads until two readings agree. Files are read one by one, so that a first reading may hold some from before a
/// change and some from after it, a catalog that nobody wrote.
fn settled(dir: &Path, mut files: Result<Files, CatalogError>) -> Result<Files, CatalogError> {
    const MOST: usize = 10;
    for _ in 0..MOST {
        let again = read(dir);
        if Seen::of(&again) == Seen::of(&files) {
            break;
        }
        files = again;
    }
    files
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

fn read(dir: &Path) -> Result<Files, CatalogError> {
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
        let bytes = read_file(&path).map_err(|error| unreadable(&path, error))?;
        files.push((path.display().to_string(), bytes));
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for, forever.
    if std::fs::metadata(path)?.is_file() {
        std::fs::read(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"))
    }
}

/// Every problem of every file, those of the YAML and those of the objects that could be read.
fn parse(dir: &Path, files: &Files) -> Result<Snapshot, CatalogError> {
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
    if !problems.is_empty() {
        problems.extend(problems_of_each(&all));
        return Err(CatalogError::Invalid(problems));
    }
    let snapshot = check(&all)?;
    // Half a folder is no catalog: every claim would be refused, for a file that is not there yet or not any more.
    let parts = [("Cell", snapshot.cells().len()), ("Tier", snapshot.tiers().len())];
    let missing = parts.into_iter().filter(|(_, count)| *count == 0);
    let missing: Vec<_> = missing.map(|(kind, _)| kind).collect();
    if missing.is_empty() {
        return Ok(snapshot);
    }
    let message = format!(
        "has no {} in any *.yaml file; `idp-multicloud catalog show -o yaml` prints some to start from",
        missing.join(" and no ")
    );
    Err(CatalogError::Invalid(vec![whole_file(
        &dir.display().to_string(),
        message,
    )]))
}

#[cfg(test)]
mod tests;
