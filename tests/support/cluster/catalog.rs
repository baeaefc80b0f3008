//! The catalog as objects of the cluster: put, edited, deleted; and every revision that it had, with what each decides.

use std::collections::BTreeMap;

use idp_multicloud::catalog::{KINDS, Object, Snapshot, isolate};
use idp_multicloud::claim::parameters::Parameters;
use idp_multicloud::placement::decide;
use serde_json::{Value, json};

use super::apiserver::{ApiServer, User};
use super::team::REASON;

const API: &str = "/apis/platform.example.org/v1alpha1";

/// The cell that most claims of the tests are for.
pub const CELL: &str = "/apis/platform.example.org/v1alpha1/cells/payments";

/// The collection of a kind.
pub fn collection(kind: &str) -> String {
    match kind {
        "PlacementPolicy" => format!("{API}/placementpolicies"),
        kind => format!("{API}/{}s", kind.to_ascii_lowercase()),
    }
}

/// The collection of an object's kind, and the object.
pub fn paths(object: &Value) -> (String, String) {
    let collection = collection(object["kind"].as_str().unwrap());
    let own = format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap());
    (collection, own)
}

/// Puts an object into the cluster, as it is now.
pub fn put(api: &ApiServer, object: &Value) {
    let (collection, own) = paths(object);
    let stored = api.call(User::Admin, "GET", &own, None);
    let mut object = object.clone();
    if stored.code == 404 {
        object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        api.call(User::Admin, "POST", &collection, Some(&object)).ok();
    } else {
        object["metadata"]["resourceVersion"] = stored.ok()["metadata"]["resourceVersion"].clone();
        api.call(User::Admin, "PUT", &own, Some(&object)).ok();
    }
}

/// Takes an object out of the cluster.
pub fn delete(api: &ApiServer, object: &Value) {
    api.call(User::Admin, "DELETE", &paths(object).1, None).ok();
}

/// Every object of the catalog, as the API server has it.
pub fn objects(api: &ApiServer) -> Vec<Object> {
    let list = |kind: &&str| {
        let listed = api.call(User::Admin, "GET", &collection(kind), None).ok();
        let items = listed["items"].as_array().unwrap().clone();
        items.into_iter().map(|value| Object {
            file: String::new(),
            value,
        })
    };
    KINDS.iter().flat_map(list).collect()
}

/// Scores of the candidates in [`CELL`] after so many edits: each time another one is best.
pub fn rescored(mut cell: Value, number: u32) -> Value {
    for (i, candidate) in (0..).zip(cell["spec"]["candidates"].as_array_mut().unwrap()) {
        let best = (number + i).is_multiple_of(3);
        let score = json!(f64::from(if best { 9000 + number } else { 1000 + number }) / 10_000.0);
        for dimension in ["latency", "cost", "dr"] {
            candidate["scores"][dimension] = score.clone();
        }
    }
    cell
}

/// Every catalog that has been in force.
#[derive(Default)]
pub struct Revisions(BTreeMap<String, Snapshot>);

impl Revisions {
    /// Notes what is good of these objects; gives its revision.
    pub fn keep(&mut self, objects: &[Object]) -> String {
        let snapshot = isolate(objects).snapshot;
        let revision = snapshot.revision().to_string();
        self.0.insert(revision.clone(), snapshot);
        revision
    }

    /// Fails unless a claim is where the catalog of the revision in its reason puts what was asked for.
    #[track_caller]
    pub fn assert_decided(&self, stored: &Value, asked: &Value, namespace: &str) {
        let (reason, revision) = decided(stored);
        let catalog = self.0.get(&revision);
        let catalog = catalog.unwrap_or_else(|| panic!("{revision} was never the catalog: {stored:#}"));
        let parameters = Parameters::read(asked["spec"]["parameters"].as_object().unwrap());
        let request = parameters.request(catalog, namespace).unwrap();
        assert_eq!(reason, decide(catalog, request).unwrap().reason());
    }
}

/// The reason of a claim, and the revision in it.
pub fn decided(claim: &Value) -> (String, String) {
    let reason = claim["metadata"]["annotations"][REASON].as_str().unwrap();
    let read: Value = serde_json::from_str(reason).unwrap();
    (reason.to_owned(), read["catalogRevision"].as_str().unwrap().to_owned())
}
