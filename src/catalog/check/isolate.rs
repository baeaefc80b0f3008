//! Objects that come one by one, as in a cluster: a bad one takes out itself and what needs it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bearing, Checker, Noted, Object, Problem, Read};
use crate::catalog::policy::{Match, Mode};
use crate::catalog::snapshot::{NotAccepted, RefusedPolicy, Snapshot};

/// What is good of some objects, and what is to be said of each.
#[derive(Debug)]
pub struct Isolated {
    /// Everything that is accepted.
    pub snapshot: Snapshot,
    /// One for each object, in their order.
    pub verdicts: Vec<Verdict>,
}

/// Whether an object is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Accepted,
    /// It is, but something is missing that it names, or that others ask of it.
    Incomplete(Vec<Problem>),
    /// It is not: it needs an object that is missing, or not accepted, or says other things of it.
    Unresolved(Vec<Problem>),
    /// It is not: it is wrong by itself.
    Invalid(Vec<Problem>),
}

impl Isolated {
    /// All that is to be said of the objects.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.verdicts.iter().flat_map(Verdict::problems)
    }

    /// How many of `objects`, which this was made of, are of that kind and not accepted.
    #[must_use]
    pub fn refused(&self, objects: &[Object], kind: &str) -> usize {
        let of_it = objects.iter().zip(&self.verdicts).filter(|(object, _)| object.is(kind));
        of_it.filter(|(_, verdict)| !verdict.is_accepted()).count()
    }
}

impl Verdict {
    /// Whether the object is in force.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted | Self::Incomplete(_))
    }

    /// The word for programs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Incomplete(_) => "Incomplete",
            Self::Unresolved(_) => "Unresolved",
            Self::Invalid(_) => "Invalid",
        }
    }

    /// All that is to be said.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Accepted => &[],
            Self::Incomplete(problems) | Self::Unresolved(problems) | Self::Invalid(problems) => problems,
        }
    }
}

/// Makes a snapshot of what is good of `objects`. What is not accepted is known to the snapshot by name, so that a claim
/// that needs it is refused in the right words; a policy among it is never skipped.
#[must_use]
pub fn isolate<'o>(objects: impl IntoIterator<Item = &'o Object>) -> Isolated {
    let objects: Vec<&Object> = objects.into_iter().collect();
    let mut checker = Checker::of(objects.iter().copied());
    let names = checker.names();
    let invalid: BTreeSet<usize> = checker.noted.iter().map(|noted| noted.index).collect();
    let refused = set_aside(&mut checker.providers, &invalid);
    let tiers = set_aside(&mut checker.tiers, &invalid);
    let refused: Vec<String> = refused.into_iter().map(|provider| provider.value.name).collect();
    checker.references(&refused);
    checker.matched(&names);
    let out: BTreeSet<usize> = checker
        .noted
        .iter()
        .filter(|noted| noted.keeps_out())
        .map(|noted| noted.index)
        .collect();
    let noted = ByObject::of(std::mem::take(&mut checker.noted), objects.len());
    let mut not_accepted = NotAccepted {
        tiers: whys(&tiers, &noted, |tier| &tier.name),
        cells: whys(&set_aside(&mut checker.cells, &out), &noted, |cell| &cell.name),
        ..NotAccepted::default()
    };
    for policy in set_aside(&mut checker.policies, &out) {
        if policy.value.mode != Mode::Enforce {
            continue;
        }
        let matches = if match_is_read(noted.of_object(policy.index)) {
            policy.value.matches
        } else {
            Match::default()
        };
        not_accepted.policies.push(RefusedPolicy {
            // Its own may not be one that it can have.
            name: policy.object.trim_start_matches("PlacementPolicy ").to_owned(),
            matches,
            why: why(noted.of_object(policy.index)),
        });
    }
    not_accepted
        .policies
        .sort_by(|a, b| (&a.name, &a.why).cmp(&(&b.name, &b.why)));
    for cell in &checker.cells {
        for noted in noted.of_object(cell.index) {
            let Bearing::Tiers(tiers) = &noted.bearing else {
                continue;
            };
            let gaps: &mut BTreeMap<_, _> = not_accepted.unscored.entry(cell.value.name.clone()).or_default();
            for tier in tiers {
                gaps.entry(tier.clone()).or_insert_with(|| brief(&noted.problem));
            }
        }
    }
    let mut snapshot = checker.snapshot();
    snapshot.not_accepted = not_accepted;
    Isolated {
        snapshot,
        verdicts: noted.0.into_iter().map(verdict).collect(),
    }
}

/// The problems of each object.
struct ByObject(Vec<Vec<Noted>>);

impl ByObject {
    fn of(noted: Vec<Noted>, objects: usize) -> Self {
        let mut of_each: Vec<Vec<Noted>> = std::iter::repeat_with(Vec::new).take(objects).collect();
        for noted in noted {
            if let Some(of_it) = of_each.get_mut(noted.index) {
                of_it.push(noted);
            }
        }
        Self(of_each)
    }

    fn of_object(&self, index: usize) -> &[Noted] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }
}

impl Noted {
    fn keeps_out(&self) -> bool {
        matches!(self.bearing, Bearing::Own | Bearing::Unresolved)
    }
}

/// Takes those of `read` away whose objects are in `out`.
fn set_aside<'o, T>(read: &mut Vec<Read<'o, T>>, out: &BTreeSet<usize>) -> Vec<Read<'o, T>> {
    read.extract_if(.., |read| out.contains(&read.index)).collect()
}

/// Why each is not accepted, by its name. One whose name is none that a claim can give is needed by no claim.
fn whys<T>(read: &[Read<'_, T>], noted: &ByObject, name: fn(&T) -> &String) -> BTreeMap<String, String> {
    let named = read
        .iter()
        .filter(|read| !name(&read.value).is_empty())
        .map(|read| (name(&read.value).clone(), why(noted.of_object(read.index))));
    named.collect()
}

/// The first problem that keeps an object out, and how many more there are.
fn why(noted: &[Noted]) -> String {
    let mut problems = noted.iter().filter(|noted| noted.keeps_out());
    let first = problems.next().map(|noted| brief(&noted.problem)).unwrap_or_default();
    match problems.count() {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}

/// Field and message, short enough to stand in another message.
fn brief(problem: &Problem) -> String {
    const MOST: usize = 256;
    let mut text = problem.in_object();
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push('…');
    }
    text
}

/// Whether it can be told what a policy that is wrong somewhere is about. An unknown field may be its mistyped `match`.
fn match_is_read(noted: &[Noted]) -> bool {
    let elsewhere = ["spec.mode", "spec.params", "spec.validations", "metadata"];
    let own = noted.iter().filter(|noted| noted.bearing == Bearing::Own);
    let mut paths = own.map(|noted| noted.problem.path.as_str());
    paths.all(|path| {
        elsewhere.iter().any(|field| {
            path.strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    })
}

fn verdict(noted: Vec<Noted>) -> Verdict {
    let some = |bearing: Bearing| noted.iter().any(|noted| noted.bearing == bearing);
    let told = if some(Bearing::Own) {
        Verdict::Invalid
    } else if some(Bearing::Unresolved) {
        Verdict::Unresolved
    } else if noted.is_empty() {
        return Verdict::Accepted;
    } else {
        Verdict::Incomplete
    };
    told(noted.into_iter().map(|noted| noted.problem).collect())
}

#[cfg(test)]
mod tests;
