//! `place`: explains a placement offline, through the same admission path as the webhook. There is no rule in here.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::{Value, json};

use super::claims::{self, Submitted};
use super::output::{Data, Format, Outcome, Output, harmless_json, yaml_stream};
use super::{CatalogOption, explain};
use crate::admission::{Answer, Review, envelope, offline};
use crate::catalog::live::Held;
use crate::claim::{Cause, Problem};
use crate::placement::Decision;
use crate::placement::why_not::why_not;

pub(super) const EXAMPLES: &str = "\
Examples:
  idp-multicloud place -f claim.yaml
  kustomize build . | idp-multicloud place -f -
  idp-multicloud place --cell payments --tier C1 --environment prod \\
      --size medium --storage-gb 50 --ha
  idp-multicloud place -f claim.yaml --why-not gcp
  idp-multicloud place -f claim.yaml -o yaml --claim

Output for people (-o table):
  A * marks the winner. Under each dimension stand the score, and the points
  that score and weight make. The excluded are scored, too, but do not compete.

Output for programs (-o json or yaml):
  One claim: the reason; in JSON byte for byte what the annotation
  platform.example.org/placement-reason holds. If refused:
    {\"name\", \"namespace\", \"problems\": [{\"cause\", \"field\", \"message\"}]}
  and, where no candidate takes it, the \"reason\" without a winner.
  Several claims: in their order, each as {\"name\", \"namespace\", \"reason\"} or
  refused as above; a list in JSON, a document each in YAML.
  With --claim: the claims as they would be stored; several are a List in JSON,
  a document each in YAML. What is refused is told on standard error instead.
  With --why-not: the answer alone; of a refused claim, its refusal.
  Warnings go to standard error, as does what was skipped for being no claim.

Exit status:
  0 placed; 1 a claim is refused or unschedulable; 2 used wrongly, or a file
  cannot be read.";

pub(super) const USAGE: &str = "\
idp-multicloud place -f FILE|- [OPTIONS]
       idp-multicloud place --cell NAME --tier NAME --environment NAME --size SIZE
                            --storage-gb GIB [--ha] [--namespace NAME] [OPTIONS]";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// YAML or JSON file with one or many claims, "-" for standard input; documents of other kinds are skipped
    #[arg(short, long, value_name = "FILE|-",
          conflicts_with_all = ["cell", "tier", "environment", "size", "storage_gb", "ha", "namespace"])]
    file: Option<PathBuf>,
    /// Name of the cell
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "file",
        help_heading = "Instead of a file"
    )]
    cell: Option<String>,
    /// Name of the tier, such as C1
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "file",
        help_heading = "Instead of a file"
    )]
    tier: Option<String>,
    /// Name of the environment, such as dev or prod
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "file",
        help_heading = "Instead of a file"
    )]
    environment: Option<String>,
    /// Size: small, medium, large or xlarge
    #[arg(
        long,
        value_name = "SIZE",
        required_unless_present = "file",
        help_heading = "Instead of a file"
    )]
    size: Option<String>,
    /// Storage in GiB
    #[arg(
        long,
        value_name = "GIB",
        allow_negative_numbers = true,
        required_unless_present = "file",
        help_heading = "Instead of a file"
    )]
    storage_gb: Option<i64>,
    /// Ask for a standby in another zone
    #[arg(long, help_heading = "Instead of a file")]
    ha: bool,
    /// Namespace of the claim, which policies may look at
    #[arg(long, value_name = "NAME", help_heading = "Instead of a file")]
    namespace: Option<String>,
    #[command(flatten)]
    catalog: CatalogOption,
    /// How the output looks
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Print the claim as it would be stored; with -o json or yaml
    #[arg(long, conflicts_with = "why_not")]
    claim: bool,
    /// Say why this candidate, or the one candidate of this provider, does not win, and what would change that
    #[arg(long, value_name = "NAME")]
    why_not: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Output> {
    // clap waives a `requires` where something else rules the required argument out.
    if args.claim && args.output.data().is_none() {
        bail!("--claim needs -o json or yaml");
    }
    let (catalog, mut notes) = args.catalog.catalog.load()?;
    let held = Held::new(catalog);
    let (claims, skipped) = submitted(args)?;
    notes.extend(skipped);
    let bodies: Vec<Vec<u8>> = claims
        .iter()
        .map(|claim| offline::creation(&claim.object, "offline"))
        .collect();
    let reviews: Vec<Review<'_>> = bodies
        .iter()
        .map(|body| envelope::read(body))
        .collect::<Result<_, _>>()?;
    let judged: Vec<Judged<'_>> = claims
        .iter()
        .zip(&reviews)
        .map(|(claim, review)| Judged::of(claim, review, &held))
        .collect();
    let refused = judged.iter().any(|judged| judged.answer.verdict.is_err());
    let text = match (args.output.data(), &args.why_not) {
        (data, Some(name)) => told_why_not(&judged, name, data)?,
        (None, None) => judged.iter().map(Judged::text).collect::<Vec<_>>().join("\n"),
        (Some(data), None) => {
            notes.extend(judged.iter().flat_map(Judged::warnings));
            if args.claim {
                notes.extend(judged.iter().filter_map(Judged::refusal));
                stored(&judged, data)?
            } else {
                reasons(&judged, data)?
            }
        }
    };
    Ok(Output {
        text,
        notes,
        outcome: if refused { Outcome::Refused } else { Outcome::Done },
    })
}

