//! A `PlacementPolicy` object, read and checked: every problem with its field, and inside an expression with line and
//! column. What may stand in an expression is the checker's matter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::{Type, check};
use super::cost::MOST_STEPS;
use super::grid::Grid;
use super::parse::{Fault, Place};
use super::tree::Node;
use super::{MadeText, Match, Message, Mode, Param, Policy, Validation};
use crate::catalog::reader::{Found, Reader, Text, text};

const MOST_NAMES: usize = 64;
const MOST_PARAMS: usize = 32;
const MOST_VALIDATIONS: usize = 8;

pub(in crate::catalog) fn policy(name: String, spec: &Reader<'_>, found: &mut Found) -> Policy {
    spec.only(&["mode", "match", "params", "validations"], found);
    let mode = mode(spec, found);
    let matches = matches(spec, found);
    let params = params(spec, found);
    let validations = validations(&name, spec, &matches, &params, found);
    Policy {
        name,
        mode,
        matches,
        params,
        validations,
    }
}

fn mode(spec: &Reader<'_>, found: &mut Found) -> Mode {
    if spec.get("mode").is_none() {
        return Mode::Enforce;
    }
    let word = spec.one_of("mode", &Mode::ALL.map(Mode::as_str), found);
    let mode = Mode::ALL.into_iter().find(|mode| Some(mode.as_str()) == word);
    mode.unwrap_or(Mode::Enforce)
}

fn matches(spec: &Reader<'_>, found: &mut Found) -> Match {
    let Some(value) = spec.get("match") else {
        return Match::default();
    };
    let reader = Reader::new(Some(value), &spec.at("match"), found);
    reader.only(&["cells", "tiers", "environments", "namespaces"], found);
    let mut names = |field| names(&reader, field, found);
    Match {
        cells: names("cells"),
        tiers: names("tiers").map(|tiers| tiers.iter().map(|tier| tier.to_ascii_lowercase()).collect()),
        environments: names("environments"),
        namespaces: names("namespaces"),
    }
}

fn names(reader: &Reader<'_>, field: &str, found: &mut Found) -> Option<BTreeSet<String>> {
    reader.get(field)?;
    let before = found.problems.len();
    let rule = if field == "tiers" {
        Text::AnyCaseLabel
    } else {
        Text::Label
    };
    let names = reader.texts(field, rule, MOST_NAMES, found);
    if names.is_empty() && found.problems.len() == before {
        found.note(
            reader.at(field),
            "must name at least one; leave it out for all".to_owned(),
        );
    }
    Some(names)
}

fn params(spec: &Reader<'_>, found: &mut Found) -> BTreeMap<String, Param> {
    let mut params = BTreeMap::new();
    for (name, path, value) in spec.entries("params", MOST_PARAMS, found) {
        if let Some(param) = param(value, &path, found) {
            params.insert(name.to_owned(), param);
        }
    }
    params
}

fn param(value: &Value, path: &str, found: &mut Found) -> Option<Param> {
    match value {
        Value::Bool(value) => Some(Param::Bool(*value)),
        Value::Number(number) => {
            let param = number
                .as_i64()
                .map(Param::Int)
                .or_else(|| number.as_f64().and_then(self::number));
            if param.is_none() {
                found.note(
                    path.to_owned(),
                    format!("is {number}; must be a number of at most 64 bits"),
                );
            }
            param
        }
        Value::Array(members) => {
            if members.len() > MOST_NAMES {
                found.note(
                    path.to_owned(),
                    format!("has {} entries; at most {MOST_NAMES}", members.len()),
                );
            }
            let members = members.iter().enumerate();
            let texts = members.map(|(i, member)| text(member, &format!("{path}[{i}]"), Text::Line, found));
            // Every one of them is looked at before the first that is wrong ends it.
            let texts: Vec<Option<String>> = texts.collect();
            texts.into_iter().collect::<Option<_>>().map(Param::Texts)
        }
        Value::String(_) => text(value, path, Text::Line, found).map(Param::Text),
        Value::Null | Value::Object(_) => {
            let message = "must be a string, a number, a boolean or a list of strings";
            found.note(path.to_owned(), message.to_owned());
            None
        }
    }
}

