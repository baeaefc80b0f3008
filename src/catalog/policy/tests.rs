//! One expression at a time: what is let through and what is not, what it comes to, and that the `cel` crate's own
//! interpreter comes to the same.

mod faults;
mod interpreter;

use std::collections::BTreeMap;

use super::check::{Type, check};
use super::evaluate::Scope;
use super::parse::Place;
use super::tree::{Node, Stop};
use super::{Param, Subject};
use crate::catalog::fraction::Fraction;
use crate::catalog::snapshot::Candidate;

fn params() -> BTreeMap<String, Param> {
    let param = |(name, value): (&str, Param)| (name.to_owned(), value);
    [
        ("cap", Param::Int(100)),
        ("floor", Param::Double(0.5)),
        ("strict", Param::Bool(true)),
        ("team", Param::Text("payments".to_owned())),
        ("names", Param::Texts(vec!["a".to_owned(), "payments".to_owned()])),
        ("none", Param::Texts(Vec::new())),
        ("a-b", Param::Int(1)),
    ]
    .map(param)
    .into()
}

pub(super) fn subject() -> Subject<'static> {
    Subject {
        cell: "payments",
        tier: "C1",
        environment: "prod",
        size: "medium",
        storage_gb: 50,
        ha: true,
        namespace: "payments",
    }
}

pub(super) fn candidate() -> Candidate {
    let units = |(name, units): (&str, u16)| (name.to_owned(), Fraction::from_units(units).unwrap());
    Candidate {
        name: "aws-us-east-1".to_owned(),
        provider: "aws".to_owned(),
        region: "us-east-1".to_owned(),
        runtime_cluster: "aws-use1-prod".to_owned(),
        network: BTreeMap::new(),
        capabilities: ["MultiAZ", "PITR"].map(str::to_owned).into(),
        scores: [("cost", 5000), ("latency", 9000)].map(units).into(),
        cordoned: None,
        provider_cordoned: None,
        region_cordoned: None,
    }
}

/// The faults of an expression, each with its place.
fn faults(source: &str) -> Vec<String> {
    let faults = check(source, &Type::Bool, &params()).expect_err(source);
    faults.iter().map(ToString::to_string).collect()
}

fn tree(source: &str) -> Node {
    check(source, &Type::Bool, &params()).unwrap_or_else(|faults| panic!("{source}: {faults:?}"))
}

fn truth(source: &str) -> Result<bool, String> {
    let (subject, candidate) = (subject(), candidate());
    let tree = tree(source);
    let truth = Scope::new(&subject, Some(&candidate)).truth(&tree);
    truth.map_err(|stop| stop.told().cause.to_string())
}

