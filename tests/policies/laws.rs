//! Laws that hold whatever a policy says.

use idp_multicloud::catalog::{CatalogError, check};
use idp_multicloud::placement::reason::MOST_BYTES;
use idp_multicloud::placement::{Reason, Request, Size, decide};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{asking, catalog, objects, policy};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn request() -> impl Strategy<Value = Request<'static>> {
    let size = prop::sample::select(Size::ALL.to_vec());
    let tier = prop::sample::select(vec!["C0", "C1", "C2"]);
    let environment = prop::sample::select(vec!["dev", "staging", "prod"]);
    let namespace = prop::sample::select(vec!["", "a", "b"]);
    let rest = (any::<bool>(), 50_u16..=16_384);
    (size, tier, environment, namespace, rest).prop_map(|(size, tier, environment, namespace, (ha, gb))| Request {
        cell: "payments".into(),
        tier: tier.into(),
        environment: environment.into(),
        size,
        storage_gb: gb,
        ha,
        namespace: namespace.into(),
    })
}

/// Pieces that expressions are made of, and some that they are not.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "claim",
        "candidate",
        "namespace",
        "params",
        ".",
        ".cell",
        ".storageGB",
        ".ha",
        ".scores",
        ".capabilities",
        "claim.ha",
        "claim.cell",
        "candidate.region",
        "candidate.scores.cost",
        "params.p",
        "true",
        "false",
        "null",
        "1",
        "-1",
        "0.5",
        "1u",
        "9223372036854775807",
        "1e308",
        "0x1F",
        "'a'",
        "\"ü\"",
        "b'a'",
        "r'\\'",
        "'''x'''",
        "==",
        "!=",
        "<",
        "<=",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        " in ",
        "?",
        ":",
        ",",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "has(",
        ".all(x, ",
        ".exists(x, ",
        ".exists_one(x, ",
        ".map(x, ",
        ".filter(x, ",
        "size(",
        "string(",
        ".startsWith(",
        ".matches(",
        "x",
        "if",
        "__nspace_",
        "'",
        "\"",
        "\\",
        "//",
        "\n",
        " ",
        "\u{202e}",
        "😀",
        "\0",
        "`",
        "timestamp(",
        "Foo{a: 1}",
        ".?",
        "[?",
    ])
    .prop_map(str::to_owned);
    prop_oneof![9 => words, 1 => any::<char>().prop_map(|c| c.to_string())]
}

fn text() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(piece(), 0..20).prop_map(|pieces| pieces.concat());
    let repeated = (piece(), piece(), piece(), 0_usize..700)
        .prop_map(|(before, middle, after, n)| before.repeat(n) + &middle + &after.repeat(n));
    let doubled = (
        piece(),
        prop::sample::select(vec!["+", "&&", "==", ",", "?", "."]),
        0_u32..14,
    )
        .prop_map(|(piece, sign, times)| (0..times).fold(piece, |text, _| format!("({text}){sign}({text})")));
    prop_oneof![4 => pieces, 1 => repeated, 1 => doubled, 1 => any::<String>()]
}

/// An expression that is accepted more often than not.
fn likely() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "claim.ha",
        "claim.storageGB > 500",
        "claim.size in ['small', 'large']",
        "candidate.provider != 'aws'",
        "candidate.region.startsWith('us-')",
        "namespace == 'a'",
        "'PITR' in candidate.capabilities",
        "has(candidate.scores.cost) && candidate.scores.cost > 0.6",
        "candidate.scores.all(s, candidate.scores[s] > 0.6)",
        "{'dev': true, 'staging': false, 'prod': true}[claim.environment]",
        "claim.storageGB + 1 == 51",
        "params.p == 1",
        "candidate.scores.cost > 0.6",
        "claim.storageGB * 9000000000000000 > 0",
    ]);
    let signs = prop::sample::select(vec![" && ", " || ", " == ", " != "]);
    prop::collection::vec((parts, signs, any::<bool>()), 1..5).prop_map(|parts| {
        parts.into_iter().fold(String::new(), |text, (part, sign, not)| {
            let sign = if text.is_empty() { "" } else { sign };
            text + sign + if not { "!" } else { "" } + "(" + part + ")"
        })
    })
}

