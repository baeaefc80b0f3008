//! UPDATE: nothing is ever rescheduled. The placement is held, and what changed is judged against what is stored.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::answer::{Answer, Outcome, Policies, limited};
use super::envelope::Head;
use super::sticky::{self, Held};
use super::stored::Stored;
use super::{API_FIELD_MANAGER, Writer};
use crate::catalog::{Candidate, MULTI_AZ, Snapshot, Subject, Tier};
use crate::claim::parameters::{Parameters, path};
use crate::claim::{Cause, Claim, Problem, Shown};
use crate::placement::{Demands, Failure, Gate, failures, newly_failed, required};

/// Answers the change of `old` into `new`, in `namespace`.
#[must_use]
pub fn answer(
    head: &Head<'_>,
    old: &Claim<'_>,
    new: &Claim<'_>,
    namespace: &str,
    catalog: &Snapshot,
    writer: Writer,
) -> Answer<'static> {
    if let Err(problem) = shaped(old, new) {
        return Answer::refused(vec![problem]);
    }
    let Held { edits, mut problems } = sticky::hold(old, new, writer);
    let empty = Map::new();
    let change = Change {
        old: old.parameters().unwrap_or(&empty),
        new: new.parameters().unwrap_or(&empty),
        namespace,
    };
    problems.extend(change.fixed());
    problems.extend(creates_only(head, old, new));
    let mut judged = Judged::default();
    // A claim that is being deleted only has to keep its placement; the new object's timestamp is anybody's word.
    if old.metadata.deletion_timestamp.is_none() {
        judged = change.judge(catalog, writer);
    }
    let Judged {
        problems: found,
        warnings,
        policies,
    } = judged;
    problems.extend(found);
    if !problems.is_empty() {
        return Answer {
            policies,
            ..Answer::refused(problems)
        };
    }
    let outcome = if edits.is_empty() {
        Outcome::Unchanged
    } else {
        Outcome::Repaired
    };
    Answer {
        warnings,
        policies,
        ..Answer::allowed(outcome, edits)
    }
}

/// Whether `new` has the mappings that `old` has, so that there is a place to put things back.
fn shaped(old: &Claim<'_>, new: &Claim<'_>) -> Result<(), Problem> {
    let remedy = "send it as it is stored, with your changes";
    let hold = |path: &str, old: Option<&Value>, new: Option<&Value>| match (old, new) {
        (_, Some(Value::Object(_))) | (None | Some(Value::Null), None | Some(Value::Null)) => Ok(()),
        (_, None | Some(Value::Null)) => Err(Problem::new(Cause::FieldMissing, path, format!("is missing; {remedy}"))),
        (_, Some(_)) => Err(Problem::new(
            Cause::FieldType,
            path,
            format!("must be a mapping; {remedy}"),
        )),
    };
    hold("spec", Some(&old.spec), Some(&new.spec))?;
    hold(
        "spec.parameters",
        old.spec.get("parameters"),
        new.spec.get("parameters"),
    )
}

/// Our REST API never changes a claim, not even when two of its requests race.
fn creates_only(head: &Head<'_>, old: &Claim<'_>, new: &Claim<'_>) -> Option<Problem> {
    let manager = head.field_manager();
    let ours = manager
        .strip_prefix(API_FIELD_MANAGER)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    (ours && old.spec != new.spec).then(|| {
        Problem::new(
            Cause::WriterForbidden,
            "spec",
            "the REST API only creates claims; change this one with kubectl or GitOps",
        )
    })
}

/// The parameters before and after.
struct Change<'c> {
    old: &'c Map<String, Value>,
    new: &'c Map<String, Value>,
    namespace: &'c str,
}

/// What is wrong with a change, and what is worth knowing of it.
#[derive(Default)]
struct Judged {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    policies: Policies,
}

