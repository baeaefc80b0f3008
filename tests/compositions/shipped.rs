//! The compositions that are shipped.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Pipeline, claim, observed, shipped, templates};

pub const CASES: &[Case] = &[
    ("the_templates_keep_the_rules_of_this_house", rules),
    ("a_new_claim_gets_a_database_and_a_password", first),
    ("what_is_wrong_with_a_claim_ends_it_with_words_for_its_team", wrong),
];

/// One a cloud.
fn compositions() -> BTreeMap<String, Value> {
    let compositions = shipped();
    let clouds: Vec<_> = compositions.keys().map(String::as_str).collect();
    assert_eq!(clouds, ["aws", "gcp", "oci"], "crossplane/composition-*.yaml");
    compositions
}

fn rules(pipeline: &Pipeline) {
    let mut problems = Vec::new();
    for (cloud, composition) in compositions() {
        let templates = templates(&composition);
        assert!(!templates.is_empty(), "composition-{cloud}.yaml has no template");
        for (step, template) in templates {
            let found = pipeline.check(template).into_iter();
            problems.extend(found.map(|problem| format!("composition-{cloud}.yaml, step {step}, {problem}")));
        }
    }
    assert_eq!(problems, [""; 0], "no problem was wanted");
}

fn first(pipeline: &Pipeline) {
    for (cloud, composition) in compositions() {
        let bare = observed(&claim(&cloud, "C1", "small", false, "prod"), &[]);
        let outcome = pipeline.run(&composition, &bare, &[]).composed();
        let kinds = ["instance", "admin"].map(|name| outcome.resources[name]["kind"].as_str().unwrap());
        let database = match cloud.as_str() {
            "aws" => "Instance",
            "gcp" => "DatabaseInstance",
            _ => "MysqlDbSystem",
        };
        assert_eq!(kinds, [database, "Secret"], "{cloud}: {outcome:#?}");
        let password = outcome.resources["admin"]["data"]["password"].as_str().unwrap();
        assert!(password.len() > 40, "{cloud}: {password}");
        assert_eq!(outcome.condition("DatabaseReady")["reason"], "Creating", "{cloud}");
        assert!(
            outcome.ready.values().all(|ready| !ready),
            "{cloud}: {:?}",
            outcome.ready
        );
    }
}

fn wrong(pipeline: &Pipeline) {
    for (cloud, composition) in compositions() {
        let mut claim = claim(&cloud, "C1", "huge", false, "prod");
        claim["spec"]["parameters"]["tier"] = json!("C7");
        let outcome = pipeline.run(&composition, &observed(&claim, &[]), &[]);
        let (step, words) = outcome
            .fatal
            .as_ref()
            .expect("an unknown tier and an unknown size are fatal");
        assert_eq!(step, "database", "{cloud}: {words}");
        let condition = outcome.condition("DatabaseReady");
        assert_eq!(
            (&condition["status"], &condition["reason"]),
            (&json!("False"), &json!("UnknownTier")),
            "{cloud}: {condition}"
        );
        for value in ["C7", "huge"] {
            let message = condition["message"].as_str().unwrap();
            assert!(
                message.contains(value) && words.contains(value),
                "{cloud}, {value}: {message}; {words}"
            );
        }
    }
}
