//! The `cel` crate's own interpreter as a second opinion, on generated expressions and inputs.

use std::collections::{BTreeMap, HashMap};

use cel::{Context, Program, Value};
use proptest::prelude::*;

use super::super::parse::{NAMESPACE, bounded};
use super::super::tree::Node;
use super::*;

/// An expression of one type.
type Source = BoxedStrategy<String>;

fn one_of(words: &'static [&'static str]) -> Source {
    prop::sample::select(words).prop_map(str::to_owned).boxed()
}

/// Texts among which a few meet: in lists, as keys, as parts of each other.
const TEXTS: &[&str] = &["'a'", "'us-'", "'üä'", "''", "'prod'", "'cost'", "'PITR'", "r'\\'"];

fn texts(depth: u32) -> Source {
    let fields = one_of(&[
        "claim.cell",
        "claim.tier",
        "claim.environment",
        "claim.size",
        "namespace",
        "candidate.name",
        "candidate.provider",
        "candidate.region",
        "candidate.runtimeCluster",
        "params.team",
    ]);
    let leaf = prop_oneof![one_of(TEXTS), fields].boxed();
    if depth == 0 {
        return leaf;
    }
    let below = depth - 1;
    prop_oneof![
        2 => leaf,
        1 => (texts(below), texts(below)).prop_map(|(a, b)| format!("({a} + {b})")),
        1 => (truths(below, false), texts(below), texts(below)).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
        1 => ints(below).prop_map(|a| format!("string({a})")),
        1 => truths(0, false).prop_map(|a| format!("string({a})")),
        1 => ints(0).prop_map(|i| format!("candidate.capabilities[{i}]")),
        1 => texts(below).prop_map(|key| format!("{{'prod': 'x', 'a': namespace}}[{key}]")),
    ]
    .boxed()
}

fn ints(depth: u32) -> Source {
    let leaf = one_of(&[
        "0",
        "1",
        "2",
        "50",
        "-3",
        "9223372036854775807",
        "claim.storageGB",
        "params.cap",
    ]);
    if depth == 0 {
        return leaf;
    }
    let below = depth - 1;
    prop_oneof![
        2 => leaf,
        2 => (ints(below), one_of(&["+", "-", "*"]), ints(below)).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
        1 => ints(below).prop_map(|a| format!("-({a})")),
        1 => texts(below).prop_map(|a| format!("size({a})")),
        1 => one_of(&["size(candidate.capabilities)", "candidate.scores.size()", "size(['a', 'b'])"]),
        1 => ints(below).prop_map(|i| format!("[7, claim.storageGB, 9][{i}]")),
        1 => texts(below).prop_map(|key| format!("{{'a': 1, 'prod': 2}}[{key}]")),
    ]
    .boxed()
}

fn doubles(depth: u32) -> Source {
    let leaf = one_of(&[
        "0.5",
        "1.0",
        "-0.25",
        "candidate.scores.cost",
        "candidate.scores.dr",
        "params.floor",
    ]);
    if depth == 0 {
        return leaf;
    }
    let below = depth - 1;
    prop_oneof![
        2 => leaf,
        1 => (doubles(below), one_of(&["+", "-", "*"]), doubles(below)).prop_map(|(a, s, b)| format!("({a} {s} {b})")),
        1 => one_of(&["1", "claim.storageGB"]).prop_map(|a| format!("double({a})")),
        1 => texts(below).prop_map(|key| format!("candidate.scores[{key}]")),
    ]
    .boxed()
}

fn truths(depth: u32, quantified: bool) -> Source {
    let leaf = one_of(&[
        "true",
        "false",
        "claim.ha",
        "params.strict",
        "has(candidate.scores.cost)",
        "has(candidate.scores.dr)",
        "has(claim.cell)",
        "'PITR' in candidate.capabilities",
    ]);
    if depth == 0 {
        return leaf;
    }
    let below = depth - 1;
    let signs = || one_of(&["==", "!=", "<", "<=", ">", ">="]);
    let compared = |a: Source, b: Source| (a, signs(), b).prop_map(|(a, sign, b)| format!("({a} {sign} {b})"));
    let simple = prop_oneof![
        1 => leaf,
        1 => truths(below, quantified).prop_map(|a| format!("!({a})")),
        2 => (truths(below, quantified), one_of(&["&&", "||"]), truths(below, quantified))
            .prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
        1 => (truths(below, quantified), truths(below, quantified), truths(below, quantified))
            .prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")),
        2 => compared(ints(below), ints(below)),
        1 => compared(ints(0), doubles(below)),
        1 => compared(doubles(below), doubles(below)),
        2 => compared(texts(below), texts(below)),
        1 => (texts(below), one_of(&["startsWith", "endsWith", "contains"]), texts(below))
            .prop_map(|(a, test, b)| format!("{a}.{test}({b})")),
        1 => (texts(below), one_of(&["candidate.capabilities", "candidate.scores", "params.names", "['a', namespace]", "{'a': 1}"]))
            .prop_map(|(a, place)| format!("({a} in {place})")),
        1 => ints(below).prop_map(|a| format!("({a} in [1, 2, claim.storageGB])")),
    ];
    if quantified {
        return simple.boxed();
    }
    let ranges = one_of(&[
        "candidate.capabilities",
        "candidate.scores",
        "params.names",
        "params.none",
        "['cost', 'dr', claim.cell]",
        "{'a': 1, 'cost': 2}",
    ]);
    let body = prop_oneof![
        one_of(&[
            "x == claim.cell",
            "x.startsWith('c')",
            "candidate.scores[x] > 0.5",
            "x in candidate.scores",
            "{'a': true, 'cost': false}[x]",
            "x in ['a', 'cost']",
            "x + x != 'aa'",
        ]),
        truths(below, true),
    ];
    let body = (body, one_of(&["&&", "||"]), truths(0, true)).prop_map(|(a, sign, b)| format!("({a}) {sign} {b}"));
    prop_oneof![
        4 => simple,
        1 => (ranges, one_of(&["all", "exists", "exists_one"]), body)
            .prop_map(|(range, quantifier, body)| format!("{range}.{quantifier}(x, {body})")),
    ]
    .boxed()
}

