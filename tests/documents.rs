//! The documents: every link leads somewhere, and the README leads to every document.

#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only the functions marked #[test] for tests, not their helpers"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Folders without documents of ours.
const ELSEWHERE: [&str; 3] = ["target", ".git", "node_modules"];

/// Every document by its path from the root.
fn documents() -> BTreeMap<PathBuf, String> {
    let mut documents = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(ROOT).join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if entry.file_type().unwrap().is_dir() {
                if !ELSEWHERE.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(entry.path()).unwrap();
                documents.insert(path, text);
            }
        }
    }
    documents
}

/// The text outside blocks of code.
fn prose(text: &str) -> String {
    let outside = text.split("\n```").step_by(2);
    outside.collect::<Vec<_>>().join("\n")
}

/// Where the links of a document lead that lead to a file: its path from the root, and a heading.
fn links(document: &Path, text: &str) -> Vec<(PathBuf, String)> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let targets = targets
        .map(|(target, _)| target)
        .filter(|target| !target.contains("://"));
    targets
        .map(|target| {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() {
                document.to_owned()
            } else {
                plain(&document.parent().unwrap().join(file))
            };
            (path, heading.to_owned())
        })
        .collect()
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            component => plain.push(component),
        }
    }
    plain
}

/// What leads to the headings of a document, as GitHub makes it.
fn headings(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let titles = prose.lines().filter(|line| line.starts_with('#'));
    titles
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let documents = documents();
    let mut broken = Vec::new();
    let mut followed = 0;
    for (document, text) in &documents {
        for (path, heading) in links(document, text) {
            followed += 1;
            let is_there = match documents.get(&path) {
                Some(target) => heading.is_empty() || headings(target).contains(&heading),
                None => heading.is_empty() && Path::new(ROOT).join(&path).exists(),
            };
            if !is_there {
                broken.push(format!("{}: {}#{heading}", document.display(), path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    assert!(followed > 50, "only {followed} links were found");
}

#[test]
fn the_readme_leads_to_every_document() {
    let documents = documents();
    let readme = Path::new("README.md");
    let reached: BTreeSet<PathBuf> = links(readme, &documents[readme])
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    let missed = documents
        .keys()
        .filter(|path| *path != readme && !reached.contains(*path));
    assert_eq!(missed.collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}
