//! A tree's value on a claim and a candidate. Every node fits its place, so all that can go wrong here is a key, an index
//! or a sum that is not there.
//!
//! Nothing is copied: texts are borrowed from the policy, the claim and the candidate, save those put together by `+`.

use std::borrow::Cow;

use super::Subject;
use super::tree::{At, Calculation, Cause, Comparison, Field, List, Map, Node, Quantifier, Stop, Test, Value};
use crate::catalog::fraction::Fraction;
use crate::catalog::snapshot::Candidate;

/// What the variables stand for.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    subject: &'a Subject<'a>,
    candidate: Option<&'a Candidate>,
    item: Option<Value<'a>>,
}

type Evaluated<T> = Result<T, Stop>;

impl<'a> Scope<'a> {
    /// Without a candidate, what needs one stops there; what comes to a value all the same does so with every candidate.
    pub(super) fn new(subject: &'a Subject<'a>, candidate: Option<&'a Candidate>) -> Self {
        Self {
            subject,
            candidate,
            item: None,
        }
    }

    /// The value of a node that is a condition.
    pub(super) fn truth(&self, node: &'a Node) -> Evaluated<bool> {
        match node {
            Node::Bool(value) => Ok(*value),
            Node::Not(inner) => Ok(!self.truth(inner)?),
            Node::And(both) => self.either(both, false),
            Node::Or(both) => self.either(both, true),
            Node::If(three) => self.truth(self.branch(three)?),
            Node::Compare(comparison, both) => {
                let [left, right] = &**both;
                Ok(comparison.holds(self.value(left)?.order(&self.value(right)?)))
            }
            Node::CompareTexts(comparison, both) => {
                let [left, right] = &**both;
                let (left, right) = (self.text(left)?, self.text(right)?);
                Ok(match comparison {
                    Comparison::Equal => left == right,
                    Comparison::Unequal => left != right,
                    order => order.holds(Some(left.as_bytes().cmp(right.as_bytes()))),
                })
            }
            Node::Test(test, both) => {
                let [whole, part] = &**both;
                let (whole, part) = (self.text(whole)?, self.text(part)?);
                Ok(match test {
                    Test::StartsWith => whole.starts_with(&*part),
                    Test::EndsWith => whole.ends_with(&*part),
                    Test::Contains => whole.contains(&*part),
                })
            }
            Node::In(both) => self.is_in(both),
            Node::Each(quantifier, both) => self.each(*quantifier, both),
            other => Ok(matches!(self.value(other)?, Value::Bool(true))),
        }
    }

