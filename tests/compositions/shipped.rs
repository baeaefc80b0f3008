//! The compositions that are shipped.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Case;
use crate::support::pipeline::{Pipeline, shipped, templates};

pub const CASES: &[Case] = &[("the_templates_keep_the_rules_of_this_house", rules)];

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
