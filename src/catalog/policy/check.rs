//! The parser's tree, checked and turned into ours: what an expression may name and call, and which types fit.
//!
//! The parser takes any name and any pair of types; what this lets through has a value of the type said, or stops at a
//! key, an index or a sum that is not there.

mod calls;

use std::collections::BTreeMap;
use std::fmt;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};

use super::Param;
use super::parse::{Fault, NAMESPACE, Place, parse};
use super::tree::{At, Field, Node};
use crate::catalog::reader::{listed, shown};

/// The most nodes of one expression.
pub(super) const MOST_NODES: usize = 200;

/// What a node's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int,
    Double,
    Text,
    List(Box<Type>),
    Map(Box<Type>),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(value) => write!(f, "map(string, {value})"),
        }
    }
}

impl Type {
    fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double)
    }

    fn is_scalar(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Map(_))
    }
}

/// The tree of `source`, whose value is a `wanted`.
pub(super) fn check(source: &str, wanted: &Type, params: &BTreeMap<String, Param>) -> Result<Node, Vec<Fault>> {
    let (tree, info) = parse(source).map_err(|fault| vec![fault])?;
    let mut checker = Checker {
        source,
        info: &info,
        params,
        item: None,
        nodes: 0,
        faults: Vec::new(),
    };
    let root = checker.node(&tree);
    if let Some((_, given)) = &root
        && given != wanted
    {
        checker.note(&tree, format!("is {given}; must be {wanted}"));
    }
    let mut faults = checker.faults;
    faults.sort();
    faults.dedup();
    match root {
        Some((node, _)) if faults.is_empty() => Ok(node),
        None if faults.is_empty() => Err(vec![Fault::new(Place::START, "is no CEL")]),
        _ => Err(faults),
    }
}

struct Checker<'c> {
    source: &'c str,
    info: &'c SourceInfo,
    params: &'c BTreeMap<String, Param>,
    /// Name and type of a quantifier's variable, inside it.
    item: Option<(&'c str, Type)>,
    nodes: usize,
    faults: Vec<Fault>,
}

type Checked = Option<(Node, Type)>;

/// The fields of `claim` and of `candidate`.
const CLAIM: [(&str, Field); 6] = [
    ("cell", Field::Cell),
    ("tier", Field::Tier),
    ("environment", Field::Environment),
    ("size", Field::Size),
    ("storageGB", Field::StorageGb),
    ("ha", Field::Ha),
];
const CANDIDATE: [(&str, Field); 6] = [
    ("name", Field::Name),
    ("provider", Field::Provider),
    ("region", Field::Region),
    ("runtimeCluster", Field::RuntimeCluster),
    ("capabilities", Field::Capabilities),
    ("scores", Field::Scores),
];

impl Field {
    fn of(self) -> Type {
        match self {
            Self::StorageGb => Type::Int,
            Self::Ha => Type::Bool,
            Self::Capabilities => Type::List(Box::new(Type::Text)),
            Self::Scores => Type::Map(Box::new(Type::Double)),
            _ => Type::Text,
        }
    }
}

impl<'c> Checker<'c> {
    fn at(&self, expr: &IdedExpr) -> At {
        self.info.offset_for(expr.id).map_or(0, |(start, _)| start)
    }

    fn note(&mut self, expr: &IdedExpr, message: impl Into<String>) {
        let place = Place::at(self.source, usize::try_from(self.at(expr)).unwrap_or_default());
        self.faults.push(Fault::new(place, message));
    }

    /// Notes what is wrong, and gives no node.
    fn refuse(&mut self, expr: &IdedExpr, message: impl Into<String>) -> Checked {
        self.note(expr, message);
        None
    }

    /// Counts parts; none is looked at beyond the most there may be.
    fn count(&mut self, expr: &IdedExpr, parts: usize) -> Option<()> {
        let before = self.nodes;
        self.nodes += parts;
        if self.nodes <= MOST_NODES {
            return Some(());
        }
        if before <= MOST_NODES {
            self.note(expr, format!("has more than {MOST_NODES} parts; split it up"));
        }
        None
    }

