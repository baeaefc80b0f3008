//! Laws of the catalog: whatever is in the files, an answer comes, soon, and it is one to act on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use idp_multicloud::catalog::{
    CatalogError, Fraction, Object, Problem, Snapshot, Verdict, builtin, check, folder, isolate,
};
use idp_multicloud::placement::reason::MOST_BYTES;
use idp_multicloud::placement::{Request, decide, request::Size};
use idp_multicloud::yaml;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

const BUILTIN: &str = include_str!("../src/catalog/builtin.yaml");

/// Each object in a file of its own, so that a problem says which one it is about.
fn objects(values: &[Value]) -> Vec<Object> {
    let object = |(i, value): (usize, &Value)| Object {
        file: format!("{i}.yaml"),
        value: value.clone(),
    };
    values.iter().enumerate().map(object).collect()
}

/// Checks these objects, and that the answer is one to act on.
fn judge(values: &[Value]) {
    let objects = objects(values);
    let start = Instant::now();
    let outcome = check(&objects);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    one_by_one(&objects, &outcome);
    match outcome {
        Ok(snapshot) => accepted(&snapshot),
        Err(CatalogError::Invalid(problems)) => {
            assert!(!problems.is_empty());
            assert_eq!(
                problems.iter().collect::<BTreeSet<_>>().len(),
                problems.len(),
                "{problems:?}"
            );
            for problem in &problems {
                told(problem);
                let object = objects.iter().find(|object| object.file == problem.file);
                placed(problem, &object.expect("a problem names its file").value);
            }
        }
        Err(other) => panic!("{other}"),
    }
}

/// Taken one by one, a good catalog is the same one. Of any other, what is accepted is good without the rest, but for what
/// only a whole catalog has to have.
fn one_by_one(objects: &[Object], whole: &Result<Snapshot, CatalogError>) {
    let start = Instant::now();
    let isolated = isolate(objects);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(isolated.verdicts.len(), objects.len());
    let fine = isolated.verdicts.iter().all(|verdict| *verdict == Verdict::Accepted);
    assert_eq!(fine, whole.is_ok());
    if let Ok(whole) = whole {
        assert_eq!(format!("{:?}", isolated.snapshot), format!("{whole:?}"));
    }
    let verdicts = || objects.iter().zip(&isolated.verdicts);
    for (object, verdict) in verdicts() {
        for problem in verdict.problems() {
            told(problem);
            assert_eq!(problem.file, object.file);
        }
    }
    let accepted = verdicts().filter(|(_, verdict)| verdict.is_accepted());
    let again = isolate(&accepted.map(|(object, _)| object.clone()).collect::<Vec<_>>());
    assert!(again.verdicts.iter().all(Verdict::is_accepted), "{:?}", again.verdicts);
    assert_eq!(again.snapshot.revision(), isolated.snapshot.revision());
    let out = verdicts().any(|(_, verdict)| !verdict.is_accepted());
    let not_accepted = again.snapshot.not_accepted();
    assert!(not_accepted.cells.is_empty() && not_accepted.tiers.is_empty() && not_accepted.policies.is_empty());
    assert!(out || not_accepted == isolated.snapshot.not_accepted());
}

/// A problem can be printed: it has a message, a file, and nothing that moves a cursor.
fn told(problem: &Problem) {
    assert!(!problem.message.is_empty() && !problem.file.is_empty(), "{problem:?}");
    assert!(!problem.to_string().chars().any(char::is_control), "{problem:?}");
    assert!(problem.message.len() < 2500, "{problem:?}");
}

/// A problem's path is in the object, or is of something missing in a place that is.
fn placed(problem: &Problem, object: &Value) {
    let missing = problem.message.starts_with("is missing") || problem.message == "must list at least one";
    let mut path = problem.path.as_str();
    // A score or network key may lack its mapping too.
    for _ in 0..3 {
        if exists(path, object) {
            return;
        }
        assert!(missing, "{problem:?} in {object}");
        path = path.rfind(['.', '[']).map_or("", |at| &path[..at]);
    }
    panic!("{problem:?} in {object}");
}

fn exists(path: &str, value: &Value) -> bool {
    if path.is_empty() {
        return true;
    }
    match value {
        Value::Array(members) => path
            .strip_prefix('[')
            .and_then(|path| path.split_once(']'))
            .is_some_and(|(index, rest)| {
                let member = index.parse().ok().and_then(|index: usize| members.get(index));
                member.is_some_and(|member| exists(rest, member))
            }),
        Value::Object(fields) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            fields.iter().any(|(key, value)| {
                let short: String = key.chars().take(64).collect();
                let cut = if short.len() < key.len() { "…" } else { "" };
                let shown = format!("{}{cut}", short.escape_debug());
                path.strip_prefix(&shown).is_some_and(|rest| exists(rest, value))
            })
        }
        _ => false,
    }
}

