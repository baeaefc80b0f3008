//! Real reviews with something wrong in them: dropped, doubled, of another type, deep, long, no text, null.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on is to say so and end"
)]

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// JSON that need not be good JSON: keys may come twice, and leaves are bytes.
#[derive(Clone, Debug)]
pub enum Node {
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    Raw(Vec<u8>),
}

impl Node {
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Object(fields) => Self::Map(fields.iter().map(|(k, v)| (k.clone(), Self::of(v))).collect()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            leaf => Self::Raw(leaf.to_string().into_bytes()),
        }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => out.extend_from_slice(bytes),
            Self::Map(fields) => {
                out.push(b'{');
                for (i, (key, node)) in fields.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b"" } else { b"," });
                    out.extend_from_slice(json!(key).to_string().as_bytes());
                    out.push(b':');
                    node.write(out);
                }
                out.push(b'}');
            }
            Self::List(items) => {
                out.push(b'[');
                for (i, node) in items.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b"" } else { b"," });
                    node.write(out);
                }
                out.push(b']');
            }
        }
    }

    /// Every node but the root, as the way to it.
    pub fn ways(&self, way: &[usize], keys: &str, found: &mut Vec<(Vec<usize>, String)>) {
        let mut go = |i: usize, key: &str, node: &Self| {
            let way = [way, &[i]].concat();
            let keys = format!("{keys}/{key}");
            found.push((way.clone(), keys.clone()));
            node.ways(&way, &keys, found);
        };
        match self {
            Self::Raw(_) => {}
            Self::Map(fields) => fields.iter().enumerate().for_each(|(i, (key, node))| go(i, key, node)),
            Self::List(items) => items.iter().enumerate().for_each(|(i, node)| go(i, "-", node)),
        }
    }

    fn child(&mut self, i: usize) -> &mut Self {
        match self {
            Self::Map(fields) => &mut fields[i].1,
            Self::List(items) => &mut items[i],
            Self::Raw(_) => panic!("a leaf has no children"),
        }
    }

    fn get(&mut self, way: &[usize]) -> &mut Self {
        way.iter().fold(self, |node, i| node.child(*i))
    }
}

/// What is done to one place.
#[derive(Clone, Debug)]
pub enum Wrong {
    Dropped,
    Null,
    Doubled,
    DoubledWith(&'static str),
    With(&'static str),
    Listed,
    Quoted,
    Deep(&'static str, &'static str),
    Long,
    NotUtf8,
    LikeAnother(Index),
    Renamed(&'static str),
}

/// Values that mean something somewhere in a claim.
pub const WORDS: [&str; 40] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "49",
    "50",
    "51",
    "60",
    "100.0",
    "1e3",
    "16385",
    "99999999999999999999",
    "\"\"",
    "\"x\"",
    "[]",
    "{}",
    "[null]",
    "[{}]",
    "\"aws\"",
    "\"gcp\"",
    "\"us-central1\"",
    "\"C0\"",
    "\"C2\"",
    "\"c1\"",
    "\"C9\"",
    "\"dev\"",
    "\"large\"",
    "\"Manual\"",
    "\"Automatic\"",
    "\"CREATE\"",
    "\"UPDATE\"",
    "\"DELETE\"",
    "\"v1\"",
    "\"Pod\"",
    "\"immutable\\u202e\\u001b\"",
    "{\"name\":\"other\"}",
    "{\"vpcId\":\"other\"}",
    "[\"database-operators\"]",
    "\"system:serviceaccount:crossplane-system:crossplane\"",
];

pub const KEYS: [&str; 12] = [
    "provider",
    "network",
    "crossplane",
    "parameters",
    "spec",
    "compositionRef",
    "compositionSelector",
    "compositionUpdatePolicy",
    "platform.example.org/placement-reason",
    "deletionTimestamp",
    "immutable",
    "\u{1b}\u{202e}",
];

/// Anything that can be wrong.
pub fn wrong() -> impl Strategy<Value = Wrong> {
    prop_oneof![
        3 => Just(Wrong::Dropped),
        2 => Just(Wrong::Null),
        1 => Just(Wrong::Doubled),
        2 => select(&WORDS[..]).prop_map(Wrong::DoubledWith),
        6 => select(&WORDS[..]).prop_map(Wrong::With),
        1 => Just(Wrong::Listed),
        1 => Just(Wrong::Quoted),
        1 => select(&[("[", "]"), ("{\"a\":", "}")][..]).prop_map(|(open, close)| Wrong::Deep(open, close)),
        1 => Just(Wrong::Long),
        1 => Just(Wrong::NotUtf8),
        3 => any::<Index>().prop_map(Wrong::LikeAnother),
        2 => select(&KEYS[..]).prop_map(Wrong::Renamed),
    ]
}

impl Wrong {
    pub fn done_to(&self, root: &mut Node, way: &[usize], ways: &[(Vec<usize>, String)]) {
        let (&last, parent) = way.split_last().unwrap();
        let raw = |text: &str| Node::Raw(text.as_bytes().to_vec());
        let node = root.get(way).clone();
        let new = match self {
            Self::Dropped => {
                match root.get(parent) {
                    Node::Map(fields) => drop(fields.remove(last)),
                    Node::List(items) => drop(items.remove(last)),
                    Node::Raw(_) => {}
                }
                return;
            }
            Self::Doubled | Self::DoubledWith(_) => {
                let again = if let Self::DoubledWith(word) = self {
                    raw(word)
                } else {
                    node
                };
                match root.get(parent) {
                    Node::Map(fields) => {
                        let key = fields[last].0.clone();
                        fields.push((key, again));
                    }
                    Node::List(items) => items.push(again),
                    Node::Raw(_) => {}
                }
                return;
            }
            Self::Renamed(key) => {
                if let Node::Map(fields) = root.get(parent) {
                    (*key).clone_into(&mut fields[last].0);
                }
                return;
            }
            Self::Null => raw("null"),
            Self::With(word) => raw(word),
            Self::Listed => match node {
                Node::Map(fields) => Node::List(fields.into_iter().map(|(_, node)| node).collect()),
                Node::List(items) => Node::Map(
                    items
                        .into_iter()
                        .enumerate()
                        .map(|(i, node)| (i.to_string(), node))
                        .collect(),
                ),
                leaf @ Node::Raw(_) => Node::List(vec![leaf]),
            },
            Self::Quoted => {
                let mut bytes = Vec::new();
                node.write(&mut bytes);
                raw(&json!(String::from_utf8_lossy(&bytes)).to_string())
            }
            Self::Deep(open, close) => raw(&format!("{}1{}", open.repeat(3000), close.repeat(3000))),
            Self::Long => raw(&format!("\"{}\"", "long\\u202e".repeat(5000))),
            Self::NotUtf8 => Node::Raw(b"\"\xff\xfe\\ud800\"".to_vec()),
            Self::LikeAnother(index) => root.get(&index.get(ways).0).clone(),
        };
        *root.get(way) = new;
    }
}
