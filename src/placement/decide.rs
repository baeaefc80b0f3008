//! The one decision function: every gate on every candidate, then the weighted score of those that pass.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::catalog::{Candidate, Cell, Fraction, Snapshot, Tier};

use super::gate::{Cause, Failure, failures, required};
use super::points::Points;
use super::request::Request;

/// Everything a decision weighed. Text and JSON are rendered from this and from nothing else.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// The catalog it was made from.
    pub catalog: &'a Snapshot,
    /// What was asked for.
    pub request: Request<'a>,
    /// The cell asked for.
    pub cell: &'a Cell,
    /// The tier asked for.
    pub tier: &'a Tier,
    /// What a candidate had to have.
    pub required: BTreeSet<&'a str>,
    /// The candidates that pass every gate, best first; the first one wins.
    pub ranked: Vec<Ranked<'a>>,
    /// The others, by name, each with all that it fails.
    pub excluded: Vec<Excluded<'a>>,
}

/// A candidate that passes every gate.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// Its weighted score.
    pub score: Points,
}

/// A candidate that does not.
#[derive(Clone, Debug)]
pub struct Excluded<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// All that it fails, never empty.
    pub failures: Vec<Failure<'a>>,
}

/// A name in the request that the catalog does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// What is named.
    pub named: Named,
    /// The name given.
    pub given: Cow<'a, str>,
    /// The names there are.
    pub known: Vec<&'a str>,
}

/// The fields of a request that name something in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the field of the request with that name")]
pub enum Named {
    Cell,
    Tier,
    Environment,
}

/// Decides where a claim with this request goes.
///
/// An unschedulable claim is no error: it is a decision without a [`winner`](Decision::winner).
///
/// # Errors
/// Every name of the request that this catalog does not know.
pub fn decide<'a>(catalog: &'a Snapshot, request: Request<'a>) -> Result<Decision<'a>, Vec<Unknown<'a>>> {
    let unknown = unknown(
        catalog,
        Some(&request.cell),
        Some(&request.tier),
        Some(&request.environment),
    );
    let (Some(cell), Some(tier), true) = (
        catalog.cell(&request.cell),
        catalog.tier(&request.tier),
        unknown.is_empty(),
    ) else {
        return Err(unknown);
    };
    let required = required(tier, request.ha);
    let (ranked, excluded) = weigh(&cell.candidates, tier, &required);
    Ok(Decision {
        catalog,
        request,
        cell,
        tier,
        required,
        ranked,
        excluded,
    })
}

/// Tries every gate on every one of `candidates`, which come by name, and scores those that pass: best first.
pub(super) fn weigh<'a>(
    candidates: impl IntoIterator<Item = &'a Candidate>,
    tier: &Tier,
    required: &BTreeSet<&'a str>,
) -> (Vec<Ranked<'a>>, Vec<Excluded<'a>>) {
    let candidates = candidates.into_iter();
    let mut ranked = Vec::with_capacity(candidates.size_hint().0);
    let mut excluded = Vec::new();
    for candidate in candidates {
        let failures = failures(candidate, required);
        if failures.is_empty() {
            ranked.push(Ranked {
                candidate,
                score: score(candidate, tier),
            });
        } else {
            excluded.push(Excluded { candidate, failures });
        }
    }
    // Candidates come by name and the sort is stable, so ties stay in the order of their names.
    ranked.sort_by_key(|ranked| Reverse(ranked.score));
    (ranked, excluded)
}

