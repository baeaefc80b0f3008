//! `catalog check` and `catalog show`; `catalog diff` is in `diff`.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;
use serde_json::json;

use super::output::{Data, Format, Outcome, Output, listed, table, yaml_stream};
use super::{CatalogOption, Source, cluster, diff};
use crate::catalog::check::plural;
use crate::catalog::{CatalogError, Cell, CloudProvider, Problem, Snapshot, Verdict, builtin, folder, isolate};
use crate::placement::cordons;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check the catalog in a folder or a cluster, and list everything that is wrong with it
    ///
    /// These are the checks that serve makes when it starts and whenever the catalog changes. A folder is good or bad as
    /// a whole; of a cluster, an object that is not accepted takes out itself and what needs it.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show a catalog: tiers, cells with their candidates, providers, policies
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Compare two catalogs: what changed, and where new claims would land before and after
    ///
    /// Claims that are there stay where they are, whatever the catalog says; audit tells how they would stand.
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::Args),
}

const CHECK_EXAMPLES: &str = "\
Examples:
  idp-multicloud catalog check catalog/
  idp-multicloud catalog check catalog/ -o json | jq -r '.problems[].message'
  idp-multicloud catalog check cluster

Exit status: 0 the catalog is good; 1 it is not, or an object of the cluster is
not accepted; 2 it cannot be read.";

const SHOW_EXAMPLES: &str = "\
Examples:
  idp-multicloud catalog show
  mkdir catalog && idp-multicloud catalog show -o yaml > catalog/catalog.yaml
  idp-multicloud catalog show --catalog catalog/ -o yaml | kubectl apply -f -

-o yaml gives a document for each object, and loads again with --catalog as the
same revision; -o json gives a List.";

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Folder of *.yaml files, or "cluster" for the objects of your kubeconfig's cluster
    #[arg(value_name = "DIR|cluster", value_parser = Source::parse)]
    source: Source,
    /// How the output looks
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    catalog: CatalogOption,
    /// How the output looks
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) fn run(command: &Command) -> anyhow::Result<Output> {
    match command {
        Command::Check(args) => check(args),
        Command::Show(args) => show(args),
        Command::Diff(args) => diff::run(args),
    }
}

/// What a check found, as data.
#[derive(Default, Serialize)]
struct Checked {
    #[serde(flatten)]
    good: Option<Good>,
    problems: Vec<Problem>,
}

/// What a good catalog holds.
#[derive(Serialize)]
struct Good {
    revision: String,
    cells: usize,
    candidates: usize,
    tiers: usize,
    providers: usize,
    policies: usize,
}

fn check(args: &CheckArgs) -> anyhow::Result<Output> {
    let whole = |loaded: Result<Snapshot, CatalogError>| match loaded {
        Ok(snapshot) => Ok((Some(Good::of(&snapshot)), Vec::new(), true)),
        Err(CatalogError::Invalid(problems)) => Ok((None, problems, false)),
        Err(unreadable @ CatalogError::Unreadable { .. }) => Err(unreadable),
    };
    let (good, problems, is_good) = match &args.source {
        Source::Builtin => whole(builtin::load())?,
        Source::Folder(dir) => whole(folder::load(dir))?,
        Source::Cluster => {
            let isolated = isolate(&cluster::catalog()?);
            let problems = isolated.problems().cloned().collect();
            let is_good = isolated.verdicts.iter().all(Verdict::is_accepted);
            (Some(Good::of(&isolated.snapshot)), problems, is_good)
        }
    };
    let checked = Checked { good, problems };
    let text = match args.output.data() {
        None => checked.text(is_good),
        Some(data) => data.document(&checked)?,
    };
    let outcome = if is_good { Outcome::Done } else { Outcome::Refused };
    Ok(Output::new(text, outcome))
}

impl Good {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            revision: snapshot.revision().to_string(),
            cells: snapshot.cells().len(),
            candidates: snapshot.cells().map(|cell| cell.candidates.len()).sum(),
            tiers: snapshot.tiers().len(),
            providers: snapshot.providers().len(),
            policies: snapshot.policies().len(),
        }
    }
}