    /// The value of a node that is a text.
    pub(super) fn text(&self, node: &'a Node) -> Evaluated<Cow<'a, str>> {
        match node {
            Node::Text(text) => Ok(Cow::Borrowed(text)),
            Node::Field(field) => self.named(*field).map(Cow::Borrowed),
            other => match self.value(other)? {
                Value::Text(text) => Ok(text),
                _ => Ok(Cow::Borrowed("")),
            },
        }
    }

    fn value(&self, node: &'a Node) -> Evaluated<Value<'a>> {
        Ok(match node {
            Node::Int(value) => Value::Int(*value),
            Node::Double(value) => Value::Double(*value),
            Node::Text(text) => Value::Text(Cow::Borrowed(text)),
            Node::List(elements) => Value::List(List::Nodes(elements)),
            Node::Map(entries) => Value::Map(Map::Nodes(entries)),
            Node::Field(field) => self.field(*field)?,
            // The checker lets it stand inside a quantifier only.
            Node::Item => self.item.clone().unwrap_or(Value::Bool(false)),
            Node::If(three) => self.value(self.branch(three)?)?,
            Node::Join(both) => {
                let [left, right] = &**both;
                Value::Text(self.text(left)? + self.text(right)?)
            }
            Node::Calculate(calculation, both, at) => self.calculate(*calculation, both, *at)?,
            Node::Negate(inner, at) => match self.value(inner)? {
                Value::Int(value) => Value::Int(value.checked_neg().ok_or_else(|| overflow(*at))?),
                Value::Double(value) => Value::Double(-value),
                other => other,
            },
            Node::Index(both, at) => self.index(both, *at)?,
            Node::Size(inner) => {
                let size = match self.value(inner)? {
                    Value::Text(text) => text.chars().count(),
                    Value::List(list) => list.len(),
                    Value::Map(map) => map.len(),
                    Value::Bool(_) | Value::Int(_) | Value::Double(_) => 0,
                };
                Value::Int(i64::try_from(size).unwrap_or(i64::MAX))
            }
            Node::ToText(inner) => Value::Text(match self.value(inner)? {
                Value::Text(text) => text,
                Value::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
                Value::Int(value) => Cow::Owned(value.to_string()),
                Value::Double(value) => Cow::Owned(value.to_string()),
                Value::List(_) | Value::Map(_) => Cow::Borrowed(""),
            }),
            Node::ToDouble(inner) => match self.value(inner)? {
                #[allow(clippy::cast_precision_loss, reason = "as CEL has it: the nearest double")]
                Value::Int(value) => Value::Double(value as f64),
                other => other,
            },
            condition => Value::Bool(self.truth(condition)?),
        })
    }

    fn field(&self, field: Field) -> Evaluated<Value<'a>> {
        Ok(match field {
            Field::StorageGb => Value::Int(self.subject.storage_gb.into()),
            Field::Ha => Value::Bool(self.subject.ha),
            Field::Capabilities => Value::List(List::Names(&self.candidate()?.capabilities)),
            Field::Scores => Value::Map(Map::Scores(&self.candidate()?.scores)),
            text => Value::Text(Cow::Borrowed(self.named(text)?)),
        })
    }

    /// A field that is a text.
    fn named(&self, field: Field) -> Evaluated<&'a str> {
        Ok(match field {
            Field::Cell => self.subject.cell,
            Field::Tier => self.subject.tier,
            Field::Environment => self.subject.environment,
            Field::Size => self.subject.size,
            Field::Namespace => self.subject.namespace,
            Field::Name => &self.candidate()?.name,
            Field::Provider => &self.candidate()?.provider,
            Field::Region => &self.candidate()?.region,
            Field::RuntimeCluster => &self.candidate()?.runtime_cluster,
            Field::StorageGb | Field::Ha | Field::Capabilities | Field::Scores => "",
        })
    }