/// The first gate: whether the catalog has what a request names. Names left out are not asked about.
#[must_use]
pub fn unknown<'a>(
    catalog: &'a Snapshot,
    cell: Option<&Cow<'a, str>>,
    tier: Option<&Cow<'a, str>>,
    environment: Option<&Cow<'a, str>>,
) -> Vec<Unknown<'a>> {
    let mut unknown = Vec::new();
    if let Some(given) = cell {
        match catalog.cell(given) {
            None => unknown.push(Unknown {
                named: Named::Cell,
                given: given.clone(),
                known: catalog.cells().map(|cell| cell.name.as_str()).collect(),
            }),
            Some(cell) => {
                if let Some(given) = environment.filter(|name| !cell.environments.contains(name.as_ref())) {
                    unknown.push(Unknown {
                        named: Named::Environment,
                        given: given.clone(),
                        known: cell.environments.iter().map(String::as_str).collect(),
                    });
                }
            }
        }
    }
    if let Some(given) = tier.filter(|name| catalog.tier(name).is_none()) {
        let known = catalog.tiers().map(|tier| tier.name.as_str()).collect();
        unknown.push(Unknown {
            named: Named::Tier,
            given: given.clone(),
            known,
        });
    }
    unknown
}

/// The weighted score of `candidate` under `tier`.
pub(super) fn score(candidate: &Candidate, tier: &Tier) -> Points {
    breakdown(candidate, tier)
        .map(|(_, score, weight)| Points::weighed(score, weight))
        .sum()
}

/// Dimension, score and weight of everything that `tier` weighs.
pub(super) fn breakdown<'a>(
    candidate: &'a Candidate,
    tier: &'a Tier,
) -> impl Iterator<Item = (&'a str, Fraction, Fraction)> {
    tier.weights.iter().map(|(dimension, weight)| {
        // The check saw to it that every weighed dimension is scored.
        let score = candidate.scores.get(dimension).copied().unwrap_or(Fraction::ZERO);
        (dimension.as_str(), score, *weight)
    })
}

