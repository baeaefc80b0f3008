//! Calls and operators: which there are, and what they take. Names, literals and fields are the checker's own.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

use super::{Checked, Checker, Type};
use crate::catalog::policy::tree::{Calculation, Comparison, Node, Quantifier, Test};
use crate::catalog::reader::shown;

impl<'c> Checker<'c> {
    /// Both arguments, each checked whatever is wrong with the other.
    fn both(&mut self, left: &'c IdedExpr, right: &'c IdedExpr) -> Option<([Node; 2], [Type; 2])> {
        let (left, right) = (self.node(left), self.node(right));
        let ((left, left_kind), (right, right_kind)) = (left?, right?);
        Some(([left, right], [left_kind, right_kind]))
    }

    pub(super) fn call(&mut self, expr: &IdedExpr, call: &'c CallExpr) -> Checked {
        let name = call.func_name.as_str();
        match (&call.target, call.args.as_slice()) {
            (None, [left, right]) => self.operator(expr, name, left, right),
            (None, [only]) => self.unary(expr, name, only),
            (None, [condition, yes, no]) if name == operators::CONDITIONAL => {
                let condition = self.condition(condition, "?");
                let branches = self.both(yes, no);
                let (condition, (nodes, [yes, no])) = (condition?, branches?);
                if yes != no {
                    return self.refuse(expr, format!("? gives {yes} or {no}; both must be of one type"));
                }
                let [left, right] = nodes;
                Some((Node::If(Box::new([condition, left, right])), yes))
            }
            (Some(target), []) if name == "size" => self.size(expr, target),
            (Some(target), [part]) => {
                let test = match name {
                    "startsWith" => Test::StartsWith,
                    "endsWith" => Test::EndsWith,
                    "contains" => Test::Contains,
                    _ => return self.no_function(expr, name),
                };
                match self.both(target, part)? {
                    (nodes, [Type::Text, Type::Text]) => Some((Node::Test(test, Box::new(nodes)), Type::Bool)),
                    (_, [left, right]) => self.misfit(expr, name, &left, &right),
                }
            }
            _ => self.no_function(expr, name),
        }
    }

    fn misfit(&mut self, expr: &IdedExpr, name: &str, left: &Type, right: &Type) -> Checked {
        let name = name.trim_matches(['_', '@']);
        self.refuse(expr, format!("{name} does not take {left} and {right}"))
    }

    fn no_function(&mut self, expr: &IdedExpr, name: &str) -> Checked {
        let remedy = match name {
            "matches" => "startsWith, endsWith and contains need no regular expression",
            "map" | "filter" => "use all, exists or exists_one",
            _ => {
                "there are size, startsWith, endsWith, contains, has, all, exists, exists_one, string and double, each \
                 with its own number of arguments"
            }
        };
        let name = name.trim_matches(['_', '@']);
        self.refuse(expr, format!("{} cannot be used here; {remedy}", shown(name)))
    }

    fn condition(&mut self, expr: &'c IdedExpr, of: &str) -> Option<Node> {
        let (node, kind) = self.node(expr)?;
        if kind == Type::Bool {
            return Some(node);
        }
        self.note(expr, format!("{of} takes bool, not {kind}"));
        None
    }

    fn unary(&mut self, expr: &IdedExpr, name: &str, only: &'c IdedExpr) -> Checked {
        match name {
            operators::LOGICAL_NOT => Some((Node::Not(Box::new(self.condition(only, "!")?)), Type::Bool)),
            "size" => self.size(expr, only),
            operators::NEGATE | "string" | "double" => {
                let (node, kind) = self.node(only)?;
                match (name, kind) {
                    (operators::NEGATE, kind) if kind.is_number() => {
                        Some((Node::Negate(Box::new(node), self.at(expr)), kind))
                    }
                    ("string", kind) if kind.is_scalar() => Some((Node::ToText(Box::new(node)), Type::Text)),
                    ("double", kind) if kind.is_number() => Some((Node::ToDouble(Box::new(node)), Type::Double)),
                    (_, kind) => {
                        let name = name.trim_matches('_');
                        self.refuse(expr, format!("{name} does not take {kind}"))
                    }
                }
            }
            _ => self.no_function(expr, name),
        }
    }

    fn size(&mut self, expr: &IdedExpr, of: &'c IdedExpr) -> Checked {
        let (node, kind) = self.node(of)?;
        match kind {
            Type::Text | Type::List(_) | Type::Map(_) => Some((Node::Size(Box::new(node)), Type::Int)),
            other => self.refuse(expr, format!("size does not take {other}")),
        }
    }