#[test]
fn expressions_that_hold() {
    for source in [
        "true",
        "claim.cell == 'payments' && claim.tier == 'C1' && claim.environment != 'dev'",
        "claim.size == \"medium\" && claim.storageGB == 50 && claim.ha",
        "namespace == 'payments' && namespace != 'namespace'",
        // The name stands for itself in a text, whichever way that is written.
        "'namespace' == 'name' + 'space' && \"namespace\" == 'name' + 'space' && r'\\namespace' == '\\\\name' + 'space'",
        "'it\\'s namespace' == \"it's \" + 'name' + 'space' && \"\"\"a\"namespace\"\"\" == 'a\"name' + 'space'",
        "candidate.name == 'aws-us-east-1' && candidate.provider == 'aws'",
        "candidate.region.startsWith('us-') && candidate.runtimeCluster.endsWith('-prod')",
        "candidate.region.contains('east') && !candidate.region.contains('west')",
        "'a' < 'b' && 'b' <= 'b' && 'Z' < 'a' && 'é' > 'z' && 'b' > 'a' && 'b' >= 'a'",
        "1 < 2 && 2 <= 2 && 3 > 2 && 2 >= 2 && 1 != 2",
        "0.5 < 1 && 1 <= 1.0 && 2 > 1.5 && 1 == 1.0 && 9007199254740993 > 9007199254740992.0",
        "false < true",
        "1 + 2 * 3 - 4 == 3 && -claim.storageGB == -50 && 0.5 + 0.25 == 0.75 && 0.5 * 2.0 == 1.0",
        "'a' + 'b' == 'ab' && size('äb') == 2 && 'äb'.size() == 2",
        "'MultiAZ' in candidate.capabilities && !('Backup' in candidate.capabilities)",
        "size(candidate.capabilities) == 2 && candidate.capabilities[0] == 'MultiAZ'",
        "candidate.capabilities.exists(c, c == 'PITR') && candidate.capabilities.all(c, size(c) > 3)",
        "candidate.capabilities.exists_one(c, c.startsWith('M'))",
        "has(candidate.scores.cost) && !has(candidate.scores.dr) && candidate.scores.cost == 0.5",
        "candidate.scores['latency'] == 0.9 && 'cost' in candidate.scores && size(candidate.scores) == 2",
        "candidate.scores.all(name, candidate.scores[name] >= params.floor)",
        "params.cap == 100 && params.strict && params.team == namespace && namespace in params.names",
        "params['a-b'] == 1 && has(params.cap) && !has(params.nothing) && !('x' in params.none)",
        "params.none.all(x, false) && !params.none.exists(x, true)",
        "claim.storageGB in [50, 100] && 'b' in ['a', 'b'] && !(claim.ha in [false])",
        "claim.cell in ['x', claim.environment, 'payments'] && [claim.cell, 'x'][0] == 'payments'",
        "{'dev': 10, 'prod': 1000}[claim.environment] == 1000 && {'a': 1}.a == 1 && 'a' in {'a': 1}",
        "claim.cell in {'prod': ['payments'], 'dev': ['a', 'b']}[claim.environment]",
        "(claim.ha ? 'yes' : 'no') == 'yes' && (claim.ha ? 1 : 2) == 1",
        "string(claim.storageGB) + string(true) + string(0.5) + string('x') == '50true0.5x'",
        "double(claim.storageGB) == 50.0 && double(0.5) == 0.5",
        // One side decides, whatever is wrong with the other.
        "true || candidate.scores.dr > 0.5",
        "candidate.scores.dr > 0.5 || true",
        "!(candidate.scores.dr > 0.5 && false)",
        "['a', 'dr', 'cost'].exists(s, candidate.scores[s] == 0.5)",
        "!['a', 'dr', 'cost'].all(s, candidate.scores[s] == 0.25)",
        "claim.cell /* == */ == 'payments' // not the rest: 'x' ==",
        "r'\\d' == '\\\\d' && '''it's''' == \"it's\" && '\\u00e4' == 'ä'",
    ] {
        let source = source.replace("/* == */ ", "");
        assert_eq!(truth(&source), Ok(true), "{source}");
        assert_eq!(truth(&format!("!({source}\n)")), Ok(false), "{source}");
    }
}

#[test]
fn expressions_without_a_value() {
    for (source, why) in [
        ("candidate.scores.dr > 0.5", "there is no key \"dr\""),
        ("candidate.scores['x'] > 0.5 || false", "there is no key \"x\""),
        ("true && {'dev': 1}[claim.environment] == 1", "there is no key \"prod\""),
        (
            "candidate.capabilities[2] == 'a'",
            "there is no element 2 in a list of 2",
        ),
        ("[1, 2][-1] == 1", "there is no element -1 in a list of 2"),
        (
            "claim.storageGB + 9223372036854775807 > 0",
            "a number is beyond 64 bits",
        ),
        ("9223372036854775807 * 2 > 0", "a number is beyond 64 bits"),
        ("-9223372036854775807 - 2 < 0", "a number is beyond 64 bits"),
        ("1e308 * 10.0 > 1.0", "a number is beyond 64 bits"),
        (
            "['a', 'cost'].all(s, candidate.scores[s] == 0.5)",
            "there is no key \"a\"",
        ),
        (
            "['a', 'cost'].exists_one(s, candidate.scores[s] == 0.5)",
            "there is no key \"a\"",
        ),
    ] {
        assert_eq!(truth(source), Err(why.to_owned()), "{source}");
    }
}

#[test]
fn what_no_candidate_can_change_is_known_without_one() {
    let subject = subject();
    let scope = Scope::new(&subject, None);
    for source in [
        "claim.ha",
        "claim.ha || candidate.region == 'x'",
        "candidate.region == 'x' || claim.ha",
    ] {
        assert_eq!(scope.truth(&tree(source)), Ok(true), "{source}");
    }
    for source in [
        "!claim.ha || candidate.region == 'x'",
        "candidate.name in ['a', 'b']",
        "claim.cell in [candidate.name]",
        "candidate.capabilities.all(c, true)",
        "['a'].exists(a, a in candidate.scores)",
        "size(candidate.scores) >= 0",
        "string(candidate.provider) == 'aws'",
    ] {
        assert_eq!(scope.truth(&tree(source)), Err(Stop::NoCandidate), "{source}");
    }
}