/// What every decision relies on.
fn accepted(snapshot: &Snapshot) {
    for tier in snapshot.tiers() {
        let sum: u32 = tier.weights.values().map(|weight| u32::from(weight.units())).sum();
        assert_eq!(sum, u32::from(Fraction::UNITS));
        assert_eq!(snapshot.tier(&tier.shown()).map(|found| &found.name), Some(&tier.name));
    }
    for cell in snapshot.cells() {
        assert!(!cell.environments.is_empty() && !cell.candidates.is_empty());
        assert!(cell.candidates.is_sorted_by(|a, b| a.name < b.name));
        let place =
            |c: &idp_multicloud::catalog::Candidate| [&c.provider, &c.region, &c.runtime_cluster].map(Clone::clone);
        assert_eq!(
            cell.candidates.iter().map(place).collect::<HashSet<_>>().len(),
            cell.candidates.len()
        );
        for candidate in &cell.candidates {
            for tier in snapshot.tiers() {
                assert!(
                    tier.weights
                        .keys()
                        .all(|dimension| candidate.scores.contains_key(dimension))
                );
            }
            let provider = snapshot
                .providers()
                .find(|provider| provider.name == candidate.provider);
            let provider = provider.expect("the candidate's provider is in the catalog");
            assert!(
                provider
                    .network_keys
                    .iter()
                    .all(|key| candidate.network.contains_key(key))
            );
            let region = provider.regions.get(&candidate.region);
            assert_eq!(candidate.provider_cordoned, provider.cordoned);
            assert_eq!(
                candidate.region_cordoned,
                region.and_then(|region| region.cordoned.clone())
            );
        }
    }
    // Shown and loaded again, in any order, it is the same catalog.
    let shown: Vec<String> = snapshot
        .objects()
        .iter()
        .map(|object| yaml::to_string(object).unwrap())
        .collect();
    let mut again = yaml::documents(&shown.join("---\n")).unwrap();
    again.reverse();
    assert_eq!(check(&objects(&again)).unwrap().revision(), snapshot.revision());
}

/// Reads a text as the folder does, and judges what is in it.
fn judge_text(text: &str) {
    let start = Instant::now();
    match yaml::documents(text) {
        Ok(values) => judge(&values),
        Err(error) => {
            let error = error.to_string();
            assert!(
                error.starts_with("line ") && !error.chars().any(char::is_control),
                "{error:?}"
            );
            assert!(error.len() < 2500, "{error}");
        }
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}: {text}",
        start.elapsed()
    );
}

fn builtin_values() -> Vec<Value> {
    yaml::documents(BUILTIN).unwrap()
}

/// Something to put where something else is expected.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..=10_000_u32).prop_map(|units| json!(f64::from(units) / 10_000.0)),
        select(vec![
            "",
            "aws",
            "gcp",
            "c0",
            "payments",
            "us-east-1",
            "PITR",
            "Tier",
            "Cell",
            "\u{202e}x\n"
        ])
        .prop_map(Value::from),
        "\\PC{0,80}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any_key(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "name",
            "reason",
            "cordoned",
            "cost",
            "dr",
            "spec",
            "metadata",
            "candidates",
            "scores",
            "network",
            "regions",
            "vpcId",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,70}",
    ]
}

/// One way of breaking an object: where, what, and how.
type Break = (Index, Value, u8);

/// Every place in `value`, depth first, each as the steps to it.
fn places(value: &Value, at: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    found.push(at.clone());
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(members) => members
            .iter()
            .enumerate()
            .map(|(i, member)| (i.to_string(), member))
            .collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        at.push(step);
        places(child, at, found);
        at.pop();
    }
}

fn broken(values: &mut Vec<Value>, (at, with, how): &Break) {
    let mut whole = Value::Array(std::mem::take(values));
    let mut found = Vec::new();
    places(&whole, &mut Vec::new(), &mut found);
    found.remove(0);
    if found.is_empty() {
        return;
    }
    let steps = at.get(&found);
    let escaped: Vec<String> = steps
        .iter()
        .map(|step| step.replace('~', "~0").replace('/', "~1"))
        .collect();
    let pointer = format!("/{}", escaped.join("/"));
    let (parent, last) = (pointer.rsplit_once('/').unwrap().0, steps.last().unwrap().clone());
    let value = whole.pointer(&pointer).cloned().unwrap();
    match (how % 4, whole.pointer_mut(parent).unwrap()) {
        (0, Value::Object(fields)) => drop(fields.remove(&last)),
        (0, Value::Array(members)) => drop(members.remove(last.parse().unwrap())),
        (1, Value::Object(fields)) => drop(fields.insert(with.as_str().unwrap_or("more").to_owned(), value)),
        (1, Value::Array(members)) => members.push(value),
        (2, Value::Object(fields)) => drop(fields.insert(last, json!([value]))),
        (2, Value::Array(members)) => members.push(with.clone()),
        (_, Value::Object(fields)) => drop(fields.insert(last, with.clone())),
        (_, Value::Array(members)) => members[last.parse::<usize>().unwrap()] = with.clone(),
        (_, other) => panic!("{other} has no parts"),
    }
    let Value::Array(broken) = whole else { panic!("{whole}") };
    *values = broken;
}

