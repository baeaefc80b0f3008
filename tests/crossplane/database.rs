//! A claim in one of the clouds, and what Crossplane has made for it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cloud::{Cloud, condition};
use crate::support::cluster::apiserver::User;
use crate::support::cluster::platform as claims;
use crate::support::cluster::provider::{Provider, path};
use crate::support::cluster::team::{Team, claim, placement};

/// What the connection Secret always holds.
pub const DETAILS: [&str; 5] = ["host", "port", "username", "password", "database"];

/// The clouds, and what a claim asks for to be placed there.
pub fn clouds() -> [(&'static str, Value); 3] {
    [
        ("aws", json!({})),
        ("gcp", json!({"tier": "C2"})),
        ("oci", json!({"tier": "C2", "ha": false})),
    ]
}

/// A claim and its objects.
pub struct Database<'a> {
    pub cloud: &'a Cloud,
    pub team: Team<'a>,
    pub name: String,
    /// What was sent.
    pub bare: Value,
}

/// What must stay while a claim is used: by name, what it is.
pub type Lasting = BTreeMap<String, Value>;

impl<'a> Database<'a> {
    /// Applies a bare claim.
    pub fn ask(cloud: &'a Cloud, team: &Team<'a>, name: &str, changes: Value) -> Self {
        let bare = claim(name, changes);
        team.apply(&bare).ok();
        Self::of(cloud, team, bare)
    }

    /// One that was asked for.
    pub fn of(cloud: &'a Cloud, team: &Team<'a>, bare: Value) -> Self {
        Self {
            cloud,
            team: team.clone(),
            name: bare["metadata"]["name"].as_str().unwrap().to_owned(),
            bare,
        }
    }

    /// Asks for one and plays the provider until it can be used.
    pub fn used(cloud: &'a Cloud, team: &Team<'a>, name: &str, changes: Value) -> Self {
        let database = Self::ask(cloud, team, name, changes);
        database.provide();
        database
    }

    /// The claim as it is stored.
    pub fn claim(&self) -> Value {
        self.team.claim(&self.name)
    }

    /// The composed resources that are there, by kind and name.
    pub fn composed(&self) -> Vec<Value> {
        let claim = self.claim();
        let refs = claim["spec"]["crossplane"]["resourceRefs"].as_array();
        let refs = refs.into_iter().flatten().map(|reference| {
            let mut object = reference.clone();
            object["metadata"] = json!({"namespace": self.team.namespace, "name": reference["name"]});
            path(&object)
        });
        refs.filter_map(|path| self.cloud.get(&path)).collect()
    }

    /// The composed resources of providers.
    pub fn managed(&self) -> Vec<Value> {
        let is_managed = |object: &Value| object["apiVersion"].as_str().unwrap().contains(".m.upbound.io/");
        self.composed().into_iter().filter(is_managed).collect()
    }

    /// The database itself, if it is there.
    pub fn instance(&self) -> Option<Value> {
        let name = "crossplane.io/composition-resource-name";
        let mut managed = self.managed().into_iter();
        managed.find(|object| object["metadata"]["annotations"][name] == "instance")
    }

    /// A Secret of the claim, `admin` or `conn`.
    pub fn secret(&self, suffix: &str) -> Option<Value> {
        self.cloud.get(&self.secret_path(suffix))
    }

    /// Where it is.
    pub fn secret_path(&self, suffix: &str) -> String {
        format!(
            "/api/v1/namespaces/{}/secrets/{}-{suffix}",
            self.team.namespace, self.name
        )
    }

    /// The details that an application connects with, as far as they are there.
    pub fn details(&self) -> BTreeMap<String, String> {
        self.secret("conn").map(|secret| data(&secret)).unwrap_or_default()
    }

    /// Plays the provider until the claim can be used.
    pub fn provide(&self) {
        self.await_instance();
        self.cloud.crossplane.until("a database that can be used", || {
            // More resources may come once the first ones are ready.
            for resource in self.managed() {
                if condition(&resource, "Ready").is_none_or(|ready| ready["status"] != "True") {
                    let (at_provider, details) = provided(&resource);
                    Provider(&self.cloud.platform.api).ready(&resource, &at_provider, &details);
                }
            }
            let claim = self.claim();
            match condition(&claim, "Ready") {
                Some(ready) if ready["status"] == "True" => Ok(()),
                _ => Err(format!("{:#}", claim["status"])),
            }
        });
    }