    fn operator(&mut self, expr: &IdedExpr, name: &str, left: &'c IdedExpr, right: &'c IdedExpr) -> Checked {
        if let operators::LOGICAL_AND | operators::LOGICAL_OR = name {
            let sign = name.trim_matches('_');
            let (left, right) = (self.condition(left, sign), self.condition(right, sign));
            let both = Box::new([left?, right?]);
            let node = if name == operators::LOGICAL_AND {
                Node::And(both)
            } else {
                Node::Or(both)
            };
            return Some((node, Type::Bool));
        }
        if name == operators::INDEX {
            return self.index(expr, left, right);
        }
        let comparison = match name {
            operators::EQUALS => Some(Comparison::Equal),
            operators::NOT_EQUALS => Some(Comparison::Unequal),
            operators::LESS => Some(Comparison::Less),
            operators::LESS_EQUALS => Some(Comparison::AtMost),
            operators::GREATER => Some(Comparison::Greater),
            operators::GREATER_EQUALS => Some(Comparison::AtLeast),
            _ => None,
        };
        let calculation = match name {
            operators::ADD => Some(Calculation::Add),
            operators::SUBSTRACT => Some(Calculation::Subtract),
            operators::MULTIPLY => Some(Calculation::Multiply),
            _ => None,
        };
        if comparison.is_none() && calculation.is_none() && name != operators::IN {
            return self.no_function(expr, name);
        }
        let (nodes, [left, right]) = self.both(left, right)?;
        let nodes = Box::new(nodes);
        match (comparison, calculation) {
            (Some(comparison), _)
                if left.is_scalar()
                    && right.is_scalar()
                    && (left == right || left.is_number() && right.is_number()) =>
            {
                let node = if left == Type::Text {
                    Node::CompareTexts(comparison, nodes)
                } else {
                    Node::Compare(comparison, nodes)
                };
                Some((node, Type::Bool))
            }
            (_, Some(Calculation::Add)) if (&left, &right) == (&Type::Text, &Type::Text) => {
                Some((Node::Join(nodes), Type::Text))
            }
            (_, Some(calculation)) if left.is_number() && left == right => {
                Some((Node::Calculate(calculation, nodes, self.at(expr)), left))
            }
            (None, None) => match &right {
                Type::List(element) if left.is_scalar() && left == **element => Some((Node::In(nodes), Type::Bool)),
                Type::Map(_) if left == Type::Text => Some((Node::In(nodes), Type::Bool)),
                _ => self.misfit(expr, name, &left, &right),
            },
            _ => self.misfit(expr, name, &left, &right),
        }
    }

    fn index(&mut self, expr: &IdedExpr, place: &'c IdedExpr, index: &'c IdedExpr) -> Checked {
        if self.is(place, "params") {
            self.count(expr, 2)?;
            return match &index.expr {
                Expr::Literal(LiteralValue::String(name)) => self.param(expr, name.inner()),
                _ => self.refuse(index, "a param's name is a string in quotes"),
            };
        }
        let (nodes, [place, index]) = self.both(place, index)?;
        match (place, index) {
            (Type::List(value), Type::Int) | (Type::Map(value), Type::Text) => {
                Some((Node::Index(Box::new(nodes), self.at(expr)), *value))
            }
            (place, index) => self.misfit(expr, "[]", &place, &index),
        }
    }

    /// What the parser made of `all`, `exists` and `exists_one`.
    pub(super) fn quantifier(&mut self, expr: &IdedExpr, made: &'c ComprehensionExpr) -> Checked {
        if self.item.is_some() {
            return self.refuse(expr, "all, exists and exists_one cannot stand inside one another");
        }
        let Expr::Call(step) = &made.loop_step.expr else {
            return self.no_function(expr, "map");
        };
        let (quantifier, body) = match (&made.accu_init.expr, step.args.as_slice()) {
            (Expr::Literal(LiteralValue::Boolean(start)), [_, body]) if *start.inner() => (Quantifier::All, body),
            (Expr::Literal(LiteralValue::Boolean(_)), [_, body]) => (Quantifier::Exists, body),
            (Expr::Literal(LiteralValue::Int(_)), [body, _, _]) => (Quantifier::ExistsOne, body),
            _ => return self.no_function(expr, "map"),
        };
        let (range, kind) = self.node(&made.iter_range)?;
        let of = match kind {
            Type::List(element) => *element,
            Type::Map(_) => Type::Text,
            other => return self.refuse(expr, format!("only a list or a map has elements, and this is {other}")),
        };
        self.item = Some((&made.iter_var, of));
        let body = self.condition(body, "this");
        self.item = None;
        Some((Node::Each(quantifier, Box::new([range, body?])), Type::Bool))
    }
}
