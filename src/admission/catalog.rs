//! A write of a catalog object: what is wrong with it by itself refuses it, what it means for others is a warning. So a
//! folder of objects can be applied in any order.

use serde_json::Value;

use super::answer::{Answer, Outcome, limited};
use super::envelope::Review;
use super::{Write, write};
use crate::catalog::check::problems_of_each;
use crate::catalog::{API_VERSION, GROUP, KINDS, Object, VERSION, effects};
use crate::claim::{Cause, Problem};

/// How many consequences are told one by one.
const MOST_TOLD: usize = 10;

/// Answers the write of a catalog object, where `current` are all objects there are now; none where the catalog in force
/// is not the cluster's.
#[must_use]
pub fn answer(review: &Review<'_, Value>, current: Option<&[Object]>) -> Answer<'static> {
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
    let warnings = match current {
        Some(current) => warnings(current, object),
        None => vec!["the catalog in force is not the cluster's, so this changes nothing (see --catalog)".to_owned()],
    };
    Answer {
        warnings,
        ..Answer::allowed(Outcome::Accepted, Vec::new())
    }
}

/// What the write would newly make wrong, in this object and in others.
fn warnings(current: &[Object], object: Object) -> Vec<String> {
    let mut warnings: Vec<String> = effects(current, object)
        .iter()
        .map(|problem| limited(&problem.to_string()))
        .collect();
    if let Some(more @ 1..) = warnings.len().checked_sub(MOST_TOLD) {
        warnings.truncate(MOST_TOLD);
        warnings.push(format!("{more} more: see `idp-multicloud catalog check cluster`"));
    }
    warnings
}