impl<'a> Decision<'a> {
    /// The candidate that takes the claim; `None` where the claim is unschedulable.
    #[must_use]
    pub fn winner(&self) -> Option<Ranked<'a>> {
        self.ranked.first().copied()
    }

    /// How many candidates each cause excludes, the commonest first. One with several causes counts under each.
    #[must_use]
    pub fn causes(&self) -> Vec<(Cause<'_>, usize)> {
        let mut counts = BTreeMap::new();
        for excluded in &self.excluded {
            let causes: BTreeSet<Cause<'_>> = excluded.failures.iter().map(Failure::cause).collect();
            for cause in causes {
                *counts.entry(cause).or_insert(0) += 1;
            }
        }
        let mut causes: Vec<_> = counts.into_iter().collect();
        causes.sort_by_key(|(_, count)| Reverse(*count));
        causes
    }

    /// "2/3 candidates fit", and why the others do not.
    #[must_use]
    pub fn summary(&self) -> String {
        let fit = self.ranked.len();
        let total = fit + self.excluded.len();
        let fitting = if total == 1 { "candidate fits" } else { "candidates fit" };
        let mut text = format!("{fit}/{total} {fitting}");
        for (i, (cause, count)) in self.causes().into_iter().enumerate() {
            text.push_str(if i == 0 { ": " } else { ", " });
            text.push_str(&cause.counted(count));
        }
        text
    }

    /// The summary, then the excluded one by one: what a refused claim's author reads.
    #[must_use]
    pub fn refusal(&self) -> String {
        const MOST: usize = 20;
        let mut text = self.summary();
        for Excluded { candidate, failures } in self.excluded.iter().take(MOST) {
            let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
            let _ = write!(text, "; {}: {}", candidate.name, failures.join(", "));
        }
        if let Some(more @ 1..) = self.excluded.len().checked_sub(MOST) {
            let _ = write!(text, "; and {more} more");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Size;
    use super::*;
    use crate::catalog::{Object, builtin, check};
    use serde_json::{Value, json};

    fn request(tier: &str, ha: bool) -> Request<'_> {
        Request {
            cell: "payments".into(),
            tier: tier.into(),
            environment: "prod".into(),
            size: Size::Medium,
            storage_gb: 50,
            ha,
        }
    }

    /// The built-in catalog with these fields set: kind, name, JSON pointer, value.
    fn builtin_with(edits: &[(&str, &str, &str, Value)]) -> Snapshot {
        let mut objects = builtin::load().unwrap().objects();
        for (kind, name, pointer, value) in edits {
            let object = objects
                .iter_mut()
                .find(|object| object["kind"] == *kind && object["metadata"]["name"] == *name)
                .unwrap();
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        let objects: Vec<Object> = objects
            .into_iter()
            .map(|value| Object {
                file: "test".to_owned(),
                value,
            })
            .collect();
        check(&objects).unwrap()
    }

    type Pairs = Vec<(String, String)>;

    /// Candidate and points of the ranking, then candidate and failures of the excluded.
    fn outcome(decision: &Decision<'_>) -> (Pairs, Pairs) {
        let ranked = decision.ranked.iter();
        let excluded = decision.excluded.iter();
        (
            ranked
                .map(|ranked| (ranked.candidate.name.clone(), ranked.score.to_string()))
                .collect(),
            excluded
                .map(|excluded| {
                    let failures: Vec<String> = excluded.failures.iter().map(ToString::to_string).collect();
                    (excluded.candidate.name.clone(), failures.join(", "))
                })
                .collect(),
        )
    }

    const AWS: &str = "aws-us-east-1";
    const GCP: &str = "gcp-us-central1";
    const OCI: &str = "oci-us-ashburn-1";

    struct Case {
        name: &'static str,
        tier: &'static str,
        ha: bool,
        ranked: &'static [(&'static str, &'static str)],
        excluded: &'static [(&'static str, &'static str)],
    }

    // Scores, as latency, dr, maturity, cost: AWS .90 .95 .95 .50, GCP .88 .85 .88 .65, OCI .80 .70 .65 .85.
    const CASES: &[Case] = &[
        Case {
            name: "C0 weighs latency and recovery most and needs MultiAZ anyway: AWS",
            tier: "C0",
            ha: false,
            ranked: &[
                // .30×.90 + .30×.95 + .25×.95 + .15×.50 = .27  + .285 + .2375 + .075
                (AWS, "0.8675"),
                // .30×.88 + .30×.85 + .25×.88 + .15×.65 = .264 + .255 + .22   + .0975
                (GCP, "0.8365"),
            ],
            excluded: &[(OCI, "lacks MultiAZ")],
        },
        Case {
            name: "C0 with ha asks for nothing that C0 does not: the same",
            tier: "C0",
            ha: true,
            ranked: &[(AWS, "0.8675"), (GCP, "0.8365")],
            excluded: &[(OCI, "lacks MultiAZ")],
        },
        Case {
            name: "C1 weighs all four alike, and AWS has the best mean",
            tier: "C1",
            ha: false,
            ranked: &[
                // .25 × (.90 + .95 + .95 + .50) = .25 × 3.30
                (AWS, "0.825"),
                // .25 × (.88 + .85 + .88 + .65) = .25 × 3.26
                (GCP, "0.815"),
                // .25 × (.80 + .70 + .65 + .85) = .25 × 3.00
                (OCI, "0.75"),
            ],
            excluded: &[],
        },
        Case {
            name: "C1 with ha loses OCI, which was third",
            tier: "C1",
            ha: true,
            ranked: &[(AWS, "0.825"), (GCP, "0.815")],
            excluded: &[(OCI, "lacks MultiAZ")],
        },
        Case {
            name: "C2 is half about cost, and OCI is cheapest: the order turns round",
            tier: "C2",
            ha: false,
            ranked: &[
                // .20×.80 + .15×.70 + .15×.65 + .50×.85 = .16  + .105  + .0975 + .425
                (OCI, "0.7875"),
                // .20×.88 + .15×.85 + .15×.88 + .50×.65 = .176 + .1275 + .132  + .325
                (GCP, "0.7605"),
                // .20×.90 + .15×.95 + .15×.95 + .50×.50 = .18  + .1425 + .1425 + .25
                (AWS, "0.715"),
            ],
            excluded: &[],
        },
        Case {
            name: "C2 with ha loses OCI, and GCP is next",
            tier: "C2",
            ha: true,
            ranked: &[(GCP, "0.7605"), (AWS, "0.715")],
            excluded: &[(OCI, "lacks MultiAZ")],
        },
        Case {
            name: "a tier in lower case is the same tier",
            tier: "c2",
            ha: true,
            ranked: &[(GCP, "0.7605"), (AWS, "0.715")],
            excluded: &[(OCI, "lacks MultiAZ")],
        },
    ];

    #[test]
    fn every_tier_with_and_without_ha_in_the_built_in_cell() {
        let catalog = builtin::load().unwrap();
        let owned = |pairs: &[(&str, &str)]| -> Pairs {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        for case in CASES {
            let decision = decide(&catalog, request(case.tier, case.ha)).unwrap();
            let expected = (owned(case.ranked), owned(case.excluded));
            assert_eq!(outcome(&decision), expected, "{}", case.name);
            assert_eq!(
                decision.winner().unwrap().candidate.name,
                case.ranked[0].0,
                "{}",
                case.name
            );
        }
    }

    #[test]
    fn what_is_required_is_the_tiers_list_and_multi_az_for_ha() {
        let catalog = builtin::load().unwrap();
        let required = |tier, ha| -> Vec<String> {
            let decision = decide(&catalog, request(tier, ha)).unwrap();
            decision.required.iter().map(ToString::to_string).collect()
        };
        assert_eq!(required("C0", false), ["MultiAZ", "PITR", "PrivateNetworking"]);
        assert_eq!(required("C0", true), ["MultiAZ", "PITR", "PrivateNetworking"]);
        assert_eq!(required("C1", false), ["PITR", "PrivateNetworking"]);
        assert_eq!(required("C2", false), ["PrivateNetworking"]);
        assert_eq!(required("C2", true), ["MultiAZ", "PrivateNetworking"]);
    }

    #[test]
    fn equal_scores_go_to_the_name_that_comes_first() {
        // C1 weighs all four .25. GCP's cost up by .04 from .65 to .69: .25 × 3.30 = .825, as AWS.
        let catalog = builtin_with(&[("Cell", "payments", "/spec/candidates/1/scores/cost", json!(0.69))]);
        let decision = decide(&catalog, request("C1", false)).unwrap();
        let (ranked, _) = outcome(&decision);
        assert_eq!(ranked[0], (AWS.to_owned(), "0.825".to_owned()));
        assert_eq!(ranked[1], (GCP.to_owned(), "0.825".to_owned()));
        // With names the other way round, the win goes the other way.
        let catalog = builtin_with(&[
            ("Cell", "payments", "/spec/candidates/1/scores/cost", json!(0.69)),
            ("Cell", "payments", "/spec/candidates/0/name", json!("z-was-aws")),
        ]);
        let decision = decide(&catalog, request("C1", false)).unwrap();
        assert_eq!(decision.winner().unwrap().candidate.name, GCP);
    }

    #[test]
    fn a_closed_provider_region_or_candidate_is_excluded_for_its_reason() {
        let closed = json!({"reason": "evacuation"});
        let region = json!([{"name": "us-east-1", "cordoned": closed}, {"name": "us-central1"}]);
        for (edit, says) in [
            (
                ("CloudProvider", "aws", "/spec/cordoned", closed.clone()),
                "its provider is cordoned (evacuation)",
            ),
            (
                ("CloudProvider", "aws", "/spec/regions", region.clone()),
                "its region is cordoned (evacuation)",
            ),
            (
                ("Cell", "payments", "/spec/candidates/0/cordoned", closed.clone()),
                "cordoned (evacuation)",
            ),
        ] {
            let catalog = builtin_with(&[edit]);
            let decision = decide(&catalog, request("C0", false)).unwrap();
            let (ranked, excluded) = outcome(&decision);
            assert_eq!(ranked, [(GCP.to_owned(), "0.8365".to_owned())], "{says}");
            assert_eq!(excluded[0], (AWS.to_owned(), says.to_owned()));
            assert_eq!(excluded[1], (OCI.to_owned(), "lacks MultiAZ".to_owned()));
            assert!(!decision.excluded[0].failures[0].counts_for_existing());
            assert!(decision.excluded[1].failures[0].counts_for_existing());
        }
        // The same region name in another cloud is another region.
        let catalog = builtin_with(&[("CloudProvider", "gcp", "/spec/regions", region)]);
        let decision = decide(&catalog, request("C0", false)).unwrap();
        assert_eq!(decision.winner().unwrap().candidate.name, AWS);
    }

    #[test]
    fn a_candidate_is_excluded_for_everything_it_fails_in_the_order_of_the_gates() {
        let closed = |reason: &str| json!({"reason": reason});
        let catalog = builtin_with(&[
            ("Cell", "payments", "/spec/candidates/2/cordoned", closed("itself")),
            ("Cell", "payments", "/spec/candidates/2/capabilities", json!([])),
            ("CloudProvider", "oci", "/spec/cordoned", closed("cloud")),
            (
                "CloudProvider",
                "oci",
                "/spec/regions",
                json!([{"name": "us-ashburn-1", "cordoned": closed("region")}]),
            ),
        ]);
        let decision = decide(&catalog, request("C1", true)).unwrap();
        let (_, excluded) = outcome(&decision);
        assert_eq!(
            excluded[0].1,
            "its provider is cordoned (cloud), its region is cordoned (region), cordoned (itself), \
             lacks MultiAZ, lacks PITR, lacks PrivateNetworking"
        );
    }

    #[test]
    fn a_claim_that_fits_nowhere_is_told_the_counts_and_then_each_candidate() {
        // AWS loses MultiAZ, OCI never had it, GCP is closed: twice, which counts once.
        let catalog = builtin_with(&[
            (
                "Cell",
                "payments",
                "/spec/candidates/0/capabilities",
                json!(["PITR", "PrivateNetworking"]),
            ),
            (
                "Cell",
                "payments",
                "/spec/candidates/1/cordoned",
                json!({"reason": "full"}),
            ),
            (
                "CloudProvider",
                "gcp",
                "/spec/cordoned",
                json!({"reason": "contract ended"}),
            ),
        ]);
        let decision = decide(&catalog, request("C0", false)).unwrap();
        assert!(decision.winner().is_none());
        assert_eq!(decision.summary(), "0/3 candidates fit: 2 lack MultiAZ, 1 cordoned");
        assert_eq!(
            decision.refusal(),
            "0/3 candidates fit: 2 lack MultiAZ, 1 cordoned; aws-us-east-1: lacks MultiAZ; \
             gcp-us-central1: its provider is cordoned (contract ended), cordoned (full); \
             oci-us-ashburn-1: lacks MultiAZ"
        );
    }

    #[test]
    fn causes_come_commonest_first_and_equal_ones_by_name_with_cordons_last() {
        let catalog = builtin_with(&[
            ("Cell", "payments", "/spec/candidates/0/capabilities", json!(["PITR"])),
            (
                "Cell",
                "payments",
                "/spec/candidates/1/cordoned",
                json!({"reason": "full"}),
            ),
            (
                "Cell",
                "payments",
                "/spec/candidates/2/capabilities",
                json!(["MultiAZ"]),
            ),
        ]);
        let decision = decide(&catalog, request("C0", false)).unwrap();
        assert_eq!(
            decision.summary(),
            "0/3 candidates fit: 2 lack PrivateNetworking, 1 lacks MultiAZ, 1 lacks PITR, 1 cordoned"
        );
    }

    #[test]
    fn the_summary_of_one_candidate_and_of_many_that_fit_is_good_english() {
        let one = json!([builtin::load().unwrap().objects()[6]["spec"]["candidates"][2]]);
        let catalog = builtin_with(&[("Cell", "payments", "/spec/candidates", one)]);
        let refused = decide(&catalog, request("C0", false)).unwrap();
        assert_eq!(
            refused.refusal(),
            "0/1 candidate fits: 1 lacks MultiAZ; oci-us-ashburn-1: lacks MultiAZ"
        );
        let catalog = builtin::load().unwrap();
        let taken = decide(&catalog, request("C2", false)).unwrap();
        assert_eq!(taken.summary(), "3/3 candidates fit");
        let taken = decide(&catalog, request("C2", true)).unwrap();
        assert_eq!(taken.summary(), "2/3 candidates fit: 1 lacks MultiAZ");
    }

    #[test]
    fn a_refusal_names_twenty_candidates_and_counts_the_rest() {
        let candidates = |count: usize| -> Value {
            let one = builtin::load().unwrap().objects()[6]["spec"]["candidates"][2].clone();
            (0..count)
                .map(|i| {
                    let mut candidate = one.clone();
                    candidate["name"] = json!(format!("oci-{i:02}"));
                    candidate["runtimeCluster"] = json!(format!("oci-{i:02}"));
                    candidate
                })
                .collect()
        };
        for (count, end) in [
            (20, "; oci-19: lacks MultiAZ"),
            (21, "; oci-19: lacks MultiAZ; and 1 more"),
            (22, "; oci-19: lacks MultiAZ; and 2 more"),
        ] {
            let catalog = builtin_with(&[("Cell", "payments", "/spec/candidates", candidates(count))]);
            let refusal = decide(&catalog, request("C0", false)).unwrap().refusal();
            assert!(refusal.starts_with(&format!("0/{count} candidates fit: {count} lack MultiAZ; oci-00: ")));
            assert!(refusal.ends_with(end), "{refusal}");
        }
    }

    #[test]
    fn every_unknown_name_is_told_with_those_there_are() {
        let catalog = builtin::load().unwrap();
        let unknown = |cell: &'static str, tier: &'static str, environment: &'static str| {
            let request = Request {
                cell: cell.into(),
                environment: environment.into(),
                ..request(tier, false)
            };
            decide(&catalog, request).map(|_| ()).unwrap_err()
        };
        let cell = Unknown {
            named: Named::Cell,
            given: "billing".into(),
            known: vec!["payments"],
        };
        let tier = Unknown {
            named: Named::Tier,
            given: "C9".into(),
            known: vec!["c0", "c1", "c2"],
        };
        let environment = Unknown {
            named: Named::Environment,
            given: "qa".into(),
            known: vec!["dev", "prod", "staging"],
        };
        assert_eq!(unknown("billing", "C1", "prod"), vec![cell.clone()]);
        assert_eq!(unknown("payments", "C9", "prod"), vec![tier.clone()]);
        assert_eq!(unknown("payments", "C1", "qa"), vec![environment.clone()]);
        assert_eq!(unknown("payments", "C9", "qa"), [environment, tier.clone()]);
        // Environments are a cell's own, so without the cell there is nothing to say of them.
        assert_eq!(unknown("billing", "C9", "qa"), [cell, tier]);
        // Names of cells and environments are compared with case.
        assert_eq!(unknown("Payments", "C1", "prod").len(), 1);
        assert_eq!(unknown("payments", "C1", "Prod").len(), 1);
    }

    #[test]
    fn a_name_left_out_is_not_asked_about() {
        let catalog = builtin::load().unwrap();
        let (cell, bad) = (Cow::Borrowed("payments"), Cow::Borrowed("x"));
        assert_eq!(super::unknown(&catalog, None, None, Some(&bad)), []);
        assert_eq!(super::unknown(&catalog, Some(&cell), None, None), []);
        assert_eq!(super::unknown(&catalog, Some(&cell), Some(&bad), Some(&bad)).len(), 2);
    }
}
