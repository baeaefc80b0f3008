//! How much work a tree is at most, before it is in force. Evaluation itself counts nothing.

use super::tree::{Field, Node};

/// The most steps of one expression: about a tenth of a millisecond.
pub(super) const MOST_STEPS: usize = 10_000;

/// The catalog's own bound of a candidate's capabilities and scores, and of a list among params.
const MOST_ELEMENTS: usize = 64;

impl Node {
    /// The most steps that finding its value takes.
    pub(super) fn steps(&self) -> usize {
        let own = match self {
            Self::Each(_, both) => {
                let [range, body] = &**both;
                return range.steps() + range.most_elements() * (1 + body.steps());
            }
            Self::In(both) => {
                let [_, place] = &**both;
                1 + place.most_elements()
            }
            Self::Index(both, _) => {
                let [place, _] = &**both;
                1 + place.most_elements()
            }
            _ => 1,
        };
        self.children().iter().map(Node::steps).fold(own, usize::saturating_add)
    }

    /// Whether the tree looks at that field.
    pub(super) fn reads(&self, field: Field) -> bool {
        *self == Self::Field(field) || self.children().iter().any(|child| child.reads(field))
    }

    /// How many elements or entries its value has at most, where it has some.
    fn most_elements(&self) -> usize {
        match self {
            Self::List(elements) => elements.len(),
            Self::Map(entries) => entries.len(),
            Self::If(three) => {
                let [_, yes, no] = &**three;
                yes.most_elements().max(no.most_elements())
            }
            Self::Field(Field::Capabilities | Field::Scores) => MOST_ELEMENTS,
            // A list in a literal list or map, whose length is not looked up: as long as any.
            Self::Item | Self::Index(..) => super::check::MOST_NODES,
            _ => 0,
        }
    }

    /// What its value is made from. The elements of a literal are none of it: they are leaves.
    fn children(&self) -> &[Node] {
        match self {
            Self::And(both)
            | Self::Or(both)
            | Self::Compare(_, both)
            | Self::CompareTexts(_, both)
            | Self::Test(_, both)
            | Self::Join(both)
            | Self::Calculate(_, both, _)
            | Self::In(both)
            | Self::Index(both, _)
            | Self::Each(_, both) => &**both,
            Self::If(three) => &**three,
            Self::Not(one) | Self::Negate(one, _) | Self::Size(one) | Self::ToText(one) | Self::ToDouble(one) => {
                std::slice::from_ref(one)
            }
            Self::Bool(_)
            | Self::Int(_)
            | Self::Double(_)
            | Self::Text(_)
            | Self::List(_)
            | Self::Map(_)
            | Self::Field(_)
            | Self::Item => &[],
        }
    }
}
