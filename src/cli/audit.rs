//! `audit`: claims that are there, out of a file or a cluster, judged one by one. There is no rule in here.

mod cluster;
mod report;

use std::path::PathBuf;

use super::CatalogOption;
use super::claims::{self, Sorted};
use super::output::{Format, Outcome, Output};
use crate::admission::audit::audit;
use report::Report;

pub(super) const EXAMPLES: &str = "\
Examples:
  idp-multicloud audit --catalog catalog/
  kubectl get mysqlinstanceclaims -A -o json | idp-multicloud audit -f -
  idp-multicloud audit -f claims.yaml --all -o json | jq '.summary.total'

What it says of a claim (the \"kind\" of a finding):
  fails              its candidate does not have what it asks for
  unjudged           a field cannot be read, or the catalog lacks what it names
  reasonMissing, reasonUnreadable, reasonDisagrees
                     the placement is not what was decided: somebody changed it
  unplaced           it has no placement: it is older than the webhook
  gone               its candidate is not in the catalog any more
  closed             its candidate takes no new claims; it stays
  elsewhere, nowhere where it would be placed today, and by how many points

Output for programs (-o json or yaml): one document with \"claims\", the worst
first, and \"summary\": \"total\", and \"groups\" by cell, tier and provider.

Without -f the claims come from the cluster of your kubeconfig, or of the pod
this runs in; it needs to list mysqlinstanceclaims in all namespaces.

Exit status:
  0 every claim passes its gates; 1 one fails a gate or cannot be judged, or
  its reason is missing or disagrees; 2 used wrongly, or claims cannot be read.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// YAML or JSON file with claims, such as kubectl prints; "-" for standard input; without it: from the cluster
    #[arg(short, long, value_name = "FILE|-")]
    file: Option<PathBuf>,
    #[command(flatten)]
    catalog: CatalogOption,
    /// List every claim, those with nothing to say of them, too
    #[arg(long)]
    all: bool,
    /// How the output looks
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// How many claims the cluster is asked for at a time
    #[arg(long, value_name = "COUNT", default_value = "500", hide = true,
          conflicts_with = "file", value_parser = clap::value_parser!(u32).range(1..))]
    page: u32,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Output> {
    let (catalog, mut notes) = args.catalog.catalog.load()?;
    let mut report = Report::new(args.all);
    let mut take = |sorted| match sorted {
        Sorted::Claim(claim) => report.add(audit(&claim.object, &catalog)),
        Sorted::Other(words) => report.skip(&words),
    };
    match &args.file {
        Some(file) => claims::stream(file, &mut take)?,
        None => cluster::stream(args.page, &mut take)?,
    }
    let outcome = if report.is_good() {
        Outcome::Done
    } else {
        Outcome::Refused
    };
    notes.extend(report.notes());
    let report = report.sorted();
    let text = match args.output.data() {
        None => report.text(catalog.revision()),
        Some(data) => data.document(&report.document(catalog.revision()))?,
    };
    Ok(Output { text, notes, outcome })
}