fn object(name: &str, mode: &str, expression: &str) -> Value {
    policy(
        name,
        &json!({ "mode": mode, "params": { "p": 1 }, "validations": [
            { "expression": expression, "message": "says no" },
            { "expression": "true", "messageExpression": expression },
        ] }),
    )
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn any_text_as_an_expression_is_answered_and_always_the_same(text in text(), request in request()) {
        let spec = json!({ "params": { "p": 1 }, "validations": [{ "expression": text, "message": "says no" }] });
        for value in [policy("any", &spec), object("any", "Warn", &text)] {
            let (first, second) = (check(&objects([value.clone()])), check(&objects([value])));
            match (first, second) {
                (Ok(first), Ok(second)) => {
                    let decision = decide(&first, request.clone()).unwrap();
                    prop_assert_eq!(decision.reason(), decide(&second, request.clone()).unwrap().reason());
                }
                (Err(CatalogError::Invalid(first)), Err(CatalogError::Invalid(second))) => {
                    prop_assert_eq!(&first, &second);
                    for problem in first {
                        prop_assert!(problem.path.starts_with("spec.validations["), "{}", problem);
                        prop_assert!(problem.message.starts_with("line ") && problem.message.len() < 1000, "{}", problem);
                        prop_assert!(!problem.message.chars().any(char::is_control), "{:?}", problem);
                    }
                }
                (first, second) => prop_assert!(false, "{:?} and {:?}", first, second),
            }
        }
    }

    #[test]
    fn an_accepted_policy_has_a_verdict_or_says_that_it_has_none(texts in prop::collection::vec(likely(), 1..5), request in request()) {
        let good: Vec<Value> = texts
            .iter()
            .enumerate()
            .map(|(i, text)| asking(&format!("p{i}"), "Enforce", text, "says no"))
            .filter(|policy| check(&objects([policy_with_params(policy)])).is_ok())
            .map(|policy| policy_with_params(&policy))
            .collect();
        let with = catalog(good.clone());
        let decision = decide(&with, request.clone()).unwrap();
        let told = [" says no", " cannot be evaluated: line "];
        for excluded in &decision.excluded {
            for failure in excluded.failures.iter().filter(|failure| failure.policy().is_some()) {
                prop_assert!(told.iter().any(|told| failure.detail.contains(told)), "{}", failure);
                let broken = excluded.broken.contains(&failure.policy().unwrap());
                prop_assert_eq!(broken, failure.detail.contains(told[1]), "{}", failure);
            }
        }
        // The other way round, and a second time: the same bytes.
        let mut turned = good.clone();
        turned.reverse();
        let turned = catalog(turned);
        prop_assert_eq!(turned.revision(), with.revision());
        let reason = decision.reason();
        prop_assert_eq!(decide(&turned, request.clone()).unwrap().reason(), reason.clone());
        let escaped: String = serde_json::from_str(&format!("\"{}\"", decision.reason_escaped())).unwrap();
        prop_assert_eq!(&escaped, &reason);
        prop_assert!(serde_json::from_str::<Reason<'_>>(&reason).unwrap().adds_up());
        // Policies take candidates away and change no score, and those that only tell take none.
        let plain = catalog([]);
        let without = decide(&plain, request.clone()).unwrap();
        let left: Vec<_> = without
            .ranked
            .iter()
            .filter(|ranked| decision.ranked.iter().any(|other| other.candidate.name == ranked.candidate.name))
            .map(|ranked| (&ranked.candidate.name, ranked.score))
            .collect();
        let ranked: Vec<_> = decision.ranked.iter().map(|ranked| (&ranked.candidate.name, ranked.score)).collect();
        prop_assert_eq!(ranked, left);
        let lenient = catalog(good.into_iter().map(|mut policy| {
            policy["spec"]["mode"] = json!("Audit");
            policy
        }));
        let lenient = decide(&lenient, request).unwrap();
        let names = |decision: &idp_multicloud::placement::Decision<'_>| {
            decision.ranked.iter().map(|ranked| ranked.candidate.name.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(names(&lenient), names(&without));
        // What an enforced policy says of the winner is what it would say as a notice.
        if let Some(winner) = lenient.winner() {
            let excluded = decision.excluded.iter().find(|excluded| excluded.candidate.name == winner.candidate.name);
            let failures = excluded.map(|excluded| excluded.failures.iter().map(|failure| failure.detail.clone()).collect());
            let notices: Vec<_> = lenient.notices().into_iter().map(|notice| notice.told).collect();
            prop_assert_eq!(failures.unwrap_or_else(Vec::new), notices);
        }
    }
}

fn policy_with_params(policy: &Value) -> Value {
    let mut policy = policy.clone();
    policy["spec"]["params"] = json!({ "p": 1 });
    policy
}

#[test]
fn the_largest_reason_with_policies_stays_below_its_bound() {
    let name = |i: usize| format!("{i:0>62}x");
    let long = |i: usize| asking(&name(i), "Enforce", "candidate.region != 'barred'", &"\"é\\".repeat(64));
    for candidates in [4, 20, 300] {
        let mut all = objects((0..40).map(long));
        let cell = all.iter_mut().find(|object| object.value["kind"] == "Cell").unwrap();
        let template = cell.value["spec"]["candidates"][0].clone();
        let list = cell.value["spec"]["candidates"].as_array_mut().unwrap();
        for i in 0..candidates {
            let mut candidate = template.clone();
            candidate["name"] = json!(name(i));
            candidate["region"] = json!("barred");
            candidate["runtimeCluster"] = json!(format!("c{i}"));
            list.push(candidate);
        }
        let catalog = check(&all).unwrap();
        let request = Request {
            cell: "payments".into(),
            tier: "C1".into(),
            environment: "prod".into(),
            size: Size::Small,
            storage_gb: 50,
            ha: false,
            namespace: "a".into(),
        };
        let decision = decide(&catalog, request).unwrap();
        assert_eq!(decision.excluded.len(), candidates);
        assert_eq!(decision.excluded[0].failures.len(), 40);
        let reason = decision.reason();
        assert!(reason.len() <= MOST_BYTES, "{candidates}: {}", reason.len());
        let read: Reason<'_> = serde_json::from_str(&reason).unwrap();
        assert_eq!(read.excluded_by_cause.unwrap().len(), 9);
    }
}
