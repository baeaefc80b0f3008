//! Policies: conditions that a platform team sets on which claims may go where, in CEL, checked before they are in force.
//!
//! | file | holds |
//! |---|---|
//! | `read` | the object, read and checked |
//! | `parse` | an expression's text as the tree of the `cel` crate, within bounds |
//! | `check` | that tree, checked and turned into ours |
//! | `tree` | our tree, and the values its nodes have |
//! | `cost` | how much work a tree is at most |
//! | `evaluate` | a tree's value on a claim and a candidate |
//! | `grid` | the invented claims and candidates on which every expression must have a value |
//!
//! The crate is known to `parse` and `check` only. A policy sees no clock, no randomness and no cluster, so that every
//! replica comes to the same verdict.

mod check;
mod cost;
mod evaluate;
mod grid;
mod parse;
mod read;
mod tree;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use self::evaluate::Scope;
use self::parse::Place;
use self::tree::{EvalError, Node};
use super::reader::cut;
use super::snapshot::Candidate;

pub(super) use self::read::policy;

/// The most bytes of a message: with the policy's name it stands in reasons, warnings and refusals.
pub const MOST_MESSAGE: usize = 256;

/// A checked policy.
#[derive(Clone, Debug, Serialize)]
pub struct Policy {
    /// Name.
    #[serde(skip)]
    pub name: String,
    /// What a condition that does not hold means.
    pub mode: Mode,
    /// Which claims it is about.
    #[serde(rename = "match", skip_serializing_if = "Match::is_everything")]
    pub matches: Match,
    /// Values that its expressions use by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Param>,
    /// The conditions; never empty.
    pub validations: Vec<Validation>,
}

/// What a condition that does not hold means for the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Mode {
    /// It cannot take the claim.
    Enforce,
    /// It can; the claim's author is told.
    Warn,
    /// It can; the audit log and our own are told.
    Audit,
}

impl Mode {
    /// Every mode, the strictest first.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Warn, Self::Audit];

    /// The word that an object uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "Enforce",
            Self::Warn => "Warn",
            Self::Audit => "Audit",
        }
    }
}

/// Which claims a policy is about; `None` is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Match {
    /// Names of cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<BTreeSet<String>>,
    /// Names of tiers in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiers: Option<BTreeSet<String>>,
    /// Names of environments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environments: Option<BTreeSet<String>>,
    /// Names of namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<BTreeSet<String>>,
}

impl Match {
    /// Whether that claim is one of these.
    #[must_use]
    pub fn has(&self, subject: &Subject<'_>) -> bool {
        let Self {
            cells,
            tiers,
            environments,
            namespaces,
        } = self;
        let names = |list: &Option<BTreeSet<String>>, name: &str| list.as_ref().is_none_or(|list| list.contains(name));
        let has_tier = |list: &BTreeSet<String>| list.iter().any(|tier| tier.eq_ignore_ascii_case(subject.tier));
        names(cells, subject.cell)
            && names(environments, subject.environment)
            && names(namespaces, subject.namespace)
            && tiers.as_ref().is_none_or(has_tier)
    }

    /// Each list by the name of its field.
    pub fn lists(&self) -> impl Iterator<Item = (&'static str, &BTreeSet<String>)> {
        let lists = [
            ("cells", &self.cells),
            ("tiers", &self.tiers),
            ("environments", &self.environments),
            ("namespaces", &self.namespaces),
        ];
        lists
            .into_iter()
            .filter_map(|(field, list)| Some((field, list.as_ref()?)))
    }

    fn is_everything(&self) -> bool {
        self.lists().next().is_none()
    }
}

/// A value that expressions use as `params.NAME`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Param {
    /// A boolean.
    Bool(bool),
    /// A whole number, `100.0` among them: JSON does not tell it from `100`.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
}

/// One condition.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// The condition as its author wrote it.
    pub expression: String,
    /// What is said where it does not hold.
    #[serde(flatten)]
    pub message: Message,
    #[serde(skip)]
    condition: Node,
}

