//! A checked expression as a tree, and the values that its nodes have. How they come by them is [`evaluate`](super::evaluate)'s matter.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::fraction::Fraction;

/// One node; which type its value has, the checker knows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    /// Its elements are leaves, which always have a value.
    List(Box<[Node]>),
    /// By key, each once; its values are leaves.
    Map(Box<[(Box<str>, Node)]>),
    Field(Field),
    /// The element that a quantifier looks at.
    Item,
    Not(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    If(Box<[Node; 3]>),
    /// Of anything but texts.
    Compare(Comparison, Box<[Node; 2]>),
    CompareTexts(Comparison, Box<[Node; 2]>),
    Test(Test, Box<[Node; 2]>),
    Join(Box<[Node; 2]>),
    Calculate(Calculation, Box<[Node; 2]>, At),
    Negate(Box<Node>, At),
    In(Box<[Node; 2]>),
    Index(Box<[Node; 2]>, At),
    Size(Box<Node>),
    ToText(Box<Node>),
    ToDouble(Box<Node>),
    Each(Quantifier, Box<[Node; 2]>),
}

/// Where in the expression's text a node stands, as a byte offset.
pub(super) type At = u32;

/// A variable's field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Cell,
    Tier,
    Environment,
    Size,
    StorageGb,
    Ha,
    Namespace,
    Name,
    Provider,
    Region,
    RuntimeCluster,
    Capabilities,
    Scores,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// `None` is the order of what has none.
    pub(super) fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::Unequal => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::Greater => order == Some(Ordering::Greater),
            Self::AtMost => order.is_some_and(Ordering::is_le),
            Self::AtLeast => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// What is asked of two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calculation {
    Add,
    Subtract,
    Multiply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    All,
    Exists,
    ExistsOne,
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It needs the candidate, and was asked without one.
    NoCandidate,
    /// There is none.
    Error(Box<EvalError>),
}

/// What is wrong, and where in the expression's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EvalError {
    pub(super) cause: Cause,
    pub(super) at: At,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("there is no key \"{0}\"")]
    NoKey(String),
    #[error("there is no element {0} in a list of {1}")]
    NoElement(i64, usize),
    #[error("a number is beyond 64 bits")]
    Overflow,
    #[error("there is no candidate")]
    NoCandidate,
}

impl Stop {
    pub(super) fn error(cause: Cause, at: At) -> Self {
        Self::Error(Box::new(EvalError { cause, at }))
    }

    /// What to tell of it.
    pub(super) fn told(self) -> EvalError {
        match self {
            Self::Error(error) => *error,
            Self::NoCandidate => EvalError {
                cause: Cause::NoCandidate,
                at: 0,
            },
        }
    }
}

/// A node's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    List(List<'a>),
    Map(Map<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum List<'a> {
    Names(&'a BTreeSet<String>),
    Nodes(&'a [Node]),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Map<'a> {
    Scores(&'a BTreeMap<String, Fraction>),
    Nodes(&'a [(Box<str>, Node)]),
}

impl Value<'_> {
    /// `None` where the two have no order: no number is in order with one that is none.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(right)),
            (Self::Double(left), Self::Double(right)) => left.partial_cmp(right),
            (Self::Int(left), Self::Double(right)) => whole_to_double(*left, *right),
            (Self::Double(left), Self::Int(right)) => whole_to_double(*right, *left).map(Ordering::reverse),
            (Self::Text(left), Self::Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
            _ => None,
        }
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        self.order(other) == Some(Ordering::Equal)
    }
}

impl List<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Names(names) => names.len(),
            Self::Nodes(nodes) => nodes.len(),
        }
    }
}

impl Map<'_> {
    pub(super) fn has(&self, key: &str) -> bool {
        match self {
            Self::Scores(scores) => scores.contains_key(key),
            Self::Nodes(entries) => entries.iter().any(|(name, _)| **name == *key),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Scores(scores) => scores.len(),
            Self::Nodes(entries) => entries.len(),
        }
    }
}

/// A whole number beside a double, exactly: not every whole number is a double.
fn whole_to_double(whole: i64, double: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double < -BEYOND {
        return Some(Ordering::Greater);
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "it is within the range, and the fraction is looked at next"
    )]
    match whole.cmp(&(double.trunc() as i64)) {
        Ordering::Equal => 0.0.partial_cmp(&double.fract()),
        other => Some(other),
    }
}