    fn node(&mut self, expr: &'c IdedExpr) -> Checked {
        self.count(expr, 1)?;
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(name) => self.name(expr, name),
            Expr::Select(select) if select.test => self.has(expr, &select.operand, &select.field),
            Expr::Select(select) => self.select(expr, &select.operand, &select.field),
            Expr::List(list) => self.list(expr, &list.elements),
            Expr::Map(map) => {
                let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Some((&entry.key, &entry.value)),
                    EntryExpr::StructField(_) => None,
                });
                self.map(expr, entries)
            }
            Expr::Call(call) => self.call(expr, call),
            Expr::Comprehension(comprehension) => self.quantifier(expr, comprehension),
            Expr::Struct(_) => self.refuse(expr, "objects cannot be made; use a map"),
            Expr::Unspecified => self.refuse(expr, "is no CEL"),
        }
    }

    fn literal(&mut self, expr: &IdedExpr, literal: &LiteralValue) -> Checked {
        Some(match literal {
            LiteralValue::Boolean(value) => (Node::Bool(*value.inner()), Type::Bool),
            LiteralValue::Int(value) => (Node::Int(*value.inner()), Type::Int),
            LiteralValue::Double(value) => (Node::Double(*value.inner()), Type::Double),
            LiteralValue::String(value) => (Node::Text(value.inner().into()), Type::Text),
            LiteralValue::UInt(_) => return self.refuse(expr, "is a uint; numbers here are ints: leave the u out"),
            LiteralValue::Bytes(_) => return self.refuse(expr, "is bytes; use a string: leave the b out"),
            LiteralValue::Null => return self.refuse(expr, "nothing here is ever null; use has()"),
        })
    }

    fn name(&mut self, expr: &IdedExpr, name: &str) -> Checked {
        if let Some((item, kind)) = &self.item
            && *item == name
        {
            return Some((Node::Item, kind.clone()));
        }
        match name {
            NAMESPACE => Some((Node::Field(Field::Namespace), Type::Text)),
            "claim" => self.refuse(expr, "claim is used by its fields, such as claim.cell"),
            "candidate" => self.refuse(expr, "candidate is used by its fields, such as candidate.region"),
            "params" => self.refuse(expr, "params is used by its fields, such as params.NAME"),
            other => {
                let message = format!(
                    "there is no variable {}; there are claim, candidate, namespace and params",
                    shown(other)
                );
                self.refuse(expr, message)
            }
        }
    }

    /// Whether `expr` is the variable of that name, and not a quantifier's of the same name.
    fn is(&self, expr: &IdedExpr, name: &str) -> bool {
        matches!(&expr.expr, Expr::Ident(ident) if ident == name)
            && self.item.as_ref().is_none_or(|(item, _)| *item != name)
    }

    fn select(&mut self, expr: &IdedExpr, operand: &'c IdedExpr, field: &str) -> Checked {
        for (variable, fields) in [("claim", CLAIM), ("candidate", CANDIDATE)] {
            if self.is(operand, variable) {
                self.count(expr, 1)?;
                if let Some((_, found)) = fields.iter().find(|(name, _)| *name == field) {
                    return Some((Node::Field(*found), found.of()));
                }
                let fields = listed(fields.map(|(name, _)| name));
                return self.refuse(expr, format!("{variable} has no {}; it has {fields}", shown(field)));
            }
        }
        if self.is(operand, "params") {
            self.count(expr, 1)?;
            return self.param(expr, field);
        }
        let (place, kind) = self.node(operand)?;
        match kind {
            Type::Map(value) => {
                let key = Node::Text(field.into());
                Some((Node::Index(Box::new([place, key]), self.at(expr)), *value))
            }
            other => self.refuse(expr, format!("{other} has no fields, so no {}", shown(field))),
        }
    }

    fn param(&mut self, expr: &IdedExpr, name: &str) -> Checked {
        let Some(param) = self.params.get(name) else {
            let message = format!(
                "spec.params has no {}; it has {}",
                shown(name),
                listed(self.params.keys())
            );
            return self.refuse(expr, message);
        };
        Some(match param {
            Param::Bool(value) => (Node::Bool(*value), Type::Bool),
            Param::Int(value) => (Node::Int(*value), Type::Int),
            Param::Double(value) => (Node::Double(*value), Type::Double),
            Param::Text(value) => (Node::Text(value.as_str().into()), Type::Text),
            Param::Texts(values) => {
                let values = values.iter().map(|value| Node::Text(value.as_str().into()));
                (Node::List(values.collect()), Type::List(Box::new(Type::Text)))
            }
        })
    }

    fn has(&mut self, expr: &IdedExpr, operand: &'c IdedExpr, field: &str) -> Checked {
        if self.is(operand, "params") {
            self.count(expr, 1)?;
            return Some((Node::Bool(self.params.contains_key(field)), Type::Bool));
        }
        if self.is(operand, "claim") || self.is(operand, "candidate") {
            // Every one of them is always there; one that is not is a mistake.
            self.select(expr, operand, field)?;
            return Some((Node::Bool(true), Type::Bool));
        }
        let (place, kind) = self.node(operand)?;
        match kind {
            Type::Map(_) => Some((Node::In(Box::new([Node::Text(field.into()), place])), Type::Bool)),
            other => self.refuse(expr, format!("{other} has no fields, so no {}", shown(field))),
        }
    }

    /// A member of a literal list or map, which always has a value, so that lists need not be made to look into them.
    fn member(&mut self, expr: &'c IdedExpr, before: &mut Option<Type>) -> Option<Node> {
        let (node, kind) = self.node(expr)?;
        let leaf = matches!(
            node,
            Node::Bool(_)
                | Node::Int(_)
                | Node::Double(_)
                | Node::Text(_)
                | Node::List(_)
                | Node::Map(_)
                | Node::Field(_)
                | Node::Item
        );
        if !leaf {
            self.note(expr, "a list or map holds plain values and fields only");
            return None;
        }
        if let Some(before) = before.replace(kind.clone())
            && before != kind
        {
            self.note(
                expr,
                format!("is {kind} after {before}; a list or map has values of one type"),
            );
            return None;
        }
        Some(node)
    }

    fn list(&mut self, expr: &IdedExpr, elements: &'c [IdedExpr]) -> Checked {
        let mut nodes = Vec::with_capacity(elements.len());
        let mut kind = None;
        for element in elements {
            nodes.push(self.member(element, &mut kind)?);
        }
        match kind {
            Some(kind) => Some((Node::List(nodes.into()), Type::List(Box::new(kind)))),
            None => self.refuse(expr, "is an empty list; name at least one value"),
        }
    }

    fn map(&mut self, expr: &IdedExpr, entries: impl Iterator<Item = (&'c IdedExpr, &'c IdedExpr)>) -> Checked {
        let mut nodes: Vec<(Box<str>, Node)> = Vec::new();
        let mut kind = None;
        for (key, value) in entries {
            let Expr::Literal(LiteralValue::String(name)) = &key.expr else {
                return self.refuse(key, "a map's key is a string in quotes");
            };
            if nodes.iter().any(|(taken, _)| **taken == *name.inner()) {
                return self.refuse(key, format!("the key \"{}\" is there already", shown(name.inner())));
            }
            self.count(key, 1)?;
            nodes.push((name.inner().into(), self.member(value, &mut kind)?));
        }
        match kind {
            Some(kind) => Some((Node::Map(nodes.into()), Type::Map(Box::new(kind)))),
            None => self.refuse(expr, "is an empty map; give at least one entry"),
        }
    }
}