impl Checked {
    fn text(&self, is_good: bool) -> String {
        let mut text: String = self
            .problems
            .iter()
            // File names are the folder's, and the words of a YAML error its own.
            .map(|problem| super::output::harmless(&problem.to_string()).replace('\n', " ") + "\n")
            .collect();
        if !self.problems.is_empty() {
            let _ = writeln!(text, "{}", plural(self.problems.len(), "problem"));
        }
        if let Some(good) = &self.good {
            let _ = writeln!(
                text,
                "{}: {}, {}, {}, {}, {} {}; revision {}",
                if is_good { "ok" } else { "accepted" },
                plural(good.cells, "cell"),
                plural(good.candidates, "candidate"),
                plural(good.tiers, "tier"),
                plural(good.providers, "provider"),
                good.policies,
                if good.policies == 1 { "policy" } else { "policies" },
                good.revision
            );
        }
        text
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<Output> {
    let source = &args.catalog.catalog;
    let (snapshot, notes) = source.load()?;
    let text = match args.output.data() {
        None => tables(source, &snapshot),
        Some(Data::Yaml) => yaml_stream(snapshot.objects())?,
        Some(data @ Data::Json) => {
            data.document(&json!({ "apiVersion": "v1", "kind": "List", "items": snapshot.objects() }))?
        }
    };
    Ok(Output {
        notes,
        ..Output::done(text)
    })
}

fn tables(source: &Source, snapshot: &Snapshot) -> String {
    let mut text = format!("{source}, revision {}\n\n{}", snapshot.revision(), tiers(snapshot));
    for cell in snapshot.cells() {
        let _ = write!(
            text,
            "\ncell {}, for {}\n{}",
            cell.name,
            listed(&cell.environments),
            candidates(cell)
        );
    }
    let _ = write!(text, "\n{}", providers(snapshot));
    if snapshot.policies().len() > 0 {
        let _ = write!(text, "\n{}", policies(snapshot));
    }
    text
}

fn tiers(snapshot: &Snapshot) -> String {
    table(
        ["TIER", "RTO", "RPO", "REQUIRES", "WEIGHTS"],
        snapshot.tiers().map(|tier| {
            [
                tier.shown(),
                format!("{} min", tier.rto_minutes),
                format!("{} min", tier.rpo_minutes),
                listed(&tier.requires),
                listed(
                    tier.weights
                        .iter()
                        .map(|(dimension, weight)| format!("{dimension} {weight}")),
                ),
            ]
        }),
    )
}

fn candidates(cell: &Cell) -> String {
    let dimensions: BTreeSet<&String> = cell
        .candidates
        .iter()
        .flat_map(|candidate| candidate.scores.keys())
        .collect();
    let mut header: Vec<String> = ["CANDIDATE", "PROVIDER", "REGION", "CLUSTER"].map(str::to_owned).into();
    header.extend(dimensions.iter().map(|dimension| (*dimension).clone()));
    header.extend(["CAPABILITIES", "CLOSED"].map(str::to_owned));
    table(
        header,
        cell.candidates.iter().map(|candidate| {
            let mut row = vec![
                candidate.name.clone(),
                candidate.provider.clone(),
                candidate.region.clone(),
                candidate.runtime_cluster.clone(),
            ];
            row.extend(
                dimensions
                    .iter()
                    .map(|dimension| listed(candidate.scores.get(*dimension))),
            );
            row.push(listed(&candidate.capabilities));
            row.push(listed(cordons(candidate)));
            row
        }),
    )
}

fn providers(snapshot: &Snapshot) -> String {
    let closed = |provider: &CloudProvider| {
        let whole = provider
            .cordoned
            .iter()
            .map(|cordon| format!("all ({})", cordon.reason));
        let regions = provider.regions.values().filter_map(|region| {
            let cordon = region.cordoned.as_ref()?;
            Some(format!("{} ({})", region.name, cordon.reason))
        });
        listed(whole.chain(regions))
    };
    table(
        ["PROVIDER", "NETWORK KEYS", "CLOSED"],
        snapshot
            .providers()
            .map(|provider| [provider.name.clone(), listed(&provider.network_keys), closed(provider)]),
    )
}

/// A row for each condition.
fn policies(snapshot: &Snapshot) -> String {
    let rows = snapshot.policies().flat_map(|policy| {
        policy.validations.iter().map(|validation| {
            let lists = policy.matches.lists();
            [
                policy.name.clone(),
                policy.mode.as_str().to_owned(),
                listed(lists.map(|(field, names)| format!("{field}: {}", listed(names)))),
                // An author may have broken the line.
                super::output::harmless(&validation.expression).replace('\n', " "),
            ]
        })
    });
    table(["POLICY", "MODE", "MATCH", "CONDITION"], rows)
}
