//! `crd`: prints the claim's CustomResourceDefinition.

use super::Outcome;
use crate::claim::schema;
use crate::yaml;

pub(super) fn run() -> anyhow::Result<Outcome> {
    print!("{}", yaml::to_string(&schema::crd())?);
    Ok(Outcome::Done)
}