#[test]
fn a_quantifiers_variable_hides_what_has_its_name_and_ends_with_it() {
    assert_eq!(truth("params.names.exists(claim, claim == 'a') && claim.ha"), Ok(true));
    assert_eq!(truth("params.names.exists(namespace, namespace == 'a')"), Ok(true));
    assert_eq!(faults("params.names.exists(x, x == 'a') && x == 'a'").len(), 1);
}

#[test]
fn an_expression_has_its_bounds() {
    let joined = |count: usize| vec!["claim.ha"; count].join(" && ");
    // Each one has two parts, and so has each sign between two of them but one.
    assert!(truth(&joined(67)).is_ok());
    assert!(
        faults(&joined(68))
            .iter()
            .any(|fault| fault.ends_with("has more than 200 parts; split it up"))
    );
    let nested = |count: usize| format!("{}claim.ha{}", "(".repeat(count), ")".repeat(count));
    assert!(truth(&nested(20)).is_ok());
    assert_eq!(
        faults(&nested(21)),
        ["line 1, column 21: is nested deeper than 20 levels; split it up"]
    );
    let chosen = |count: usize| format!("{}true", "claim.ha ? true : ".repeat(count));
    assert!(truth(&chosen(20)).is_ok());
    assert_eq!(
        faults(&chosen(21)),
        ["line 1, column 370: is nested deeper than 20 levels; split it up"]
    );
    let negated = |count: usize| format!("{}claim.ha", "!".repeat(count));
    assert!(truth(&negated(597)).is_ok());
    assert_eq!(
        faults(&negated(598)),
        ["line 1, column 605: is longer than 600 words and signs; split it up"]
    );
    let padded = |count: usize| format!("claim.ha{}", " ".repeat(count - 8));
    assert!(truth(&padded(4096)).is_ok());
    assert_eq!(
        faults(&padded(4097)),
        ["line 1, column 1: has 4097 bytes; at most 4096"]
    );
}

#[test]
fn the_deepest_and_longest_expressions_within_the_bounds_are_answered() {
    let both = format!("{}true{}", "(true?(".repeat(10), "):true)".repeat(10));
    for source in [
        both,
        format!("{}1{} == 1", "[".repeat(20), "]".repeat(20)),
        format!("{}'a'{} == 1", "{'a':".repeat(20), "}".repeat(20)),
        format!("true{}", "?true:true".repeat(20)),
        "true?".repeat(20) + "true" + &":true".repeat(20),
        "1".to_owned() + &"+1".repeat(299),
        "1".to_owned() + &"==1".repeat(299),
        "claim".to_owned() + &".a".repeat(299),
        "claim".to_owned() + &"[1]".repeat(199),
        "claim".to_owned() + &".a()".repeat(140),
        "-".repeat(599) + "1",
        "(".repeat(20),
        "[".repeat(20),
        ")".repeat(600),
        "? ".repeat(20),
        "a b ".repeat(300),
        "1 + ".repeat(300),
        "'".repeat(600),
        "\"\\".repeat(600),
        "😀".repeat(600),
        "\u{202e}".repeat(600),
        "`a`".repeat(150),
    ] {
        let first = check(&source, &Type::Bool, &params());
        assert_eq!(first, check(&source, &Type::Bool, &params()), "{source}");
    }
}

#[test]
fn a_place_counts_lines_and_characters() {
    for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (3, 1, 3), (4, 2, 1), (99, 2, 3)] {
        assert_eq!(Place::at("aä\nbc", offset), Place { line, column }, "{offset}");
    }
}

#[test]
fn work_is_counted_before_it_is_done() {
    for (source, steps) in [
        ("claim.ha", 1),
        ("claim.ha && !claim.ha", 4),
        ("claim.cell in ['a', 'b', 'c']", 6),
        ("['a', 'b'].exists(x, x == claim.cell)", 1 + 2 * (1 + 3)),
        ("candidate.capabilities.all(c, c in params.names)", 1 + 64 * (1 + 5)),
        ("candidate.scores.all(s, candidate.scores[s] > 0.5)", 1 + 64 * (1 + 69)),
    ] {
        assert_eq!(tree(source).steps(), steps, "{source}");
    }
}