    /// Waits until the database is asked for at the provider.
    pub fn await_instance(&self) -> Value {
        self.cloud.crossplane.until("a managed resource for the database", || {
            self.instance().ok_or_else(|| format!("{:#}", self.claim()))
        })
    }

    /// Waits for a condition of the claim.
    pub fn await_condition(&self, kind: &str, status: &str) -> Value {
        self.cloud
            .crossplane
            .until(&format!("the condition {kind} {status}"), || {
                let claim = self.claim();
                match condition(&claim, kind) {
                    Some(condition) if condition["status"] == status => Ok(condition.clone()),
                    _ => Err(format!("{:#}", claim["status"])),
                }
            })
    }

    /// Has Crossplane look at the claim now, whatever it waits for.
    pub fn touch(&self, word: &str) {
        let change = json!({"metadata": {"labels": {"touched": word}}});
        self.team.by(User::Admin).call("PATCH", &self.name, Some(&change)).ok();
    }

    /// Waits until Crossplane has composed all that is there now. The claim's status may follow a moment later.
    pub fn settle(&self) {
        let crossplane = &self.cloud.crossplane;
        let composed = || crossplane.composed(&self.team.namespace, &self.name);
        let before = composed();
        // One may have begun before; the one after it has seen everything.
        for times in 1..=2 {
            self.touch(&format!("{before}-{times}"));
            crossplane.until("the claim is composed once more", || {
                let now = composed();
                let told = || format!("{now} times, not {}; {:#}", before + times, self.claim()["status"]);
                (now >= before + times).then_some(()).ok_or_else(told)
            });
        }
    }

    /// Everything that must stay: the placement, the managed resources, the Secrets' content.
    pub fn lasting(&self) -> Lasting {
        let mut lasting = Lasting::new();
        lasting.insert("placement".to_owned(), placement(&self.claim()));
        for resource in self.everything_managed() {
            let name = format!("{}/{}", resource["kind"], resource["metadata"]["name"]);
            lasting.insert(name, resource["metadata"]["uid"].clone());
        }
        for suffix in ["admin", "conn"] {
            let secret = self
                .secret(suffix)
                .unwrap_or_else(|| panic!("wanted: {}-{suffix}; saw: none", self.name));
            lasting.insert(format!("Secret {suffix}"), json!(data(&secret)));
        }
        lasting
    }

    /// Fails unless all of that is as it was.
    #[track_caller]
    pub fn assert_lasting(&self, before: &Lasting) {
        assert_eq!(
            &self.lasting(),
            before,
            "wanted: what is on the right; saw: what is on the left"
        );
    }

    /// Takes the references to what was made off the claim. It must not be composed meanwhile.
    pub fn lose_references(&self) {
        self.team.crossplane_writes(&self.name, json!({"resourceRefs": null}));
        let claim = self.claim();
        assert_eq!(
            claim["spec"]["crossplane"].get("resourceRefs"),
            None,
            "wanted: no references; saw: {claim:#}"
        );
    }

    /// Waits until the claim has references.
    pub fn await_references(&self) {
        self.cloud.crossplane.until("references to what was made", || {
            let claim = self.claim();
            let is_there = claim["spec"]["crossplane"]["resourceRefs"].is_array();
            is_there.then_some(()).ok_or_else(|| format!("{claim:#}"))
        });
    }

    /// Lets the provider say again what it said first.
    pub fn remember(&self) {
        for resource in self.managed() {
            let (at_provider, details) = provided(&resource);
            Provider(&self.cloud.platform.api).ready(&resource, &at_provider, &details);
        }
    }