/// The claims asked about, and a note for everything else that was given.
fn submitted(args: &Args) -> anyhow::Result<(Vec<Submitted>, Vec<String>)> {
    let Some(file) = &args.file else {
        let parameters = json!({
            "cell": args.cell,
            "tier": args.tier,
            "environment": args.environment,
            "size": args.size,
            "storageGB": args.storage_gb,
            "ha": args.ha,
        });
        let claim = Submitted::of_parameters(&parameters, args.namespace.as_deref());
        return Ok((vec![claim], Vec::new()));
    };
    let found = claims::read(file)?;
    let skipped = found.skipped.iter().map(|skipped| format!("note: skipped {skipped}"));
    Ok((found.claims, skipped.collect()))
}

/// A claim, the webhook's answer to it, and the decision, where it came to one.
struct Judged<'a> {
    claim: &'a Submitted,
    answer: Answer<'a>,
    decision: Option<Decision<'a>>,
}

impl<'a> Judged<'a> {
    fn of(claim: &'a Submitted, review: &'a Review<'a>, catalog: &'a Held) -> Self {
        let offline::Judged { answer, decision } = offline::judge(review, catalog);
        Self {
            claim,
            answer,
            decision,
        }
    }

    /// For people: what became of it, the decision, and why it is refused or what is worth knowing.
    fn text(&self) -> String {
        let title = &self.claim.title;
        let mut text = match (&self.answer.verdict, self.decision.as_ref().and_then(Decision::winner)) {
            (Ok(_), Some(winner)) => {
                let candidate = winner.candidate;
                format!(
                    "{title}: placed on {} ({}, {}, cluster {}) with {} points\n",
                    candidate.name, candidate.provider, candidate.region, candidate.runtime_cluster, winner.score
                )
            }
            (Ok(_), None) => format!("{title}: allowed as it is\n"),
            (Err(_), _) if self.decision.is_some() => format!("{title}: unschedulable\n"),
            (Err(_), _) => format!("{title}: refused\n"),
        };
        if let Some(decision) = &self.decision {
            text.push_str(&explain::decision(decision));
        }
        if let Err(problems) = &self.answer.verdict {
            let _ = writeln!(text, "{}", envelope::message(problems));
        }
        for warning in &self.answer.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        text
    }

    fn warnings(&self) -> impl Iterator<Item = String> {
        let title = &self.claim.title;
        self.answer
            .warnings
            .iter()
            .map(move |warning| format!("warning: {title}: {warning}"))
    }

    fn refusal(&self) -> Option<String> {
        let problems = self.answer.verdict.as_ref().err()?;
        Some(format!("{}: {}", self.claim.title, envelope::message(problems)))
    }
}

/// A claim's outcome as data.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<ToldProblem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Value>,
}

#[derive(Serialize)]
struct ToldProblem<'a> {
    cause: Cause,
    field: &'a str,
    message: &'a str,
}

impl<'a> From<&'a Problem> for ToldProblem<'a> {
    fn from(problem: &'a Problem) -> Self {
        let Problem { cause, field, message } = problem;
        Self {
            cause: *cause,
            field,
            message,
        }
    }
}

/// Every claim's reason or refusal.
fn reasons(judged: &[Judged<'_>], data: Data) -> anyhow::Result<String> {
    let texts: Vec<Option<String>> = judged
        .iter()
        .map(|judged| judged.decision.as_ref().map(Decision::reason))
        .collect();
    if let (
        [
            Judged {
                answer: Answer { verdict: Ok(_), .. },
                ..
            },
        ],
        [Some(text)],
    ) = (judged, texts.as_slice())
    {
        return match data {
            Data::Json => Ok(harmless_json(text) + "\n"),
            Data::Yaml => data.document(&serde_json::from_str::<Value>(text)?),
        };
    }
    let told: Vec<Told<'_>> = judged
        .iter()
        .zip(&texts)
        .map(|(judged, text)| {
            Ok(Told {
                name: judged.claim.metadata("name"),
                namespace: judged.claim.metadata("namespace"),
                problems: judged
                    .answer
                    .verdict
                    .as_ref()
                    .err()
                    .into_iter()
                    .flatten()
                    .map(ToldProblem::from)
                    .collect(),
                reason: text.as_deref().map(serde_json::from_str).transpose()?,
            })
        })
        .collect::<serde_json::Result<_>>()?;
    many(&told, data, |told| data.document(&told))
}

/// Every allowed claim as it would be stored: the object as it came, with the webhook's patch applied.
fn stored(judged: &[Judged<'_>], data: Data) -> anyhow::Result<String> {
    let mut objects = Vec::new();
    for Judged { claim, answer, .. } in judged {
        let Ok(edits) = &answer.verdict else { continue };
        let object = offline::edited(&claim.object, edits);
        objects.push(object.with_context(|| format!("{} cannot be patched", claim.title))?);
    }
    if objects.is_empty() {
        return Ok(String::new());
    }
    many(&objects, data, |objects| {
        data.document(&json!({ "apiVersion": "v1", "kind": "List", "items": objects }))
    })
}

/// One value by itself; several as a stream in YAML, and as `together` has them in JSON.
fn many<T: Serialize>(
    values: &[T],
    data: Data,
    together: impl FnOnce(&[T]) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    match (values, data) {
        ([one], _) => data.document(one),
        (several, Data::Yaml) => yaml_stream(several),
        (several, Data::Json) => together(several),
    }
}

/// Why the candidate called `name` does not win; a refused claim's refusal where there is no decision to ask.
fn told_why_not(judged: &[Judged<'_>], name: &str, data: Option<Data>) -> anyhow::Result<String> {
    let [one] = judged else {
        bail!("--why-not asks about one claim; the file holds {}", judged.len());
    };
    let Some(decision) = &one.decision else {
        return match data {
            None => Ok(one.text()),
            Some(data) => reasons(judged, data),
        };
    };
    let answer = why_not(decision, name)?;
    match data {
        None => Ok(format!("{answer}\n")),
        Some(data) => data.document(&answer),
    }
}
