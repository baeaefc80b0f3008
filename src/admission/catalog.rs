//! A write of a catalog object: what is wrong with it by itself refuses it, what it means for others is a warning. So a
//! folder of objects can be applied in any order.

use serde_json::Value;

use super::answer::{Answer, Outcome, limited};
use super::envelope::Review;
use super::{Write, write};
use crate::catalog::check::problems_of_each;
use crate::catalog::{self, API_VERSION, GROUP, KINDS, Object, VERSION};
use crate::claim::{Cause, Problem};
use crate::telemetry::traces::SPANS;

/// How many consequences are told one by one.
const MOST_TOLD: usize = 10;

/// Answers the write of a catalog object. `consequences` are the problems that it newly makes, or why they are not known; it
/// is asked about good objects only.
pub fn answer(
    review: &Review<'_, Value>,
    consequences: impl FnOnce(&Object) -> Result<Vec<catalog::Problem>, &'static str>,
) -> Answer<'static> {
    let _span = tracing::info_span!(target: SPANS, "decide").entered();
    let Write {
        kind, object, stored, ..
    } = match write(review, GROUP, VERSION, &KINDS) {
        Ok(write) => write,
        Err(answer) => return *answer,
    };
    if object.get("apiVersion").is_none_or(|given| given != API_VERSION)
        || object.get("kind").is_none_or(|given| given != kind)
    {
        return Answer::malformed("object", format!("is no {API_VERSION} {kind}"));
    }
    // A bad object that is there can be labelled, finalized and deleted.
    if stored.is_some_and(|stored| stored.get("spec") == object.get("spec")) {
        return Answer::allowed(Outcome::Unchanged, Vec::new());
    }
    let object = Object {
        file: String::new(),
        value: object.clone(),
    };
    let problems = problems_of_each(std::slice::from_ref(&object)).into_iter();
    let problems: Vec<Problem> = problems
        .map(|problem| Problem::new(Cause::CatalogInvalid, problem.path, problem.message))
        .collect();
    if !problems.is_empty() {
        return Answer::refused(problems);
    }
    let warnings = match consequences(&object) {
        Ok(problems) => warnings(&problems),
        Err(unknown) => vec![limited(unknown)],
    };
    Answer {
        warnings,
        ..Answer::allowed(Outcome::Accepted, Vec::new())
    }
}

fn warnings(problems: &[catalog::Problem]) -> Vec<String> {
    let told = problems.iter().take(MOST_TOLD);
    let mut warnings: Vec<String> = told.map(|problem| limited(&problem.to_string())).collect();
    if let Some(more @ 1..) = problems.len().checked_sub(MOST_TOLD) {
        warnings.push(format!("{more} more: see `idp-multicloud catalog check cluster`"));
    }
    warnings
}
