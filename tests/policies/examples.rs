//! The ten worked examples, as the manual prints them: each with claims, and what becomes of those.

use std::path::Path;

use idp_multicloud::admission::{Settings, Webhook, answer, envelope};
use idp_multicloud::catalog::{Object, Snapshot, builtin, check, live::Held};
use idp_multicloud::yaml;
use serde_json::{Value, json};

const MANUAL: &str = include_str!("../../manifests/policies/README.md");

fn documents(path: &Path) -> Vec<Value> {
    yaml::documents(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The built-in catalog, the examples' own cells, and a policy.
fn catalog(policy: Option<&Value>) -> Snapshot {
    let own = documents(Path::new("tests/policies/catalog.yaml"));
    let all = builtin::load().unwrap().objects().into_iter().chain(own);
    let objects: Vec<Object> = all
        .chain(policy.cloned())
        .map(|value| Object {
            file: "examples".to_owned(),
            value,
        })
        .collect();
    check(&objects).unwrap_or_else(|error| panic!("{error}"))
}

/// Where the claim goes, with what warnings, or why it does not.
fn outcome(claim: &Value, catalog: Snapshot) -> String {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "example", "operation": "CREATE", "namespace": claim["metadata"]["namespace"], "object": claim,
            "kind": { "group": "db.platform.example.org", "version": "v1alpha1", "kind": "MySQLInstanceClaim" },
        },
    })
    .to_string();
    let review = envelope::read(review.as_bytes()).unwrap();
    let held = Held::new(catalog);
    let answer = answer(Webhook::Mutate, &review, &held, &Settings::default());
    match (&answer.verdict, &answer.placed) {
        (Ok(_), Some(placed)) => format!("{}; {}", placed.candidate, answer.warnings.join("; ")),
        (Err(problems), _) => format!("refused: {}", envelope::message(problems)),
        (Ok(_), None) => panic!("allowed and not placed"),
    }
}

/// The policy and the claims of each example, in the order of their names.
fn examples() -> Vec<(String, Value, Vec<Value>)> {
    let files = std::fs::read_dir("tests/policies").unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension().is_some_and(|extension| extension == "yaml") && !path.ends_with("catalog.yaml")
    });
    paths.sort();
    let example = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        let policy = text.split("---\n").next().unwrap().to_owned();
        let mut documents = documents(path);
        (policy, documents.remove(0), documents)
    };
    paths.iter().map(|path| example(path)).collect()
}

#[test]
fn each_example_does_what_it_says() {
    for (_, policy, claims) in examples() {
        let name = &policy["metadata"]["name"];
        let mut told = 0;
        for claim in &claims {
            let expected = claim["metadata"]["annotations"]["expect"].as_str().unwrap();
            let outcome = outcome(claim, catalog(Some(&policy)));
            let (how, what) = expected.split_once(": ").unwrap_or(("placed", expected));
            let meets = match how {
                "refused" => outcome.starts_with("refused: ") && outcome.contains(what),
                "warns" => !outcome.starts_with("refused: ") && outcome.contains(what),
                _ => outcome.split(';').next() == Some(what) && !outcome.contains("policy"),
            };
            assert!(meets, "{name}, {}: {outcome}", claim["metadata"]["name"]);
            told += usize::from(outcome != self::outcome(claim, catalog(None)));
        }
        // Deleting the object is the end of it.
        assert!(told > 0, "{name} makes no difference to any of its claims");
        assert!(
            told < claims.len() || claims.len() == 1,
            "{name} has no claim that it leaves alone"
        );
    }
}

#[test]
fn the_manual_has_every_example_word_for_word() {
    let examples = examples();
    assert_eq!(examples.len(), 10);
    for (text, policy, _) in &examples {
        assert!(
            MANUAL.contains(&format!("```yaml\n{text}```\n")),
            "{}",
            policy["metadata"]["name"]
        );
    }
    assert_eq!(MANUAL.matches("kind: PlacementPolicy").count(), examples.len());
    let readme = std::fs::read_to_string("README.md").unwrap();
    let shown = examples
        .iter()
        .filter(|(text, ..)| readme.contains(&format!("```yaml\n{text}```\n")));
    assert_eq!(shown.count(), 1);
}
