//! The `OpenAPI` document: the committed one is the one that is served, and every kind of problem is in it.

use std::collections::BTreeSet;
use std::fs;

use idp_multicloud::api::problem::Kind;
use libtest_mimic::{Completion, Failed};
use serde_json::Value;

use crate::support::schemathesis;
use crate::support::server::Server;
use crate::{Case, rest};

pub const CASES: &[Case] = &[
    ("the_committed_document_is_the_one_that_is_served", committed),
    ("every_problem_is_documented_with_an_example", problems),
    ("every_problem_is_in_the_manual", manual),
    ("every_proof_in_the_manual_is_a_case", proven),
];

/// The document is true, whatever is asked.
pub fn tried() -> Result<Completion, Failed> {
    let server = Server::start(&["--log", "warn"]);
    let verdict = schemathesis::finds_nothing(&rest(&server));
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    verdict
}

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api/openapi.json");

fn committed() {
    let server = Server::start(&[]);
    let told = rest(&server).get("/openapi.json");
    assert_eq!(told.response.header("content-type"), ["application/json"]);
    let committed = fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed == told.response.body,
        "src/api/openapi.json differs from what is served; write it anew: cargo run & sleep 5; curl -s \
         http://127.0.0.1:8080/openapi.json > src/api/openapi.json; kill %1"
    );
    assert_eq!(told.body["openapi"], "3.1.0");
}

fn problems() {
    let document: Value = serde_json::from_str(&fs::read_to_string(FILE).unwrap()).unwrap();
    let mut documented = BTreeSet::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            for response in operation["responses"].as_object().unwrap().values() {
                let Some(content) = response["content"].get("application/problem+json") else {
                    continue;
                };
                for example in content["examples"].as_object().unwrap().values() {
                    documented.insert(example["value"]["type"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    // A method that a path does not have is no operation of the document.
    let known = Kind::ALL.into_iter().filter(|kind| *kind != Kind::MethodNotAllowed);
    let known: BTreeSet<String> = known.map(Kind::uri).collect();
    assert_eq!(documented, known);
}

fn manual() {
    let manual = include_str!("../../manifests/rest.md");
    for kind in Kind::ALL {
        let uri = kind.uri();
        let row = format!(
            "| `{}` | {} | ",
            uri.rsplit('/').next().unwrap(),
            kind.status().as_u16()
        );
        assert!(manual.contains(&row), "manifests/rest.md lacks {row}");
    }
    let errors = manual.split("## ").find(|part| part.starts_with("Errors")).unwrap();
    assert_eq!(
        errors.matches("\n| `").count(),
        Kind::ALL.len(),
        "manifests/rest.md has a problem too many"
    );
}

fn proven() {
    let manual = include_str!("../../manifests/rest.md");
    let security = manual.split("## ").find(|part| part.starts_with("Security")).unwrap();
    let named: Vec<&str> = security.split('`').filter(|word| word.contains("::")).collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        let (room, case) = name.split_once("::").unwrap();
        let found = ["api", "api_cluster", "portal"].iter().any(|program| {
            let file = format!("{}/tests/{program}/{room}.rs", env!("CARGO_MANIFEST_DIR"));
            fs::read_to_string(file).is_ok_and(|source| source.contains(&format!("\"{case}\"")))
        });
        assert!(found, "there is no case {name}");
    }
}