impl Judged {
    /// The stored candidate under the new demands. Only what the change itself makes it fail refuses the change.
    fn held_to(
        &mut self,
        candidate: &Candidate,
        now: &Demands<'_, '_>,
        then: &Demands<'_, '_>,
        anew: &[&str],
        tier: Option<&Tier>,
    ) {
        let newly = newly_failed(candidate, now, then);
        let (policies, warnings) = Policies::of(&newly.notices);
        self.policies = policies;
        self.policies
            .broken
            .extend(newly.broken.iter().map(ToString::to_string));
        self.warnings.extend(warnings);
        let words = |failures: &[Failure<'_>]| {
            let words: Vec<String> = failures.iter().map(ToString::to_string).collect();
            words.join(", ")
        };
        if !anew.is_empty() && !newly.failures.is_empty() {
            let what = format!("{} {}", candidate.name, words(&newly.failures));
            let lacking = newly.failures.iter().filter(|failure| failure.gate == Gate::Capability);
            let lacking: Vec<&str> = lacking.map(|failure| &*failure.detail).collect();
            let field = match (lacking.as_slice(), anew) {
                ([], [only]) => path(only),
                ([], _) => "spec.parameters".to_owned(),
                (lacking, _) => lacking_for(tier, lacking),
            };
            self.problems.push(unfit(field, &what));
            return;
        }
        let failures = failures(candidate, now);
        if !failures.is_empty() {
            let though = format!("stays on {}, though: {}", candidate.name, words(&failures));
            self.warnings.push(limited(&though));
        }
    }
}

impl Change<'_> {
    /// Whether a field means something else than before: absent is null, and for `ha` false; a tier has no case.
    fn changed(&self, field: &str) -> bool {
        let before = self.old.get(field).filter(|value| !value.is_null());
        let after = self.new.get(field).filter(|value| !value.is_null());
        match (field, before, after) {
            ("tier", Some(Value::String(before)), Some(Value::String(after))) => !before.eq_ignore_ascii_case(after),
            ("ha", before, after) => before.unwrap_or(&Value::Bool(false)) != after.unwrap_or(&Value::Bool(false)),
            (_, before, after) => before != after,
        }
    }

    /// Problems with the two fields that stay for life.
    fn fixed(&self) -> impl Iterator<Item = Problem> {
        ["cell", "environment"]
            .into_iter()
            .filter(|field| self.changed(field))
            .map(|field| {
                let stored = match self.old.get(field) {
                    Some(Value::String(stored)) => format!("is \"{}\" for life", Shown(stored)),
                    _ => "was never set and stays so".to_owned(),
                };
                let message = format!("{stored}; set it back, or make a new claim and move the data");
                Problem::new(Cause::FieldFixed, path(field), message)
            })
    }

    /// What is wrong with the other four, and what is worth knowing.
    fn judge(&self, catalog: &Snapshot, writer: Writer) -> Judged {
        let mut judged = Judged::default();
        let problems = &mut judged.problems;
        let (before, after) = (Parameters::read(self.old), Parameters::read(self.new));
        let changed = |field| self.changed(field);
        let given = [
            ("tier", after.tier.as_ref().err()),
            ("size", after.size.as_ref().err()),
            ("storageGB", after.storage_gb.as_ref().err()),
            ("ha", after.ha.as_ref().err()),
        ];
        problems.extend(
            given
                .into_iter()
                .filter(|(field, _)| changed(field))
                .filter_map(|(_, problem)| problem.cloned()),
        );
        if let Ok(gb) = after.storage_gb
            && let Some(stored) = self.old.get("storageGB").and_then(Value::as_u64)
            && u64::from(gb) < stored
        {
            let message = format!("is {gb}, less than the {stored} stored; storage only grows");
            problems.push(Problem::new(Cause::StorageShrunk, path("storageGB"), message));
        }
        let old_tier = before.tier.as_ref().ok().and_then(|name| catalog.tier(name));
        let new_tier = after.tier.as_ref().ok().and_then(|name| catalog.tier(name));
        if changed("tier") {
            problems.extend(
                after
                    .unknown(catalog)
                    .into_iter()
                    .filter(|problem| problem.field == path("tier")),
            );
            if let Some(new_tier) = new_tier
                && !writer.operator
            {
                let why = before.tier.as_ref().ok();
                let why = why.and_then(|tier| catalog.not_accepted().tiers.get(&tier.to_ascii_lowercase()));
                problems.extend(lowered(old_tier.ok_or_else(|| missing(why)), new_tier));
            }
        }
        let asked = self::asked(new_tier, &after);
        let had = self::asked(old_tier, &before);
        let anew: Vec<&str> = ["tier", "ha", "size", "storageGB"]
            .into_iter()
            .filter(|field| changed(field))
            .collect();
        match Stored::of(self.old, catalog) {
            Stored::Nowhere => {}
            Stored::Gone => {
                let cell = before.cell.as_ref().ok();
                let why = cell.and_then(|cell| catalog.not_accepted().cells.get(cell.as_ref()));
                let missing = missing(why);
                let raised: Vec<&str> = asked.difference(&had).copied().collect();
                if !anew.is_empty() && !raised.is_empty() {
                    let what = format!(
                        "asks for {}, and the place of this database is {missing}, so nobody can tell whether it has that",
                        raised.join(" and ")
                    );
                    problems.push(unfit(lacking_for(new_tier, &raised), &what));
                } else {
                    judged.warnings.push(limited(&match why {
                        None => format!("the place of this database is {missing}; it stays where it is"),
                        Some(why) => format!("stays where it is, though its cell is not accepted: {why}"),
                    }));
                }
            }
            Stored::At(candidate) => {
                let [now, then] = [&after, &before].map(|parameters| parameters.subject(self.namespace));
                let (now_on, then_on) = (catalog.policies_on(&now), catalog.policies_on(&then));
                let now = Demands {
                    capabilities: &asked,
                    policies: &now_on,
                    subject: now,
                };
                let then = Demands {
                    capabilities: &had,
                    policies: &then_on,
                    subject: then,
                };
                judged.held_to(candidate, &now, &then, &anew, new_tier);
            }
        }
        if !anew.is_empty() {
            judged.warnings.extend(unasked(catalog, &after.subject(self.namespace)));
        }
        judged
    }
}

