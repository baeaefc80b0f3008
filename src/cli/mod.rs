//! The command line: one file a subcommand. Arguments in, exit status out.
//!
//! Exit status: 0 done, 1 refused or unschedulable, 2 used wrongly (an argument, or a file that cannot be read).
//!
//! | file | holds |
//! |---|---|
//! | `serve` | `serve` |
//! | `process` | what `serve` and `controller` have in common: logs, addresses, signals |
//! | `controller` | `controller` |
//! | `certs` | `certs` |
//! | `place` | `place`, through the same admission path as the webhook |
//! | `cluster` | a client of the cluster that a command is about |
//! | `claims` | the claims that `place`, `audit` and `catalog diff` are asked about, from a file or from flags |
//! | `audit` | `audit`; `audit/cluster`: claims from a cluster, page by page; `audit/report`: what it says |
//! | `verify` | `verify` |
//! | `explain` | a decision as text for people |
//! | `catalog` | `catalog check`, `catalog show` |
//! | `diff` | `catalog diff` |
//! | `crd` | `crd` |
//! | `output` | formats, tables, the terminal |
//! | `progress` | how far a long reading is |

mod audit;
mod catalog;
mod certs;
mod claims;
mod cluster;
mod controller;
mod crd;
mod diff;
mod explain;
mod output;
mod place;
mod process;
mod progress;
mod serve;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::because::because;
use crate::catalog::{Snapshot, Verdict, builtin, folder, isolate};
use output::{Outcome, Output};

/// Decides, at admission and for life, which cloud a managed database runs in.
///
/// Without a subcommand it serves.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  idp-multicloud
  idp-multicloud place --cell payments --tier C1 --environment prod \\
      --size medium --storage-gb 50 --ha
  idp-multicloud catalog show

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
    ///
    /// Beside the options, the OTEL_* variables of OpenTelemetry switch traces on (manifests/traces.md).
    Serve(serve::Args),
    /// Write into each catalog object's status whether it is in force, and why not; look after the certificates; count claims; watch what
    /// holds them
    ///
    /// The serving processes write nothing; this one process does, and decides nothing about the catalog.
    #[command(after_help = controller::EXAMPLES)]
    Controller(controller::Args),
    /// Explain where a claim would be placed, and why; nothing is stored
    ///
    /// The claim goes through the same admission path as in the cluster: what is refused there is refused here, in the
    /// same words. No cluster is asked for anything but its catalog, and for that only with --catalog cluster.
    #[command(override_usage = place::USAGE, after_help = place::EXAMPLES)]
    Place(place::Args),
    /// Judge the claims that are there by the catalog as it is now; nothing is changed
    ///
    /// A claim keeps its placement for life. This says which claims are on a candidate that does not have what they ask
    /// for, is closed, or is gone; which would be placed elsewhere today; and whose placement is not what its reason
    /// says.
    #[command(after_help = audit::EXAMPLES)]
    Audit(audit::Args),
    /// Decide once more what was decided of claims that are there, and say whether it holds
    ///
    /// A claim's reason names the catalog that it was decided on, by revision. On that catalog the same request has to
    /// get the same reason, and the claim has to be where that says.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Args),
    /// Check, show or compare catalogs
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Make a certificate authority (CA) and a serving certificate for the webhooks, and print the bundle to trust
    ///
    /// For those who bring their own certificates: nothing is written into a cluster. A CA that is in the folder already
    /// is used, and kept.
    #[command(after_help = certs::EXAMPLES)]
    Certs(certs::Args),
    #[command(about = "Print the CustomResourceDefinitions of claims and of the catalog", after_help = crd::EXAMPLES)]
    Crd(crd::Args),
    /// Print a completion script for your shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

const COMPLETIONS: &str = "\
Examples:
  source <(idp-multicloud completions bash)
  idp-multicloud completions zsh > ~/.zfunc/_idp-multicloud
  idp-multicloud completions fish > ~/.config/fish/completions/idp-multicloud.fish";

/// Reads the arguments, does what they say, and gives the exit status.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = match cli.command {
        None => served(cli.serve),
        Some(Command::Serve(args)) => served(args),
        Some(Command::Controller(args)) => controller::run(&args).map(|outcome| Output::new(String::new(), outcome)),
        Some(Command::Place(args)) => place::run(&args),
        Some(Command::Audit(args)) => audit::run(&args),
        Some(Command::Verify(args)) => verify::run(&args),
        Some(Command::Catalog(command)) => catalog::run(&command),
        Some(Command::Certs(args)) => certs::run(&args),
        Some(Command::Crd(args)) => crd::run(&args),
        Some(Command::Completions { shell }) => Ok(completions(shell)),
    };
    match output.and_then(|output| said(&output)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Err(error) => {
            output::note(&format!("error: {}", because(error.as_ref())));
            ExitCode::from(2)
        }
    }
}

/// A server has said all it has to say by the time it ends.
fn served(args: serve::Args) -> anyhow::Result<Output> {
    Ok(Output::new(String::new(), serve::run(args)?))
}

fn said(output: &Output) -> anyhow::Result<Outcome> {
    output::print(&output.text).map_err(|error| anyhow::anyhow!("cannot write to standard output: {error}"))?;
    for note in &output.notes {
        output::note(note);
    }
    Ok(output.outcome)
}

fn completions(shell: clap_complete::Shell) -> Output {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "idp-multicloud", &mut script);
    Output::done(String::from_utf8_lossy(&script).into_owned())
}

/// Where a catalog comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Builtin,
    Folder(PathBuf),
    Cluster,
}

impl Source {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("give builtin, a folder or cluster".to_owned()),
            "builtin" => Ok(Self::Builtin),
            "cluster" => Ok(Self::Cluster),
            folder => Ok(Self::Folder(folder.into())),
        }
    }

    /// Reads it once, and gives what is to be said of it: which objects of a cluster are not accepted.
    fn load(&self) -> anyhow::Result<(Snapshot, Vec<String>)> {
        let objects = match self {
            Self::Builtin => return Ok((builtin::load()?, Vec::new())),
            Self::Folder(dir) => return Ok((folder::load(dir)?, Vec::new())),
            Self::Cluster => cluster::catalog()?,
        };
        let isolated = isolate(&objects);
        let refused = isolated.verdicts.iter().filter(|verdict| !verdict.is_accepted());
        let problems = refused.flat_map(Verdict::problems);
        let notes = problems
            .map(|problem| format!("warning: not accepted: {problem}"))
            .collect();
        Ok((isolated.snapshot, notes))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin => f.write_str("built-in catalog"),
            Self::Folder(dir) => write!(f, "catalog {}", output::harmless(&dir.display().to_string())),
            Self::Cluster => f.write_str("catalog of the cluster"),
        }
    }
}

/// The option that names a catalog, for the commands that read one once.
#[derive(Debug, clap::Args)]
struct CatalogOption {
    /// Where the catalog is: "builtin", a folder of *.yaml files, or "cluster" for the objects of your kubeconfig's cluster
    #[arg(long, env = "IDP_CATALOG", value_name = "builtin|DIR|cluster", default_value = "builtin", value_parser = Source::parse)]
    catalog: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
