//! The command line: one file a subcommand. Arguments in, exit status out.
//!
//! Exit status: 0 done, 1 refused or unschedulable, 2 used wrongly (an argument, or a file that cannot be read).

mod catalog;
mod crd;
mod place;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::catalog::{CatalogError, Snapshot, builtin, folder};

/// Decides, at admission and for life, which cloud a managed database runs in.
///
/// Without a subcommand it serves.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    args_conflicts_with_subcommands = true,
    after_help = "\
Exit status: 0 done; 1 refused, unschedulable or not valid; 2 used wrongly."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the admission webhooks (what happens without a subcommand, too)
    Serve(serve::Args),
    /// Explain where a claim would be placed, and why; nothing is stored
    Place(place::Args),
    /// Check or show a catalog
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Print the CustomResourceDefinition of MySQLInstanceClaim
    Crd,
    /// Print a completion script for your shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Reads the arguments, does what they say, and gives the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(args)) => serve::run(args),
        Some(Command::Place(args)) => place::run(&args),
        Some(Command::Catalog(command)) => catalog::run(&command),
        Some(Command::Crd) => crd::run(),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "idp-multicloud", &mut std::io::stdout());
            Ok(Outcome::Done)
        }
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// How a subcommand ended that was used rightly.
enum Outcome {
    Done,
    Refused,
}

/// How output looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For programs and people
    Yaml,
}

/// Where a catalog comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Builtin,
    Folder(PathBuf),
}

impl Source {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("give builtin or a folder".to_owned()),
            "builtin" => Ok(Self::Builtin),
            folder => Ok(Self::Folder(folder.into())),
        }
    }

    fn load(&self) -> Result<Snapshot, CatalogError> {
        match self {
            Self::Builtin => builtin::load(),
            Self::Folder(dir) => folder::load(dir),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
