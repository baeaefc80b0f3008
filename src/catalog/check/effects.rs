//! What one changed object means for the catalog it goes into.

use std::collections::BTreeSet;

use super::{Object, Problem, isolate};

/// Every problem that there would be with `changed` in place of the object of its kind and name, and that there is not
/// now: its own first, then those of others.
#[must_use]
pub fn effects(current: &[Object], changed: &Object) -> Vec<Problem> {
    let now = isolate(current);
    let known: BTreeSet<_> = now.problems().map(said).collect();
    let others = current.iter().filter(|object| identity(object) != identity(changed));
    let after = isolate(std::iter::once(changed).chain(others));
    let new = after.problems().filter(|problem| !known.contains(&said(problem)));
    new.cloned().collect()
}

/// What a problem says, without the names that there are instead: those change with every object that comes or goes.
fn said(problem: &Problem) -> [&str; 3] {
    let message = problem.message.split("; known: ").next();
    [&problem.object, &problem.path, message.unwrap_or_default()]
}

fn identity(object: &Object) -> [Option<&str>; 2] {
    [object.value.pointer("/kind"), object.value.pointer("/metadata/name")].map(|value| value?.as_str())
}
