//! Laws for whatever stands in a claim: a value stays a value.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::Case;
use crate::support::pipeline::{Outcome, Pipeline, claim};
use crate::world::{CLOUDS, HOST, World, first, leaves, whole};

pub const CASES: &[Case] = &[
    ("whatever_a_parameter_holds_it_stays_one_value", parameters),
    ("whatever_a_claim_is_called_its_resources_have_the_same_fields", names),
    ("what_tenants_write_beside_the_parameters_changes_nothing", beside),
    ("a_line_end_of_old_does_not_end_a_line", line_ends),
];

/// Pieces that mean something to YAML, to a template, to Crossplane or to a cloud.
const PIECES: [&str; 24] = [
    "\n",
    "\r\n",
    "\n---\n",
    "---",
    "{{ .observed }}",
    "{{",
    "}}",
    "`",
    "\"",
    "'",
    "\\",
    ": ",
    "# ",
    "- ",
    "|",
    "&a *a !!str",
    "\t",
    "\u{2028}",
    "\u{0}",
    "\u{202e}",
    "é",
    "🦀",
    "true",
    "null",
];

/// A resource that a tenant would like to have.
const RESOURCE: &str = "x\n---\napiVersion: rds.aws.m.upbound.io/v1beta1\nkind: Instance\nmetadata:\n  name: mine\n  \
                        annotations:\n    gotemplating.fn.crossplane.io/composition-resource-name: mine\nspec: {}\n---\n";

/// More fields than were given.
const FIELDS: &str = "x\n              publiclyAccessible: true\n              skipFinalSnapshot: true\n";

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Tries a law so many times.
pub fn hold<S: Strategy>(cases: u32, inputs: &S, law: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let held = TestRunner::new(config(cases)).run(inputs, law);
    held.unwrap_or_else(|failure| panic!("{failure}"));
}

fn text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        select(&PIECES[..]).prop_map(str::to_owned),
        any::<String>(),
        "[ -~]{1,8}"
    ];
    prop_oneof![
        6 => proptest::collection::vec(pieces, 1..6).prop_map(|pieces| pieces.concat()),
        1 => Just(RESOURCE.to_owned()),
        1 => Just(FIELDS.to_owned()),
        1 => (1_usize..3000, select(&PIECES[..])).prop_map(|(times, piece)| piece.repeat(times)),
        1 => Just(String::new()),
    ]
}

/// The paths to all values of every resource.
fn paths(outcome: &Outcome) -> BTreeSet<String> {
    leaves(&json!(outcome.resources)).into_keys().collect()
}

/// Where tags are, whose values may be written otherwise.
fn is_tag(path: &str) -> bool {
    ["/tags/", "/userLabels/", "/freeformTags/"]
        .iter()
        .any(|tags| path.contains(tags))
}

/// YAML of old knows an end of a line that is no control character to JSON, and reads it as a space.
fn is_clean(text: &str) -> bool {
    !text.contains('\u{85}')
}

/// Every string of a claim's parameters: a field, or a key of the network.
fn fields(claim: &Value) -> Vec<String> {
    let all = leaves(&claim["spec"]["parameters"]);
    all.into_iter()
        .filter(|(_, value)| value.is_string())
        .map(|(path, _)| path)
        .collect()
}

fn parameters(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut plain = World::new(cloud);
        plain.reconcile(pipeline);
        let wanted = plain.look(pipeline).composed();
        let (names, values) = (paths(&wanted), leaves(&json!(wanted.resources)));
        let fields = fields(&plain.claim);
        assert!(fields.len() >= 9, "{cloud}: {fields:?}");

        // A tier, a size or a cloud of any name ends it, so that these are seldom among those that are changed.
        let decisive = ["/tier", "/size", "/provider"].map(str::to_owned);
        let free: Vec<_> = fields
            .iter()
            .filter(|field| !decisive.contains(field))
            .cloned()
            .collect();
        let some = 1..=free.len();
        let changed = prop_oneof![8 => subsequence(free, some), 1 => subsequence(fields.clone(), 1..=fields.len())];
        let texts = proptest::collection::vec(text(), fields.len());
        let composed = std::cell::Cell::new(0);
        hold(80, &(changed, texts), |(changed, texts)| {
            let mut world = plain.clone();
            let planted: BTreeMap<_, _> = changed.iter().zip(&texts).collect();
            for (path, text) in &planted {
                *world.claim["spec"]["parameters"].pointer_mut(path).unwrap() = json!(text);
            }
            let outcome = world.look(pipeline);
            if outcome.fatal.is_some() {
                prop_assert!(outcome.resources.is_empty(), "rendered {:#?}", outcome.resources);
                return Ok(());
            }
            composed.set(composed.get() + 1);
            prop_assert_eq!(paths(&outcome), names.clone());
            for (path, value) in leaves(&json!(outcome.resources)) {
                let as_before = value == values[&path];
                // OCI's account is named after the region.
                let text = value.as_str().map(|text| text.strip_prefix("oci-").unwrap_or(text));
                let as_planted = planted
                    .values()
                    .any(|planted| text == Some(planted) || !is_clean(planted));
                prop_assert!(
                    as_before || as_planted || is_tag(&path) && value.is_string(),
                    "{} is {}, and was {}",
                    path,
                    value,
                    values[&path]
                );
            }
            prop_assert_eq!(&outcome.status, &wanted.status);
            prop_assert_eq!(outcome.conditions.len(), 1);
            Ok(())
        });
        assert!(
            composed.get() >= 20,
            "{cloud}: only {} of 80 were composed at all",
            composed.get()
        );
    }
}