/// What the catalog does not have (any more), or has and does not accept.
fn missing(why: Option<&String>) -> String {
    why.map_or_else(
        || "not in the catalog any more".to_owned(),
        |why| format!("in a part of the catalog that is not accepted ({why})"),
    )
}

/// Policies about the claim that are not accepted: they keep new claims out, and databases that are there live on.
fn unasked<'s>(catalog: &'s Snapshot, subject: &'s Subject<'_>) -> impl Iterator<Item = String> + use<'s> {
    let policies = catalog.not_accepted().policies.iter();
    let about = policies.filter(|policy| policy.matches.has(subject));
    about.map(|policy| {
        limited(&format!(
            "PlacementPolicy {} was not asked, as it is not accepted: {}",
            policy.name, policy.why
        ))
    })
}

/// What a claim requires. A tier that the catalog does not have (any more) counts for nothing, `ha` counts all the
/// same; a `ha` that cannot be read is refused where it changed, and asked for nothing where it did not.
fn asked<'t>(tier: Option<&'t Tier>, parameters: &Parameters<'_>) -> BTreeSet<&'t str> {
    let ha = parameters.ha == Ok(true);
    tier.map_or_else(
        || ha.then_some(MULTI_AZ).into_iter().collect(),
        |tier| required(tier, ha),
    )
}

/// What is lacking is the tier's matter where the tier requires it, and otherwise that of `ha`.
fn lacking_for(tier: Option<&Tier>, lacking: &[&str]) -> String {
    let by_tier = tier.is_some_and(|tier| lacking.iter().any(|capability| tier.requires.contains(*capability)));
    path(if by_tier { "tier" } else { "ha" })
}

fn unfit(field: String, what: &str) -> Problem {
    let message = format!("{what}; a database is not moved: set it back, or make a new claim and move the data");
    Problem::new(Cause::PlacementUnfit, field, message)
}

/// Whether a tier requires less than the stored one in any respect, which would take protection off a live database.
fn lowered(old: Result<&Tier, String>, new: &Tier) -> Option<Problem> {
    let less = match old {
        Err(missing) => format!("the stored tier is {missing}, so nobody can tell whether it requires less"),
        Ok(old) => {
            let mut less: Vec<String> = old
                .requires
                .difference(&new.requires)
                .map(|capability| format!("no {capability}"))
                .collect();
            if new.rto_minutes > old.rto_minutes {
                less.push(format!(
                    "an RTO of {} minutes instead of {}",
                    new.rto_minutes, old.rto_minutes
                ));
            }
            if new.rpo_minutes > old.rpo_minutes {
                less.push(format!(
                    "an RPO of {} minutes instead of {}",
                    new.rpo_minutes, old.rpo_minutes
                ));
            }
            if less.is_empty() {
                return None;
            }
            format!(
                "{} requires less than {}: {}",
                new.shown(),
                old.shown(),
                less.join(", ")
            )
        }
    };
    let message = format!("{less}; set it back, or ask your platform team, whose operators may lower it");
    Some(Problem::new(Cause::TierLowered, path("tier"), message))
}