    /// Every managed resource that has the claim for an owner, whether it refers to it or not.
    pub fn everything_managed(&self) -> Vec<Value> {
        let uid = self.claim()["metadata"]["uid"].clone();
        let kinds = [
            ("rds.aws.m.upbound.io/v1beta1", "instances"),
            ("sql.gcp.m.upbound.io/v1beta1", "databaseinstances"),
            ("sql.gcp.m.upbound.io/v1beta1", "databases"),
            ("sql.gcp.m.upbound.io/v1beta1", "users"),
            ("mysql.oci.m.upbound.io/v1alpha1", "mysqldbsystems"),
        ];
        let list = |(version, plural): (&str, &str)| {
            let path = format!("/apis/{version}/namespaces/{}/{plural}", self.team.namespace);
            let mut list = self.cloud.get(&path).unwrap();
            // A list's items don't say what they are.
            let kind = list["kind"].as_str().unwrap().trim_end_matches("List").to_owned();
            let items = list["items"].as_array_mut().unwrap();
            for item in items.iter_mut() {
                item["kind"] = kind.clone().into();
                item["apiVersion"] = version.into();
            }
            std::mem::take(items)
        };
        let is_ours = |object: &Value| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
        };
        kinds.into_iter().flat_map(list).filter(is_ours).collect()
    }

    /// What a Secret of the claim has held, one after the other, since a resource version.
    pub fn history(&self, suffix: &str, since: &str) -> Vec<BTreeMap<String, String>> {
        let secrets = format!("/api/v1/namespaces/{}/secrets", self.team.namespace);
        let seen = self.seen(&secrets, &format!("{}-{suffix}", self.name), since);
        seen.iter().map(data).collect()
    }

    /// How the claim has looked, one after the other, since a resource version.
    pub fn history_of_claim(&self, since: &str) -> Vec<Value> {
        self.seen(&claims::path(&self.team.namespace, ""), &self.name, since)
    }

    fn seen(&self, collection: &str, name: &str, since: &str) -> Vec<Value> {
        let query = format!("watch=1&timeoutSeconds=1&resourceVersion={since}&fieldSelector=metadata.name={name}");
        let path = format!("{collection}?{query}");
        self.cloud.crossplane.until(&format!("what {name} has been"), || {
            let body = self.cloud.platform.api.call(User::Admin, "GET", &path, None).ok();
            // One event is an object, more are a text.
            let text = body.as_str().map_or_else(|| body.to_string(), ToOwned::to_owned);
            let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let seen: Vec<_> = events.map(|event| event["object"].clone()).collect();
            if seen.is_empty() {
                Err("nothing".to_owned())
            } else {
                Ok(seen)
            }
        })
    }
}

/// What a Secret holds.
pub fn data(secret: &Value) -> BTreeMap<String, String> {
    let data = secret["data"].as_object().into_iter().flatten();
    data.map(|(key, value)| {
        let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
        (key.clone(), String::from_utf8(bytes).unwrap())
    })
    .collect()
}

/// What a provider says about a resource once it is there, and what it puts into its connection Secret.
fn provided(resource: &Value) -> (Value, Vec<(&'static str, &'static str)>) {
    let (at_provider, details) = match resource["kind"].as_str().unwrap() {
        "Instance" => (
            json!({
                "address": "db.aws.example", "endpoint": "db.aws.example:3306", "port": 3306, "status": "available",
                "engineVersion": "8.4", "engineVersionActual": "8.4.7", "username": "admin",
            }),
            vec![
                ("address", "db.aws.example"),
                ("endpoint", "db.aws.example"),
                ("host", "db.aws.example"),
                ("port", "3306"),
                ("username", "admin"),
            ],
        ),
        "DatabaseInstance" => (
            json!({
                "privateIpAddress": "10.0.0.5", "firstIpAddress": "10.0.0.5", "connectionName": "p:r:db",
                "databaseVersion": "MYSQL_8_4", "ipAddress": [{"ipAddress": "10.0.0.5", "type": "PRIVATE"}],
            }),
            vec![
                ("privateIP", "10.0.0.5"),
                ("endpoint", "10.0.0.5"),
                ("connectionName", "p:r:db"),
                ("serverCACertificateCert", "-----BEGIN CERTIFICATE-----"),
            ],
        ),
        "MysqlDbSystem" => (
            json!({
                "ipAddress": "10.1.0.5", "port": 3306, "mysqlVersion": "8.4.7", "state": "ACTIVE",
                "endpoints": [{"hostname": "db.oci.example", "ipAddress": "10.1.0.5", "port": 3306, "status": "ACTIVE"}],
            }),
            vec![("endpoint", "db.oci.example")],
        ),
        _ => (json!({}), vec![]),
    };
    let asks = resource["spec"]["writeConnectionSecretToRef"].is_object();
    (at_provider, if asks { details } else { vec![] })
}