/// What is said where a condition does not hold.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Message {
    /// Always the same.
    Fixed {
        /// The text.
        message: String,
        /// The text after the policy's name, which is how it is always shown.
        #[serde(skip)]
        told: String,
    },
    /// Put together from the claim and the candidate.
    #[serde(rename_all = "camelCase")]
    Made {
        /// The expression as its author wrote it.
        message_expression: String,
        /// Its tree.
        #[serde(skip)]
        text: MadeText,
    },
}

/// The tree of a message expression.
#[derive(Clone, Debug)]
pub struct MadeText(Node);

/// What a policy may look at beside the candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// `claim.cell`.
    pub cell: &'a str,
    /// `claim.tier`, in capitals.
    pub tier: &'a str,
    /// `claim.environment`.
    pub environment: &'a str,
    /// `claim.size`.
    pub size: &'a str,
    /// `claim.storageGB`.
    pub storage_gb: u16,
    /// `claim.ha`.
    pub ha: bool,
    /// `namespace`; empty where it is not known, which is offline only.
    pub namespace: &'a str,
}

/// One condition that a candidate does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'p> {
    /// Name of the policy.
    pub policy: &'p str,
    /// Which of its conditions, from 0.
    pub validation: usize,
    /// Name and message, as in `NAME: message`; no name has a colon.
    pub told: Cow<'p, str>,
    /// The condition or its message has no value: a fault of the policy.
    pub broken: bool,
}

impl Policy {
    /// Whether every condition holds for that claim, whatever the candidate is: then there is nothing to ask of any.
    #[must_use]
    pub fn holds_anywhere(&self, subject: &Subject<'_>) -> bool {
        let scope = Scope::new(subject, None);
        let mut conditions = self.validations.iter().map(|validation| &validation.condition);
        conditions.all(|condition| scope.truth(condition) == Ok(true))
    }

    /// Every condition that `candidate` does not meet for that claim, which the policy is about.
    #[must_use]
    pub fn findings<'p>(&'p self, subject: &Subject<'_>, candidate: &Candidate) -> Vec<Finding<'p>> {
        let scope = Scope::new(subject, Some(candidate));
        let mut findings = Vec::new();
        for (i, validation) in self.validations.iter().enumerate() {
            let broken = match scope.truth(&validation.condition) {
                Ok(true) => continue,
                Ok(false) => None,
                Err(stop) => Some((stop.told(), &validation.expression)),
            };
            let (told, broken) = match broken {
                Some((error, source)) => (Cow::Owned(self.cannot("", &error, source)), true),
                None => validation.message.told(self, &scope),
            };
            findings.push(Finding {
                policy: &self.name,
                validation: i,
                told,
                broken,
            });
        }
        findings
    }

    /// Whether a condition looks at a candidate's scores.
    #[must_use]
    pub fn reads_scores(&self) -> bool {
        let mut conditions = self.validations.iter().map(|validation| &validation.condition);
        conditions.any(|condition| condition.reads(tree::Field::Scores))
    }

    fn cannot(&self, what: &str, error: &EvalError, source: &str) -> String {
        let place = Place::at(source, usize::try_from(error.at).unwrap_or_default());
        shown(
            &self.name,
            &format!("{what}cannot be evaluated: {place}: {}", error.cause),
        )
    }
}

impl Message {
    fn told<'p>(&'p self, policy: &'p Policy, scope: &Scope<'_>) -> (Cow<'p, str>, bool) {
        match self {
            Self::Fixed { told, .. } => (Cow::Borrowed(told), false),
            Self::Made {
                message_expression,
                text,
            } => match scope.text(&text.0) {
                Ok(text) => (Cow::Owned(shown(&policy.name, &text)), false),
                Err(stop) => (
                    Cow::Owned(policy.cannot("its message ", &stop.told(), message_expression)),
                    true,
                ),
            },
        }
    }
}

/// Whether a character stands for itself on a terminal and in a log.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1
}

/// `text` with a mark for every character that is not.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if is_printable(c) { c } else { '\u{fffd}' })
        .collect()
}

/// A policy's name and what it says, on one line and within its bound.
fn shown(name: &str, message: &str) -> String {
    let message = cut(printable(message), MOST_MESSAGE);
    format!("{name}: {message}")
}

#[cfg(test)]
mod tests;