/// One way of breaking a text: which line, what, and how.
fn broken_text(lines: &mut Vec<String>, at: Index, how: u8, with: &str) {
    let i = at.index(lines.len());
    let line = lines[i].clone();
    let key = line.split_once(": ").map_or(line.as_str(), |(key, _)| key).to_owned();
    match how % 8 {
        0 => drop(lines.remove(i)),
        1 => lines.insert(i, line),
        2 => lines[i] = format!("{key}: {with}"),
        3 => lines[i] = format!("{key}: {}{with}", "[{a: ".repeat(200)),
        4 => lines[i] = format!("{key}: &x {with}\n{key}x: *x"),
        5 => lines[i] = line.replacen(' ', "\t", 1),
        6 => lines[i] = format!("{line}{with}"),
        _ => with.clone_into(&mut lines[i]),
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
}

proptest! {
    #[test]
    fn any_bytes_in_a_folder_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200), good in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), &bytes).unwrap();
        if good {
            std::fs::write(dir.path().join("b.yaml"), BUILTIN).unwrap();
        }
        match folder::load(dir.path()) {
            Ok(snapshot) => accepted(&snapshot),
            Err(CatalogError::Invalid(problems)) => {
                prop_assert!(!problems.is_empty());
                // Whatever the other file is, nothing is wrong with the good one.
                for problem in &problems {
                    told(problem);
                    prop_assert!(!problem.file.ends_with("b.yaml"), "{problem:?}");
                }
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn any_text_that_looks_like_yaml_is_answered(
        tokens in prop::collection::vec(select(vec![
            "a", "kind", "spec", ": ", ":", "- ", "\n", "\n  ", "\n    ", "---\n", "...\n", "[", "]", "{", "}", ", ", "&x ", "*x", "<<: ",
            "!!str ", "!!int ", "!t ", "|\n", ">-\n", "\"", "'", "#", "%YAML 1.2\n", "? ", "\t", "0.5", ".nan", "1e999", "0x", "~", "null",
            "true", "\u{feff}", "\u{85}", "\\x", "Tier", "platform.example.org/v1alpha1", "apiVersion: ", "metadata: {name: c0}", "@", "`",
        ]), 0..40)
    ) {
        judge_text(&tokens.concat());
    }

    #[test]
    fn the_built_in_text_with_broken_lines_is_answered(
        breaks in prop::collection::vec((any::<Index>(), any::<u8>(), select(vec![
            "", "null", "5", "-1", "0.5", "0.33333", "true", "x", "\"\"", "[]", "{}", "[x]", "{x: y}", "*x", "&y {<<: *x}", "---", "'", ".inf",
            "{name: c0}", "us-east-1", "aws", "\"\\u202e\"",
        ])), 1..4)
    ) {
        let mut lines: Vec<String> = BUILTIN.lines().map(str::to_owned).collect();
        for (at, how, with) in breaks {
            broken_text(&mut lines, at, how, with);
        }
        judge_text(&lines.join("\n"));
    }

    #[test]
    fn the_built_in_objects_with_broken_parts_are_answered(breaks in prop::collection::vec((any::<Index>(), anything(), any::<u8>()), 1..5)) {
        let mut values = builtin_values();
        for one in &breaks {
            broken(&mut values, one);
        }
        judge(&values);
    }

    #[test]
    fn any_objects_are_answered(values in prop::collection::vec(anything(), 0..4)) {
        judge(&values);
    }

    #[test]
    fn the_order_of_objects_and_candidates_changes_nothing(
        order in Just((0..7).collect::<Vec<usize>>()).prop_shuffle(),
        candidates in Just((0..3).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let mut values = builtin_values();
        let members = values[6]["spec"]["candidates"].clone();
        values[6]["spec"]["candidates"] = candidates.iter().map(|i| members[i].clone()).collect();
        let values: Vec<Value> = order.iter().map(|i| values[*i].clone()).collect();
        let snapshot = check(&objects(&values)).unwrap();
        prop_assert_eq!(format!("{snapshot:?}"), format!("{:?}", builtin::load().unwrap()));
    }

    #[test]
    fn the_order_in_which_objects_are_taken_changes_nothing(
        order in Just((0..7).collect::<Vec<usize>>()).prop_shuffle(),
        breaks in prop::collection::vec((any::<Index>(), anything(), any::<u8>()), 0..4),
    ) {
        let mut values = builtin_values();
        for one in &breaks {
            broken(&mut values, one);
        }
        let shuffled: Vec<Value> = order.iter().filter_map(|i| values.get(*i).cloned()).collect();
        values.truncate(7);
        let (first, second) = (isolate(&objects(&values)), isolate(&objects(&shuffled)));
        // The files' names follow the order, and of two objects with one name the first is taken, so only that is left out.
        let names = |values: &[Value]| values.iter().map(|value| format!("{} {}", value["kind"], value["metadata"]["name"])).collect::<BTreeSet<_>>();
        prop_assume!(names(&values).len() == values.len());
        prop_assert_eq!(format!("{:?}", first.snapshot), format!("{:?}", second.snapshot));
        let words = |values: &[Value], verdicts: &[Verdict]| {
            values.iter().zip(verdicts).map(|(value, verdict)| format!("{value} {}", verdict.as_str())).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(words(&values, &first.verdicts), words(&shuffled, &second.verdicts));
    }
}

#[test]
fn the_built_in_catalog_keeps_the_laws() {
    judge(&builtin_values());
    judge(&[]);
}

/// The catalog whose reasons are as long as the bounds let them be, with so many candidates per cell.
fn longest(candidates: usize) -> Snapshot {
    let name = |kind: char, i: usize| format!("{kind}{i:0>61}x");
    let names = |kind: char, count: usize| (0..count).map(|i| name(kind, i)).collect::<Vec<_>>();
    let scores: BTreeMap<_, _> = names('d', 64)
        .into_iter()
        .map(|dimension| (dimension, 0.1234))
        .collect();
    // As many bytes as a network may take, in as many entries.
    let mut network: BTreeMap<_, _> = names('n', 16).into_iter().map(|key| (key, "\"".repeat(93))).collect();
    let spare = 4096 - json!(network).to_string().len();
    *network.get_mut(&name('n', 0)).unwrap() += &"x".repeat(spare);
    let candidate = |i: usize| {
        // The first three fit; the others lack everything and are cordoned three times over.
        let open = i < 3;
        let mut candidate = json!({
            "name": name('c', i),
            "provider": if open { name('p', 0) } else { name('p', 1) },
            "region": name('r', i),
            "runtimeCluster": name('k', i),
            "network": network,
            "capabilities": if open { names('q', 32).into_iter().chain(["MultiAZ".to_owned()]).collect() } else { vec![] },
            "scores": scores,
        });
        if !open {
            candidate["cordoned"] = json!({ "reason": "\"".repeat(253) });
        }
        candidate
    };
    let mut weights: BTreeMap<_, _> = names('d', 8).into_iter().map(|dimension| (dimension, 0.1251)).collect();
    weights.insert(name('d', 0), 0.1243);
    let object = |kind: &str, name: String, spec: Value| json!({ "apiVersion": "platform.example.org/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    let values = [
        object("CloudProvider", name('p', 0), json!({ "networkKeys": names('n', 16) })),
        object(
            "CloudProvider",
            name('p', 1),
            json!({ "cordoned": { "reason": "\\".repeat(253) } }),
        ),
        object(
            "Tier",
            name('t', 0),
            json!({ "rtoMinutes": 525_600, "rpoMinutes": 525_600, "requires": names('q', 32), "weights": weights }),
        ),
        object(
            "Cell",
            name('z', 0),
            json!({ "environments": [name('e', 0)], "candidates": (0..candidates).map(candidate).collect::<Vec<_>>() }),
        ),
    ];
    check(&objects(&values)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_catalog_at_every_bound_gives_reasons_below_sixteen_kib() {
    let name = |kind: char| format!("{kind}{:0>61}x", 0);
    for candidates in [3, 4, 5, 300] {
        let snapshot = longest(candidates);
        let request = Request {
            cell: name('z').into(),
            tier: name('t').to_ascii_uppercase().into(),
            environment: name('e').into(),
            size: Size::Medium,
            storage_gb: 16_384,
            ha: true,
            namespace: "".into(),
        };
        let decision = decide(&snapshot, request).unwrap();
        assert_eq!((decision.ranked.len(), decision.excluded.len()), (3, candidates - 3));
        let reason = decision.reason();
        assert!(reason.len() <= MOST_BYTES, "{candidates}: {}", reason.len());
        // The bounds are there for this: were they much wider, the reason would not fit.
        assert!(candidates < 300 || reason.len() > 12_000, "{}", reason.len());
    }
}
