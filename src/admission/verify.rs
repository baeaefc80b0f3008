//! A stored decision made once more, on the catalog that it names: the proof of where a database is.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::audit::{Detail, named};
use super::create::problems_of;
use super::restore::{agreement, brings_placement};
use crate::catalog::Snapshot;
use crate::claim::{Claim, GROUP, KIND, REASON, Shown, VERSION};
use crate::placement::{Decision, Reason, Request, Undecided, decide};

/// A claim, and whether its decision holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Its namespace, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The catalog that it was decided on, if that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog_revision: Option<String>,
    /// The decision's digest, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What came of deciding once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// The claim is where its reason says, and the catalog gives that reason.
    Holds {
        /// The candidate that it is on.
        winner: String,
    },
    /// It does not hold.
    Fails {
        /// Everything that is wrong.
        details: Vec<Detail>,
    },
    /// The claim agrees with its reason, but that was decided on a catalog that was not given.
    OtherCatalog,
    /// There is no decision: the claim was never placed.
    Unplaced,
}

/// Whether it is for a part of the catalog that is not accepted that nothing can be decided.
pub(super) fn is_set_aside(undecided: &Undecided<'_>) -> bool {
    matches!(undecided, Undecided::NotAccepted { .. })
}

/// Decides once more what was decided of a stored claim, on that one of `catalogs` that its reason names. `object` is
/// any object; what is no claim fails.
#[must_use]
pub fn verify(object: &Value, catalogs: &[Snapshot]) -> Verified {
    let (namespace, name) = named(object);
    let mut verified = Verified {
        namespace,
        name,
        catalog_revision: None,
        digest: None,
        verdict: Verdict::Unplaced,
    };
    verified.verdict = match Claim::deserialize(object) {
        Ok(claim) if !claim.is_of(GROUP, VERSION, KIND) => {
            fails("apiVersion", format!("is no {GROUP}/{VERSION} {KIND}"))
        }
        Ok(claim) if brings_placement(&claim) => {
            let reason = claim
                .reason()
                .and_then(|text| serde_json::from_str::<Reason<'_>>(text).ok());
            if let Some(reason) = reason {
                verified.catalog_revision = Some(reason.catalog_revision.into_owned());
                verified.digest = reason.digest.map(Cow::into_owned);
            }
            judge(&claim, catalogs)
        }
        Ok(_) => Verdict::Unplaced,
        Err(error) => fails("", format!("cannot be read: {}", Shown(&error.to_string()))),
    };
    verified
}

fn fails(field: &str, message: String) -> Verdict {
    Verdict::Fails {
        details: vec![Detail {
            field: field.to_owned(),
            message,
        }],
    }
}

fn judge(claim: &Claim<'_>, catalogs: &[Snapshot]) -> Verdict {
    let (placed, reason) = match agreement(claim) {
        Ok(agreed) => agreed,
        Err(problems) => {
            let details = problems.into_iter().map(Detail::from).collect();
            return Verdict::Fails { details };
        }
    };
    let Some(catalog) = catalogs
        .iter()
        .find(|catalog| catalog.revision().as_str() == placed.revision)
    else {
        return Verdict::OtherCatalog;
    };
    let text = claim.reason().unwrap_or_default();
    match again(&reason.request, claim.namespace(), catalog) {
        // Nothing is ever decided with such a part set aside, so this one was decided without it.
        Err(undecided) if undecided.iter().any(is_set_aside) => Verdict::OtherCatalog,
        Err(undecided) => {
            let details = problems_of(&undecided).into_iter().map(Detail::from).collect();
            Verdict::Fails { details }
        }
        Ok(decision) => match differences(text, &decision.reason()) {
            differences if differences.is_empty() => Verdict::Holds {
                winner: placed.candidate.into_owned(),
            },
            differences => fails(
                &format!("metadata.annotations[{REASON}]"),
                format!(
                    "is not what the catalog of its revision decides; it differs in {}",
                    differences.join(", ")
                ),
            ),
        },
    }
}

/// Decides once more what a reason says was asked for; whose namespace it was, it leaves to the claim.
pub(super) fn again<'a>(
    asked: &Request<'a>,
    namespace: &'a str,
    catalog: &'a Snapshot,
) -> Result<Decision<'a>, Vec<Undecided<'a>>> {
    let request = Request {
        namespace: Cow::Borrowed(namespace),
        ..asked.clone()
    };
    decide(catalog, request)
}

/// The members in which two reasons differ. Reasons that are older than digests have none.
fn differences(stored: &str, decided: &str) -> Vec<String> {
    let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let (stored, mut decided) = (read(stored), read(decided));
    if !stored.contains_key("digest") {
        decided.remove("digest");
    }
    let names = decided
        .keys()
        .chain(stored.keys().filter(|name| !decided.contains_key(*name)));
    names
        .filter(|name| stored.get(*name) != decided.get(*name))
        .map(|name| Shown(name).to_string())
        .collect()
}