/// A number that is no `i64` in JSON. It is one all the same where only a `.0` makes the difference.
fn number(value: f64) -> Option<Param> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "a whole number that f64 holds exactly")]
    match value {
        value if !value.is_finite() => None,
        value if value.fract() == 0.0 && value.abs() <= EXACT => Some(Param::Int(value as i64)),
        value => Some(Param::Double(value)),
    }
}

fn validations(
    name: &str,
    spec: &Reader<'_>,
    matches: &Match,
    params: &BTreeMap<String, Param>,
    found: &mut Found,
) -> Vec<Validation> {
    // With some params unread, expressions that use them would be told to be wrong, too.
    let params_are_read = params.len()
        == spec
            .get("params")
            .and_then(Value::as_object)
            .map_or(0, serde_json::Map::len);
    let before = found.problems.len();
    let members = spec.list("validations", found);
    if spec.readable() && members.is_empty() && found.problems.len() == before {
        found.note(spec.at("validations"), "must list at least one".to_owned());
    }
    if members.len() > MOST_VALIDATIONS {
        let message = format!("has {} entries; at most {MOST_VALIDATIONS}", members.len());
        found.note(spec.at("validations"), message);
        return Vec::new();
    }
    let grid = Grid::of(matches);
    let expressions = Expressions {
        params: params_are_read.then_some(params),
        grid: &grid,
    };
    let mut validations = Vec::new();
    for (path, value) in members {
        let reader = Reader::new(Some(value), &path, found);
        reader.only(&["expression", "message", "messageExpression"], found);
        let condition = expressions.read(&reader, "expression", &Type::Bool, found);
        let message = message(name, &reader, &expressions, found);
        if let (Some((expression, condition)), Some(message)) = (condition, message) {
            validations.push(Validation {
                expression,
                message,
                condition,
            });
        }
    }
    validations
}

fn message(name: &str, reader: &Reader<'_>, expressions: &Expressions<'_>, found: &mut Found) -> Option<Message> {
    match (reader.get("message"), reader.get("messageExpression")) {
        (Some(_), Some(_)) => {
            let message = "stands beside messageExpression; keep one of them";
            found.note(reader.at("message"), message.to_owned());
            None
        }
        (_, Some(_)) => {
            let (message_expression, text) = expressions.read(reader, "messageExpression", &Type::Text, found)?;
            Some(Message::Made {
                message_expression,
                text: MadeText(text),
            })
        }
        _ => {
            let message = reader.text("message", Text::Message, found)?;
            let told = format!("{name}: {message}");
            Some(Message::Fixed { message, told })
        }
    }
}

/// What the expressions of one policy are checked with.
struct Expressions<'e> {
    /// None where some could not be read.
    params: Option<&'e BTreeMap<String, Param>>,
    grid: &'e Grid,
}

impl Expressions<'_> {
    fn read(&self, reader: &Reader<'_>, field: &str, wanted: &Type, found: &mut Found) -> Option<(String, Node)> {
        let rule = format!("must be a CEL expression, a {wanted}");
        let value = reader.required(field, &rule, found)?;
        let path = reader.at(field);
        let Some(source) = value.as_str() else {
            found.note(path, format!("{rule}; put it in quotes"));
            return None;
        };
        match check(source, wanted, self.params?).and_then(|node| self.prove(source, wanted, node)) {
            Ok(node) => Some((source.to_owned(), node)),
            Err(faults) => {
                for fault in faults {
                    found.note(path.clone(), fault.to_string());
                }
                None
            }
        }
    }

    /// Whether a tree is cheap enough, and has a value wherever it may be asked for one.
    fn prove(&self, source: &str, wanted: &Type, node: Node) -> Result<Node, Vec<Fault>> {
        let steps = node.steps();
        if steps > MOST_STEPS {
            let message = format!("takes up to {steps} steps; at most {MOST_STEPS}: look through fewer lists");
            return Err(vec![Fault::new(Place::START, message)]);
        }
        let Some((error, point)) = self.grid.first_error(&node, *wanted == Type::Bool) else {
            return Ok(node);
        };
        let place = Place::at(source, usize::try_from(error.at).unwrap_or_default());
        let message = format!("{}, on {point}; ask with has() or in first", error.cause);
        Err(vec![Fault::new(place, message)])
    }
}