fn names(pipeline: &Pipeline) {
    let label = "[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?";
    let name = prop_oneof![
        select(&["true", "null", "1e3", "0x10", "1.5", "0", "no", "a.b", "1-1"][..]).prop_map(str::to_owned),
        label.prop_map(|name: String| name),
        (label, label).prop_map(|(one, other)| format!("{one}.{other}")),
    ];
    for cloud in CLOUDS {
        let claim = claim(cloud, "C1", "small", false, "prod");
        let plain = paths(&first(pipeline, cloud, &claim).composed());
        hold(24, &(name.clone(), label, label), |(name, namespace, uid)| {
            let mut claim = claim.clone();
            claim["metadata"]["name"] = json!(name);
            claim["metadata"]["namespace"] = json!(namespace);
            claim["metadata"]["uid"] = json!(uid);
            let outcome = first(pipeline, cloud, &claim).composed();
            prop_assert_eq!(paths(&outcome), plain.clone());
            let admin = format!("{name}-admin");
            prop_assert_eq!(&outcome.resources["admin"]["metadata"]["name"], &json!(admin));
            let database = format!("mysql-{uid}");
            prop_assert_eq!(&outcome.resources["instance"]["metadata"]["name"], &json!(database));
            Ok(())
        });
    }
}

/// Things that a tenant, or a tool, would write into a claim's labels and annotations.
fn junk() -> impl Strategy<Value = Map<String, Value>> {
    let keys = [
        "app",
        "crossplane.io/external-name",
        "crossplane.io/paused",
        "gotemplating.fn.crossplane.io/ready",
        "gotemplating.fn.crossplane.io/composition-resource-name",
        "crossplane.io/composition-resource-name",
        "db.platform.example.org/provider",
        "platform.example.org/allow-deletion",
        "platform.example.org/placement-reason",
    ];
    let values = prop_oneof![
        text(),
        select(&["True", "true", "gcp", "instance"][..]).prop_map(str::to_owned)
    ];
    proptest::collection::btree_map(select(keys.to_vec()), values, 0..5).prop_map(|map| {
        map.into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect()
    })
}

fn beside(pipeline: &Pipeline) {
    let refs = json!([{"apiVersion": "v1", "kind": "Secret", "name": "stolen"}]);
    for cloud in CLOUDS {
        let there = World::available(pipeline, cloud);
        let mut creating = World::new(cloud);
        creating.reconcile(pipeline);
        for world in [there, creating] {
            let wanted = whole(&world.look(pipeline));
            hold(16, &(junk(), junk(), text()), |(labels, annotations, text)| {
                let mut world = world.clone();
                let metadata = &mut world.claim["metadata"];
                metadata["labels"] = Value::Object(labels);
                metadata["annotations"] = Value::Object(annotations);
                metadata["generation"] = json!(7);
                metadata["finalizers"] = json!([text]);
                world.claim["spec"]["crossplane"]["resourceRefs"] = refs.clone();
                world.claim["spec"]["provider"] = json!(text);
                world.claim["status"] = json!({
                    "endpoint": text, "port": 1, "version": text, "atProvider": {"address": text},
                    "connectionSecret": {"name": text, "ready": true},
                    "conditions": [
                        {"type": "Ready", "status": "True", "reason": text},
                        {"type": "DatabaseReady", "status": "True", "reason": text, "message": text},
                    ],
                });
                prop_assert_eq!(whole(&world.look(pipeline)), wanted.clone());
                Ok(())
            });
        }
    }
}

/// The one letter that JSON writes as it is, and YAML reads otherwise: the text is another one then, and still one value.
fn line_ends(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut plain = World::new(cloud);
        plain.reconcile(pipeline);
        plain.comes_up(HOST);
        let wanted = plain.look(pipeline).composed();
        for field in fields(&plain.claim) {
            let mut world = plain.clone();
            let text = "x\u{85}\u{85}---\u{85}kind: Secret\u{85}publiclyAccessible: true";
            *world.claim["spec"]["parameters"].pointer_mut(&field).unwrap() = json!(text);
            let outcome = world.look(pipeline);
            if outcome.fatal.is_none() {
                assert_eq!(paths(&outcome), paths(&wanted), "{cloud}, {field}");
            } else {
                assert!(
                    outcome.resources.is_empty(),
                    "{cloud}, {field}: {:#?}",
                    outcome.resources
                );
            }
        }
    }
}
