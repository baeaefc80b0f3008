//! What one changed object means for the catalog it goes into.

use std::collections::BTreeSet;

use super::{Object, Problem, Verdict, isolate};

/// Every problem that there would be with `changed` in place of the object of its kind and name, and that there is not
/// now: its own first, then those of others.
#[must_use]
pub fn effects(current: &[Object], changed: Object) -> Vec<Problem> {
    let problems = |objects: &[Object]| -> Vec<Problem> {
        let verdicts = isolate(objects).verdicts;
        verdicts.iter().flat_map(Verdict::problems).cloned().collect()
    };
    let now = problems(current);
    let known: BTreeSet<_> = now.iter().map(said).collect();
    let is_it = |object: &&Object| identity(object) != identity(&changed);
    let others: Vec<Object> = current.iter().filter(is_it).cloned().collect();
    let mut after = vec![changed];
    after.extend(others);
    let mut after = problems(&after);
    after.retain(|problem| !known.contains(&said(problem)));
    after
}

/// What a problem says, without the names that there are instead: those change with every object that comes or goes.
fn said(problem: &Problem) -> [&str; 3] {
    let message = problem.message.split("; known: ").next();
    [&problem.object, &problem.path, message.unwrap_or_default()]
}

fn identity(object: &Object) -> [Option<&str>; 2] {
    [object.value.pointer("/kind"), object.value.pointer("/metadata/name")].map(|value| value?.as_str())
}
