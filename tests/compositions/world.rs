//! A cluster with one claim in it: what a reconcile renders is applied, and what it no longer names is deleted, as by
//! Crossplane. The cloud's and the provider's part is played by the cases.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::support::pipeline::{Outcome, Pipeline, claim, observed, shipped};

/// The clouds that a composition is shipped for.
pub const CLOUDS: [&str; 3] = ["aws", "gcp", "oci"];

/// Where a database answers.
pub const HOST: &str = "orders.db.example.org";

/// What Cloud SQL signs with.
pub const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

/// The composition of a cloud.
pub fn composition(cloud: &str) -> &'static Value {
    static SHIPPED: LazyLock<BTreeMap<String, Value>> = LazyLock::new(shipped);
    let found = SHIPPED.get(cloud);
    found.unwrap_or_else(|| panic!("there is no crossplane/composition-{cloud}.yaml"))
}

/// What a composition makes of a new claim.
pub fn first(pipeline: &Pipeline, cloud: &str, claim: &Value) -> Outcome {
    pipeline.run(composition(cloud), &observed(claim, &[]), &[])
}

/// The keys of the placement's network that a composition needs, in the order of its table.
pub fn network_keys(pipeline: &Pipeline, cloud: &str) -> Vec<String> {
    let table = table(pipeline, cloud);
    let keys = table["network"].as_array().unwrap();
    keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// A composition's table, as its first step hands it on.
pub fn table(pipeline: &Pipeline, cloud: &str) -> Value {
    let outcome = first(pipeline, cloud, &claim(cloud, "C1", "small", false, "prod")).composed();
    outcome.context["db.platform.example.org/settings"]["table"].clone()
}

/// All of an outcome as one value, to compare two of them.
pub fn whole(outcome: &Outcome) -> Value {
    json!({
        "resources": outcome.resources, "ready": outcome.ready, "status": outcome.status,
        "compositeReady": outcome.composite_ready, "conditions": outcome.conditions, "results": outcome.results,
        "context": outcome.context, "fatal": outcome.fatal,
    })
}

/// Base64, as a Secret holds its values.
pub fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// A value of a Secret.
pub fn decoded(secret: &Value, key: &str) -> String {
    let value = secret["data"][key].as_str();
    let value = value.unwrap_or_else(|| panic!("there is no {key} in {secret:#}"));
    String::from_utf8(STANDARD.decode(value).unwrap()).unwrap()
}

/// Every string, number and word in a value, with the path to it.
pub fn leaves(value: &Value) -> BTreeMap<String, Value> {
    fn walk(value: &Value, path: String, found: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (key, value) in fields {
                    walk(value, format!("{path}/{key}"), found);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for (at, item) in items.iter().enumerate() {
                    walk(item, format!("{path}/{at}"), found);
                }
            }
            _ => {
                found.insert(path, value.clone());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(value, String::new(), &mut found);
    found
}

/// One claim, and what is in its namespace.
#[derive(Clone)]
pub struct World {
    pub cloud: &'static str,
    pub claim: Value,
    /// The composed resources as they stand in the cluster, by their names in the composition.
    pub resources: BTreeMap<String, Value>,
    /// What the provider says of the connection to the database.
    pub details: Vec<(&'static str, &'static str)>,
    /// What is there besides.
    pub others: Vec<Value>,
    /// Crossplane has lost what it knew of the composed resources.
    pub refs_lost: bool,
}

impl World {
    /// A new claim.
    pub fn new(cloud: &'static str) -> Self {
        Self::with(cloud, claim(cloud, "C1", "small", false, "prod"))
    }

    /// The same, of a claim of the case's own.
    pub fn with(cloud: &'static str, claim: Value) -> Self {
        Self {
            cloud,
            claim,
            resources: BTreeMap::new(),
            details: Vec::new(),
            others: Vec::new(),
            refs_lost: false,
        }
    }

    /// A claim whose database can be used, and whose connection Secret is written.
    pub fn available(pipeline: &Pipeline, cloud: &'static str) -> Self {
        let mut world = Self::new(cloud);
        world.reconcile(pipeline);
        world.comes_up(HOST);
        world.reconcile(pipeline);
        world
    }

    /// What the composition makes of it, with nothing changed.
    pub fn look(&self, pipeline: &Pipeline) -> Outcome {
        let seen = self.resources.iter().filter(|_| !self.refs_lost);
        let seen: Vec<_> = seen
            .map(|(name, object)| {
                let details: &[_] = if name == "instance" { &self.details } else { &[] };
                (name.as_str(), object.clone(), details)
            })
            .collect();
        let cluster: Vec<_> = self.resources.values().chain(&self.others).cloned().collect();
        pipeline.run(composition(self.cloud), &observed(&self.claim, &seen), &cluster)
    }

    /// What the composition makes of it is applied.
    pub fn reconcile(&mut self, pipeline: &Pipeline) -> Outcome {
        let outcome = self.look(pipeline).composed();
        let mut before = std::mem::take(&mut self.resources);
        for (name, rendered) in &outcome.resources {
            let mut object = rendered.clone();
            object["metadata"]["namespace"] = self.claim["metadata"]["namespace"].clone();
            object["metadata"]["ownerReferences"] = json!([self.owner()]);
            if let Some(status) = before.get_mut(name).and_then(|object| object.get_mut("status")) {
                object["status"] = status.take();
            }
            self.resources.insert(name.clone(), object);
        }
        self.refs_lost = false;
        outcome
    }

    /// The claim as the owner of what is composed of it.
    pub fn owner(&self) -> Value {
        json!({
            "apiVersion": self.claim["apiVersion"], "kind": self.claim["kind"],
            "name": self.claim["metadata"]["name"], "uid": self.claim["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        })
    }

    /// A composed resource that is there.
    pub fn resource(&mut self, name: &str) -> &mut Value {
        let found = self.resources.get_mut(name);
        found.unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The database and what belongs to it: what a provider has to do with.
    pub fn managed(&mut self) -> impl Iterator<Item = &mut Value> {
        self.resources.values_mut().filter(|object| object["kind"] != "Secret")
    }

    /// The provider reports what it has seen of every managed resource.
    pub fn reports(&mut self, ready: &str, synced: &str) {
        for object in self.managed() {
            object["status"]["conditions"] = json!([
                {"type": "Ready", "status": ready, "reason": "Reported"},
                {"type": "Synced", "status": synced, "reason": "Reported"},
            ]);
        }
    }

    /// The cloud's database answers at a host, and the provider says so in every way it has.
    pub fn comes_up(&mut self, host: &'static str) {
        self.reports("True", "True");
        let (at, details): (Value, Vec<_>) = match self.cloud {
            "aws" => (
                json!({"address": host, "engineVersionActual": "8.4.5"}),
                vec![("host", host), ("port", "3306"), ("username", "admin")],
            ),
            "gcp" => (
                json!({"privateIpAddress": host, "databaseVersion": "MYSQL_8_4"}),
                vec![("privateIP", host), ("serverCACertificateCert", CA)],
            ),
            _ => (
                json!({"endpoints": [{"hostname": host, "ipAddress": "10.0.0.9"}], "mysqlVersion": "8.4.5"}),
                vec![],
            ),
        };
        self.resource("instance")["status"]["atProvider"] = at;
        self.details = details;
    }

    /// The provider says nothing more of where the database is.
    pub fn falls_silent(&mut self) {
        self.details.clear();
        for object in self.managed() {
            object.as_object_mut().unwrap().remove("status");
        }
    }

    /// A Secret in the claim's namespace.
    pub fn secret(&self, suffix: &str, owners: &[Value], data: &[(&str, &str)]) -> Value {
        let name = self.claim["metadata"]["name"].as_str().unwrap();
        let data: Map<_, _> = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(encoded(value))))
            .collect();
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
            "metadata": {
                "name": format!("{name}-{suffix}"), "namespace": self.claim["metadata"]["namespace"],
                "ownerReferences": owners,
            },
        })
    }
}

/// That a claim is refused with a reason and these words, and that nothing is touched.
pub fn assert_refused(outcome: &Outcome, reason: &str, message: &str, about: &str) {
    assert!(
        outcome.resources.is_empty(),
        "{about}: rendered {:#?}",
        outcome.resources
    );
    assert_eq!(outcome.status, Value::Null, "{about}: no status was wanted");
    let wanted = json!({
        "type": "DatabaseReady", "status": "False", "reason": reason, "message": message,
        "target": "Composite",
    });
    let held: Vec<_> = outcome.conditions.iter().collect();
    assert_eq!(
        held,
        [&wanted],
        "{about}: one condition was wanted; fatal: {:?}",
        outcome.fatal
    );
    let Some((step, words)) = &outcome.fatal else {
        panic!("{about}: a fatal result was wanted");
    };
    assert_eq!(step, "database", "{about}: {words}");
    assert!(words.ends_with(message), "{about}: {words} was to end with {message}");
}
