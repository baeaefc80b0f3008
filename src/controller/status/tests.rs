use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::catalog::isolate;
use crate::yaml;

fn at(seconds: i64) -> Time {
    Time(Timestamp::from_second(seconds).unwrap())
}

/// The built-in objects as a cluster has them.
fn objects() -> Vec<Object> {
    let values = yaml::documents(include_str!("../../catalog/builtin.yaml")).unwrap();
    let object = |mut value: Value| {
        value["metadata"]["generation"] = json!(3);
        Object {
            file: String::new(),
            value,
        }
    };
    values.into_iter().map(object).collect()
}

fn find<'o>(objects: &'o mut [Object], kind: &str, name: &str) -> &'o mut Value {
    let is_it = |object: &&mut Object| object.value["kind"] == kind && object.value["metadata"]["name"] == name;
    &mut objects.iter_mut().find(is_it).unwrap().value
}

fn all_due(objects: &[Object], now: &Time) -> Vec<Due> {
    all_due_after(&Written::default(), objects, now)
}

fn all_due_after(known: &Written, objects: &[Object], now: &Time) -> Vec<Due> {
    let isolated = isolate(objects);
    let verdicts = objects.iter().zip(&isolated.verdicts);
    verdicts
        .filter_map(|(object, verdict)| due(object, known, verdict, &isolated.snapshot, now))
        .collect()
}

/// Writes what is due, as the API server would.
fn written(objects: &mut [Object], now: &Time) -> usize {
    let all = all_due(objects, now);
    for Due { kind, name, status, .. } in &all {
        find(objects, kind, name)["status"] = status.clone();
    }
    all.len()
}

#[test]
fn a_status_is_written_once() {
    let mut objects = objects();
    assert_eq!(written(&mut objects, &at(0)), objects.len());
    assert_eq!(
        find(&mut objects, "Cell", "payments")["status"],
        json!({
            "candidates": 3, "open": 3,
            "conditions": [{
                "type": "Accepted", "status": "True", "reason": "Accepted", "message": "in force",
                "observedGeneration": 3, "lastTransitionTime": "1970-01-01T00:00:00Z",
            }],
        })
    );
    assert_eq!(find(&mut objects, "Tier", "c0")["status"].as_object().unwrap().len(), 1);
    assert_eq!(all_due(&objects, &at(60)), []);
}

#[test]
fn news_from_before_a_write_do_not_have_it_written_again() {
    let mut objects = objects();
    for (i, object) in objects.iter_mut().enumerate() {
        object.value["metadata"]["uid"] = json!(format!("uid-{i}"));
        object.value["metadata"]["resourceVersion"] = json!("7");
    }
    let mut known = Written::default();
    for due in all_due(&objects, &at(0)) {
        known.has(due.key, due.status);
    }
    known.forget_all_but(&objects);
    assert_eq!(all_due_after(&known, &objects, &at(60)), []);
    // What has changed since is written, and it has not changed since then.
    find(&mut objects, "CloudProvider", "aws")["spec"]["cordoned"] = json!({ "reason": "drill" });
    let all = all_due_after(&known, &objects, &at(60));
    let [Due { name, status, .. }] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!((name.as_str(), &status["open"]), ("payments", &json!(2)));
    assert_eq!(status["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
    // Another version is what the cluster has, whoever wrote it.
    find(&mut objects, "Tier", "c0")["metadata"]["resourceVersion"] = json!("8");
    known.forget_all_but(&objects);
    let names = |all: Vec<Due>| all.into_iter().map(|due| due.name).collect::<Vec<_>>();
    let mut all = names(all_due_after(&known, &objects, &at(120)));
    all.sort();
    assert_eq!(all, ["c0", "payments"]);
    // A new object of the old name is another one.
    find(&mut objects, "Tier", "c1")["metadata"]["uid"] = json!("new");
    assert_eq!(all_due_after(&known, &objects, &at(120)).len(), 3);
}

#[test]
fn closing_a_cloud_counts_in_the_cells_and_changes_no_condition() {
    let mut objects = objects();
    written(&mut objects, &at(0));
    find(&mut objects, "CloudProvider", "aws")["spec"]["cordoned"] = json!({ "reason": "drill" });
    let all = all_due(&objects, &at(60));
    let [Due { name, status, .. }] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!((name.as_str(), &status["open"]), ("payments", &json!(2)));
    assert_eq!(status["conditions"][0]["lastTransitionTime"], "1970-01-01T00:00:00Z");
}

#[test]
fn what_is_not_in_force_says_why_and_since_when() {
    let mut objects = objects();
    written(&mut objects, &at(0));
    find(&mut objects, "CloudProvider", "oci")["spec"]["cordoned"] = json!("yes");
    written(&mut objects, &at(60));
    let condition = |objects: &mut [Object], kind: &str, name: &str| {
        let status = &find(objects, kind, name)["status"];
        let condition = &status["conditions"][0];
        let text = |field: &str| condition[field].as_str().unwrap().to_owned();
        [
            text("status"),
            text("reason"),
            text("message"),
            text("lastTransitionTime"),
        ]
    };
    assert_eq!(
        condition(&mut objects, "CloudProvider", "oci"),
        [
            "False",
            "Invalid",
            "not in force: spec.cordoned: must be a mapping, not a string",
            "1970-01-01T00:01:00Z"
        ]
    );
    assert_eq!(
        condition(&mut objects, "Cell", "payments"),
        [
            "False",
            "Unresolved",
            "not in force: spec.candidates[2].provider: CloudProvider oci is there, but not accepted",
            "1970-01-01T00:01:00Z"
        ]
    );
    assert_eq!(find(&mut objects, "Cell", "payments")["status"]["open"], 0);
    assert_eq!(find(&mut objects, "Cell", "payments")["status"]["candidates"], 3);
    // Another mistake is another message of the same condition.
    find(&mut objects, "CloudProvider", "oci")["spec"]["cordoned"] = json!(5);
    written(&mut objects, &at(120));
    assert_eq!(
        condition(&mut objects, "CloudProvider", "oci")[3],
        "1970-01-01T00:01:00Z"
    );
    find(&mut objects, "CloudProvider", "oci")["spec"]
        .as_object_mut()
        .unwrap()
        .remove("cordoned");
    find(&mut objects, "CloudProvider", "oci")["metadata"]["generation"] = json!(5);
    written(&mut objects, &at(180));
    assert_eq!(
        condition(&mut objects, "Cell", "payments"),
        ["True", "Accepted", "in force", "1970-01-01T00:03:00Z"]
    );
    let oci = &find(&mut objects, "CloudProvider", "oci")["status"]["conditions"][0];
    assert_eq!(oci["observedGeneration"], 5);
}

#[test]
fn a_message_is_bounded() {
    let mut objects = objects();
    let candidates: Vec<Value> = (0..500).map(|_| json!({})).collect();
    find(&mut objects, "Cell", "payments")["spec"]["candidates"] = json!(candidates);
    written(&mut objects, &at(0));
    let condition = &find(&mut objects, "Cell", "payments")["status"]["conditions"][0];
    let message = condition["message"].as_str().unwrap();
    assert!(
        message.len() <= MOST_MESSAGE && message.ends_with('…'),
        "{}",
        message.len()
    );
}
