//! The recipes of the manuals, run as they stand there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::apiserver::{ApiServer, Ran, User, run};
use crate::support::missing::Missing;
use crate::support::server::binary;

/// Why recipes cannot be run here.
pub fn missing() -> Option<Missing> {
    let found = Command::new("jq").arg("--version").output().is_ok();
    (!found).then(|| Missing("jq is not installed, and commands of the manuals need it".to_owned()))
}

/// The recipe under a heading: files to write first, and blocks of commands.
pub struct Recipe {
    pub files: Vec<(String, String)>,
    pub blocks: Vec<String>,
}

impl Recipe {
    /// That of a document, by its path in the repository.
    pub fn of(document: &str, title: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
        let text = fs::read_to_string(path).unwrap();
        let from = text.split(&format!("# {title}\n")).nth(1);
        let section = from.unwrap_or_else(|| panic!("{document} has no recipe \"{title}\""));
        let section = section.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
        let mut recipe = Self {
            files: Vec::new(),
            blocks: Vec::new(),
        };
        let mut pieces = section.split("```");
        while let (Some(words), Some(block)) = (pieces.next(), pieces.next()) {
            let (kind, text) = block.split_once('\n').unwrap();
            match kind {
                "yaml" => {
                    let name = words.rsplit('`').nth(1).unwrap().to_owned();
                    recipe.files.push((name, text.to_owned()));
                }
                "console" => recipe.blocks.push(text.replace("$ ", "")),
                other => panic!("{title}: what is a block of {other}?"),
            }
        }
        recipe
    }
}

/// Somebody's shell in a folder: kubectl, Helm 4 and our program are on its path.
pub struct Shell<'a> {
    pub api: &'a ApiServer,
    pub user: User,
    pub folder: PathBuf,
}

impl Shell<'_> {
    /// The same, for another user.
    pub fn by(&self, user: User) -> Self {
        Self {
            user,
            folder: self.folder.clone(),
            ..*self
        }
    }

    /// Runs commands up to the first that fails.
    pub fn run(&self, commands: &str) -> Ran {
        let ours = binary();
        let programs = [
            ("kubectl", &self.api.binaries.kubectl),
            ("helm", &self.api.binaries.helm4),
            ("idp-multicloud", &PathBuf::from(ours.get_program())),
        ];
        let links = tempfile::tempdir().unwrap();
        for (name, program) in programs {
            symlink(program, links.path().join(name)).unwrap();
        }
        let path = format!("{}:{}", links.path().display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-ec", commands]).current_dir(&self.folder);
        self.api.prepare(&mut shell, self.user);
        shell.env("PATH", path);
        run(shell, "")
    }
}
