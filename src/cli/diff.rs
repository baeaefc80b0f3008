//! `catalog diff`: two catalogs compared, and where new claims land under each. There is no rule in here.

mod report;

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Map;

use super::Source;
use super::claims::{self, Sorted, Submitted};
use super::output::{Format, Outcome, Output};
use crate::catalog::Snapshot;
use crate::catalog::diff::differences;
use crate::claim::{Claim, Parameters};
use crate::placement::{Request, grid, landing};
use report::Report;

pub(super) const EXAMPLES: &str = "\
Examples:
  idp-multicloud catalog diff builtin catalog/
  idp-multicloud catalog diff cluster catalog/
  idp-multicloud catalog diff main/catalog catalog --fail-on-unschedulable
  kubectl get mysqlinstanceclaims -A -o json |
      idp-multicloud catalog diff main/catalog catalog -f -

Without -f, every cell, tier, environment, size and ha of either catalog is
asked for, with 50 GiB. With it, what the claims ask for is, as if each were
new; their placements do not count.

Output for programs (-o json or yaml): one document with \"objects\" that are
not the same, \"groups\" by cell, tier and provider, \"moves\" with examples, and
\"unschedulable\", how many requests fitted before and fit nowhere after.

Exit status:
  0 compared, whatever the difference; 1 with --fail-on-unschedulable, where a
  request that fitted fits nowhere any more; 2 used wrongly, or a catalog or
  file cannot be read.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The catalog before: "builtin", a folder of *.yaml files, or "cluster" for the one of your kubeconfig
    #[arg(value_name = "OLD", value_parser = Source::parse)]
    old: Source,
    /// The catalog after
    #[arg(value_name = "NEW", value_parser = Source::parse)]
    new: Source,
    /// YAML or JSON file with claims to ask for; "-" for standard input; without it: a grid of requests
    #[arg(short, long, value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// End with status 1 where a request that fitted before fits nowhere after
    #[arg(long)]
    fail_on_unschedulable: bool,
    /// How the output looks
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Output> {
    let ((old, told), (new, told_too)) = (args.old.load()?, args.new.load()?);
    let mut report = Report::new(&old, &new, differences(&old, &new), args.file.is_some());
    let mut land = |request: Request<'_>, title: Option<&str>| {
        let (before, after) = (landing(&old, request.clone()), landing(&new, request.clone()));
        report.add(request, before, after, title);
    };
    let (mut others, mut unknown) = (0, 0);
    if let Some(file) = &args.file {
        claims::stream(file, &mut |sorted| match sorted {
            Sorted::Claim(claim) => {
                if !asks([&old, &new], &claim, &mut |request| land(request, Some(&claim.title))) {
                    unknown += 1;
                }
            }
            Sorted::Other(_) => others += 1,
        })?;
    } else {
        for request in grid([&old, &new]) {
            land(request, None);
        }
    }
    let left_out = [
        (others, "skipped, being no claims"),
        (unknown, "left out: neither catalog takes such a claim"),
    ];
    let outcome = if args.fail_on_unschedulable && report.unschedulable() > 0 {
        Outcome::Refused
    } else {
        Outcome::Done
    };
    let text = match args.output.data() {
        None => report.text(),
        Some(data) => data.document(&report)?,
    };
    let left_out = left_out.into_iter().filter(|(count, _)| *count > 0);
    let left_out = left_out.map(|(count, what)| format!("note: {count} {what}"));
    Ok(Output {
        text,
        notes: told.into_iter().chain(told_too).chain(left_out).collect(),
        outcome,
    })
}

/// Gives `take` what a claim asks for, if one of `catalogs` knows all that it names.
fn asks(catalogs: [&Snapshot; 2], claim: &Submitted, take: &mut dyn FnMut(Request<'_>)) -> bool {
    let Ok(claim) = Claim::deserialize(&claim.object) else {
        return false;
    };
    let empty = Map::new();
    let parameters = Parameters::read(claim.parameters().unwrap_or(&empty));
    let request = catalogs
        .into_iter()
        .find_map(|catalog| parameters.request(catalog, claim.namespace()).ok());
    request.map(take).is_some()
}