/// A claim and a candidate that expressions of this file have something to tell apart in.
fn inputs() -> impl Strategy<Value = (String, u16, bool, Candidate)> {
    let words = || prop::sample::select(vec!["a", "payments", "prod", "us-east-1", "", "üä"]).prop_map(str::to_owned);
    let capabilities = prop::collection::btree_set(words(), 0..3);
    let scores = prop::collection::btree_map(
        prop::sample::select(vec!["a", "cost", "dr", "prod"]).prop_map(str::to_owned),
        prop::sample::select(vec![0, 5000, 10_000]).prop_map(|units| Fraction::from_units(units).unwrap()),
        0..4,
    );
    let gb = prop::sample::select(vec![0, 1, 50, u16::MAX]);
    (words(), gb, any::<bool>(), words(), capabilities, scores).prop_map(
        |(word, gb, ha, region, capabilities, scores)| {
            let candidate = Candidate {
                region,
                capabilities,
                scores,
                ..candidate()
            };
            (word, gb, ha, candidate)
        },
    )
}

fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> HashMap<String, Value> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn list<'t>(texts: impl IntoIterator<Item = &'t String>) -> Value {
    Value::from(
        texts
            .into_iter()
            .map(|text| Value::from(text.as_str()))
            .collect::<Vec<_>>(),
    )
}

/// What the crate makes of it.
fn second(source: &str, subject: &Subject<'_>, candidate: &Candidate) -> Option<bool> {
    let mut context = Context::default();
    let claim = map([
        ("cell", subject.cell.into()),
        ("tier", subject.tier.into()),
        ("environment", subject.environment.into()),
        ("size", subject.size.into()),
        ("storageGB", Value::Int(subject.storage_gb.into())),
        ("ha", subject.ha.into()),
    ]);
    let scores = candidate.scores.iter().map(|(name, score)| {
        let score = f64::from(score.units()) / f64::from(Fraction::UNITS);
        (name.clone(), Value::Float(score))
    });
    let scores: HashMap<String, Value> = scores.collect();
    let candidate = map([
        ("name", candidate.name.as_str().into()),
        ("provider", candidate.provider.as_str().into()),
        ("region", candidate.region.as_str().into()),
        ("runtimeCluster", candidate.runtime_cluster.as_str().into()),
        ("capabilities", list(&candidate.capabilities)),
        ("scores", scores.into()),
    ]);
    let params: HashMap<String, Value> = params()
        .into_iter()
        .map(|(name, param)| {
            let value = match param {
                Param::Bool(value) => value.into(),
                Param::Int(value) => Value::Int(value),
                Param::Double(value) => Value::Float(value),
                Param::Text(value) => value.into(),
                Param::Texts(values) => list(&values),
            };
            (name, value)
        })
        .collect();
    context.add_variable_from_value("claim", claim);
    context.add_variable_from_value("candidate", candidate);
    context.add_variable_from_value("params", params);
    context.add_variable_from_value(NAMESPACE, subject.namespace);
    let program = Program::compile(&bounded(source).unwrap()).unwrap();
    match program.execute(&context) {
        Ok(Value::Bool(value)) => Some(value),
        Ok(other) => panic!("{source}: {other:?}"),
        Err(_) => None,
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn ours_and_the_crates_interpreter_come_to_the_same(
        source in truths(3, false),
        (word, gb, ha, candidate) in inputs(),
    ) {
        let subject = Subject { cell: &word, storage_gb: gb, ha, ..subject() };
        // Beyond its bounds an expression has no tree, and nothing else is wrong with these.
        let tree: Node = match check(&source, &Type::Bool, &params()) {
            Ok(tree) => tree,
            Err(faults) => {
                let long = |fault: &str| ["parts", "deeper", "longer"].iter().any(|word| fault.contains(word));
                prop_assert!(faults.iter().all(|fault| long(&fault.message)), "{}: {:?}", source, faults);
                return Ok(());
            }
        };
        let ours = Scope::new(&subject, Some(&candidate)).truth(&tree);
        prop_assert_eq!(ours.clone().ok(), second(&source, &subject, &candidate), "{}: {:?}", source, ours);
        // What is known without a candidate is true of this one, too.
        if let Ok(known) = Scope::new(&subject, None).truth(&tree) {
            prop_assert_eq!(ours, Ok(known), "{}", source);
        }
    }
}

#[test]
fn the_crate_itself_takes_what_our_checker_does_not() {
    // Should it ever refuse these, much of ours could go.
    for source in ["nosuchvar.field == 1", "1 + 'a'"] {
        assert!(Program::compile(source).is_ok());
        assert!(check(source, &Type::Bool, &BTreeMap::new()).is_err());
    }
}
