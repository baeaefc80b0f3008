//! `verify`: stored decisions made once more. There is no rule in here.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::bail;

use super::Source;
use super::claims::{self, Sorted};
use super::output::{Format, Outcome, Output, harmless, listed, table};
use crate::admission::verify::{Verdict, Verified, verify};
use crate::catalog::Snapshot;
use crate::claim::{GROUP, KIND, Shown};

pub(super) const EXAMPLES: &str = "\
Examples:
  kubectl get mysqlinstanceclaim payments-db -n payments -o yaml \\
    | idp-multicloud verify -f - --catalog cluster
  git worktree add ../then 3f2c1d0
  idp-multicloud verify -f claims.yaml --catalog catalog/ --catalog ../then/catalog

What it says of a claim:
  holds         it is where its reason says, and the catalog gives that reason
  fails         it is not, or does not: somebody changed claim or reason
  otherCatalog  it agrees with its reason, which was decided on a catalog that
                was not given; `catalog check DIR` tells a folder's revision
  unplaced      it was never placed: it is older than the webhook

Log lines and audit annotations of the decision have the same digest.

Exit status:
  0 every decision holds; 1 one does not, or its catalog was not given; 2 used
  wrongly, or claims or a catalog cannot be read.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// YAML or JSON file with claims, such as kubectl prints; "-" for standard input
    #[arg(short, long, value_name = "FILE|-")]
    file: PathBuf,
    /// Where a catalog is: "builtin", a folder of *.yaml files, or "cluster" for the objects of your kubeconfig's
    /// cluster; several, for claims that were decided on several
    #[arg(long, env = "IDP_CATALOG", value_name = "builtin|DIR|cluster", default_value = "builtin", value_parser = Source::parse)]
    catalog: Vec<Source>,
    /// How the output looks
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Output> {
    let mut catalogs = Vec::new();
    let mut notes = Vec::new();
    for source in &args.catalog {
        let (catalog, told) = source.load()?;
        catalogs.push(catalog);
        notes.extend(told);
    }
    let mut claims: Vec<(String, Verified)> = Vec::new();
    claims::stream(&args.file, &mut |sorted| match sorted {
        Sorted::Claim(claim) => claims.push((claim.title, verify(&claim.object, &catalogs))),
        Sorted::Other(words) => notes.push(format!("note: skipped {words}")),
    })?;
    if claims.is_empty() {
        bail!("{} holds no {KIND} of {GROUP}", args.file.display());
    }
    let holds = |(_, verified): &(String, Verified)| matches!(verified.verdict, Verdict::Holds { .. });
    let outcome = if claims.iter().all(holds) {
        Outcome::Done
    } else {
        Outcome::Refused
    };
    let text = match args.output.data() {
        None => text(&claims, &catalogs),
        Some(data) => data.document(&claims.iter().map(|(_, verified)| verified).collect::<Vec<_>>())?,
    };
    Ok(Output { text, notes, outcome })
}

/// A line a claim, then what is wrong with those that fail.
fn text(claims: &[(String, Verified)], catalogs: &[Snapshot]) -> String {
    let rows = claims.iter().map(|(title, verified)| {
        let (verdict, on) = match &verified.verdict {
            Verdict::Holds { winner } => ("holds", winner.as_str()),
            Verdict::Fails { .. } => ("fails", "-"),
            Verdict::OtherCatalog => ("otherCatalog", "-"),
            Verdict::Unplaced => ("unplaced", "-"),
        };
        let [revision, digest] = [verified.catalog_revision.as_ref(), verified.digest.as_ref()].map(beginning);
        [title.clone(), verdict.to_owned(), on.to_owned(), revision, digest]
    });
    let mut text = table(["CLAIM", "VERDICT", "ON", "CATALOG", "DIGEST"], rows);
    let mut elsewhere = false;
    for (title, Verified { verdict, .. }) in claims {
        match verdict {
            Verdict::Fails { details } => {
                for detail in details {
                    let _ = write!(text, "\n{title}: {detail}");
                }
            }
            Verdict::OtherCatalog => elsewhere = true,
            Verdict::Holds { .. } | Verdict::Unplaced => {}
        }
    }
    if elsewhere {
        let given = catalogs.iter().map(|catalog| catalog.revision().short());
        let _ = write!(
            text,
            "\nthe catalogs given: {}; give the one decided on, too (--catalog)",
            listed(given)
        );
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    harmless(&text)
}

/// The first twelve digits of a hash, for people, as [`Revision::short`](crate::catalog::Revision::short) gives them.
fn beginning(hash: Option<&String>) -> String {
    hash.map_or("-".to_owned(), |hash| {
        Shown(hash).to_string().chars().take(12).collect()
    })
}