    fn candidate(&self) -> Evaluated<&'a Candidate> {
        self.candidate.ok_or(Stop::NoCandidate)
    }

    /// `&&` (where `decides` is false) and `||`: one side may decide whatever is wrong with the other, in any order.
    fn either(&self, both: &'a [Node; 2], decides: bool) -> Evaluated<bool> {
        let [left, right] = both;
        let left = self.truth(left);
        if left == Ok(decides) {
            return left;
        }
        match self.truth(right) {
            Ok(right) if right == decides => Ok(right),
            right => left.and(right),
        }
    }

    fn branch(&self, [condition, yes, no]: &'a [Node; 3]) -> Evaluated<&'a Node> {
        Ok(if self.truth(condition)? { yes } else { no })
    }

    fn calculate(&self, calculation: Calculation, [left, right]: &'a [Node; 2], at: At) -> Evaluated<Value<'a>> {
        Ok(match (self.value(left)?, self.value(right)?) {
            (Value::Int(left), Value::Int(right)) => {
                let result = match calculation {
                    Calculation::Add => left.checked_add(right),
                    Calculation::Subtract => left.checked_sub(right),
                    Calculation::Multiply => left.checked_mul(right),
                };
                Value::Int(result.ok_or_else(|| overflow(at))?)
            }
            (Value::Double(left), Value::Double(right)) => {
                let result = match calculation {
                    Calculation::Add => left + right,
                    Calculation::Subtract => left - right,
                    Calculation::Multiply => left * right,
                };
                // No infinity: what follows from one is no number.
                Value::Double(
                    Some(result)
                        .filter(|result| result.is_finite())
                        .ok_or_else(|| overflow(at))?,
                )
            }
            (other, _) => other,
        })
    }

    fn is_in(&self, [wanted, place]: &'a [Node; 2]) -> Evaluated<bool> {
        let wanted = self.value(wanted)?;
        Ok(match (self.value(place)?, wanted) {
            (Value::List(List::Names(names)), Value::Text(wanted)) => names.contains(&*wanted),
            (Value::List(List::Nodes(nodes)), wanted) => {
                for node in nodes {
                    let found = match (node, &wanted) {
                        (Node::Text(text), Value::Text(wanted)) => **text == **wanted,
                        _ => self.value(node)?.same(&wanted),
                    };
                    if found {
                        return Ok(true);
                    }
                }
                false
            }
            (Value::Map(map), Value::Text(wanted)) => map.has(&wanted),
            _ => false,
        })
    }

    fn index(&self, [place, index]: &'a [Node; 2], at: At) -> Evaluated<Value<'a>> {
        let cause = match (self.value(place)?, self.value(index)?) {
            (Value::Map(map), Value::Text(key)) => {
                match map {
                    Map::Scores(scores) => {
                        if let Some(score) = scores.get(&*key) {
                            return Ok(Value::Double(f64::from(score.units()) / f64::from(Fraction::UNITS)));
                        }
                    }
                    Map::Nodes(entries) => {
                        if let Some((_, value)) = entries.iter().find(|(name, _)| **name == *key) {
                            return self.value(value);
                        }
                    }
                }
                Cause::NoKey(key.into_owned())
            }
            (Value::List(list), Value::Int(index)) => {
                let at = usize::try_from(index).unwrap_or(usize::MAX);
                match list {
                    List::Names(names) => {
                        if let Some(name) = names.iter().nth(at) {
                            return Ok(text(name));
                        }
                    }
                    List::Nodes(nodes) => {
                        if let Some(node) = nodes.get(at) {
                            return self.value(node);
                        }
                    }
                }
                Cause::NoElement(index, list.len())
            }
            _ => Cause::Overflow,
        };
        Err(Stop::error(cause, at))
    }

    fn each(&self, quantifier: Quantifier, [range, body]: &'a [Node; 2]) -> Evaluated<bool> {
        match self.value(range)? {
            Value::List(List::Names(names)) => self.quantify(quantifier, names.iter().map(|name| Ok(text(name))), body),
            Value::List(List::Nodes(nodes)) => {
                self.quantify(quantifier, nodes.iter().map(|node| self.value(node)), body)
            }
            Value::Map(Map::Scores(scores)) => self.quantify(quantifier, scores.keys().map(|key| Ok(text(key))), body),
            Value::Map(Map::Nodes(entries)) => {
                self.quantify(quantifier, entries.iter().map(|(key, _)| Ok(text(key))), body)
            }
            _ => Ok(quantifier == Quantifier::All),
        }
    }

    fn quantify(
        &self,
        quantifier: Quantifier,
        items: impl Iterator<Item = Evaluated<Value<'a>>>,
        body: &'a Node,
    ) -> Evaluated<bool> {
        let mut inner = self.clone();
        let mut verdicts = items.map(|item| {
            inner.item = Some(item?);
            inner.truth(body)
        });
        let decides = match quantifier {
            Quantifier::ExistsOne => {
                let count = verdicts.try_fold(0, |count, verdict| verdict.map(|yes| count + u32::from(yes)));
                return Ok(count? == 1);
            }
            Quantifier::All => false,
            Quantifier::Exists => true,
        };
        // One element may decide whatever is wrong with the others, as with `&&` and `||`.
        let mut outcome = Ok(!decides);
        for verdict in verdicts {
            if verdict == Ok(decides) {
                return verdict;
            }
            outcome = outcome.and(verdict);
        }
        outcome
    }
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Cow::Borrowed(text))
}

fn overflow(at: At) -> Stop {
    Stop::error(Cause::Overflow, at)
}
