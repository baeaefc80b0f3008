//! Builders for claims, reviews and catalogs, and the way through the admission room: bytes in, bytes out. Every answer
//! that passes here is held to what is true of all answers. No expectations of a single case.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on is to say so and end"
)]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use idp_multicloud::admission::{self, Outcome, Settings, Webhook, envelope};
use idp_multicloud::catalog::live::Held;
use idp_multicloud::catalog::{Object, Snapshot, builtin, check, isolate};
use idp_multicloud::yaml;
use serde_json::{Value, json};

/// The uid of every review made here.
pub const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";
/// Crossplane's own account, as the default settings have it.
pub const CROSSPLANE: &str = "system:serviceaccount:crossplane-system:crossplane";
/// The operators' group of [`settings`].
pub const OPERATORS: &str = "database-operators";
/// The reason annotation, as a JSON pointer.
pub const REASON: &str = "/metadata/annotations/platform.example.org~1placement-reason";
/// The reason annotation, as a problem names it.
pub const REASON_FIELD: &str = "metadata.annotations[platform.example.org/placement-reason]";
/// The four placement fields.
pub const FOUR: [&str; 4] = ["provider", "region", "runtimeCluster", "network"];

/// Settings with an operators' group.
pub fn settings() -> Settings {
    Settings {
        operator_group: Some(OPERATORS.to_owned()),
        ..Settings::default()
    }
}

// ---- catalogs

/// The objects of the built-in catalog, to be edited.
pub struct Catalog(Vec<Value>);

/// The built-in catalog, as it is until edited.
pub fn catalog() -> Catalog {
    static OBJECTS: LazyLock<Vec<Value>> =
        LazyLock::new(|| yaml::documents(include_str!("../../src/catalog/builtin.yaml")).unwrap());
    Catalog(OBJECTS.clone())
}

impl Catalog {
    fn object(&mut self, kind: &str, name: &str) -> &mut Value {
        let found = self
            .0
            .iter_mut()
            .find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    fn candidates(&mut self, cell: &str) -> &mut Vec<Value> {
        self.object("Cell", cell)["spec"]["candidates"].as_array_mut().unwrap()
    }

    fn candidate(&mut self, name: &str) -> &mut Value {
        let found = self.candidates("payments").iter_mut().find(|c| c["name"] == name);
        found.unwrap_or_else(|| panic!("there is no candidate {name}"))
    }

    /// Sets a field of a candidate of cell `payments`.
    pub fn candidate_with(mut self, name: &str, field: &str, value: Value) -> Self {
        self.candidate(name)[field] = value;
        self
    }

    /// Closes a candidate.
    pub fn cordoned(self, name: &str) -> Self {
        self.candidate_with(name, "cordoned", json!({"reason": "region evacuation"}))
    }

    /// Removes a candidate.
    pub fn without_candidate(mut self, name: &str) -> Self {
        self.candidate(name);
        self.candidates("payments").retain(|c| c["name"] != name);
        self
    }

    /// Removes an object.
    pub fn without(mut self, kind: &str, name: &str) -> Self {
        self.object(kind, name);
        self.0.retain(|o| o["kind"] != kind || o["metadata"]["name"] != name);
        self
    }

    /// Adds an object like one that is there, under another name.
    pub fn copied(mut self, kind: &str, name: &str, copy: &str) -> Self {
        let mut object = self.object(kind, name).clone();
        object["metadata"]["name"] = json!(copy);
        self.0.push(object);
        self
    }

    /// Sets a field of the spec of an object.
    pub fn with(mut self, kind: &str, name: &str, field: &str, value: Value) -> Self {
        self.object(kind, name)["spec"][field] = value;
        self
    }

    /// Adds an object.
    pub fn and(mut self, kind: &str, name: &str, spec: Value) -> Self {
        let mut object =
            json!({"apiVersion": "platform.example.org/v1alpha1", "kind": kind, "metadata": {"name": name}});
        object["spec"] = spec;
        self.0.push(object);
        self
    }

    fn objects(self) -> Vec<Object> {
        let objects = self.0.into_iter().map(|value| Object {
            file: "test.yaml".to_owned(),
            value,
        });
        objects.collect()
    }

    /// Checked, as the server would hold it.
    pub fn snapshot(self) -> Snapshot {
        check(&self.objects()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What is good of it, as a server that follows a cluster would hold it.
    pub fn good_part(self) -> Held {
        Held::new(isolate(&self.objects()).snapshot)
    }

    /// Held by a server that has just started.
    pub fn held(self) -> Held {
        Held::new(self.snapshot())
    }
}

static BUILTIN: LazyLock<Held> = LazyLock::new(|| Held::new(builtin::load().unwrap()));

/// A server with the built-in catalog.
pub fn builtin() -> Held {
    BUILTIN.clone()
}

/// The revision of the built-in catalog.
pub fn revision() -> String {
    BUILTIN.snapshot().revision().as_str().to_owned()
}

// ---- claims

/// A claim as a JSON object, with builder methods.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim(pub Value);

/// A bare claim: tier C1, prod, medium, 50 GiB, without `ha`. It goes to AWS.
pub fn bare() -> Claim {
    Claim(json!({
        "apiVersion": "db.platform.example.org/v1alpha1",
        "kind": "MySQLInstanceClaim",
        "metadata": {"name": "payments-db", "namespace": "payments"},
        "spec": {"parameters": {
            "cell": "payments", "tier": "C1", "environment": "prod", "size": "medium", "storageGB": 50,
        }},
    }))
}

/// [`bare`], placed by `/mutate` on the built-in catalog.
pub fn placed() -> Claim {
    static PLACED: LazyLock<Claim> = LazyLock::new(|| bare().placed());
    PLACED.clone()
}

/// [`placed`], as Crossplane leaves it once the database is there.
pub fn running() -> Claim {
    placed().taken_up()
}

impl Claim {
    /// Sets what a JSON pointer names; mappings on the way are made.
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let mut at = &mut self.0;
        for key in keys(pointer) {
            if !at.is_object() {
                *at = json!({});
            }
            at = at.as_object_mut().unwrap().entry(key).or_insert(Value::Null);
        }
        *at = value.into();
        self
    }

    /// Removes what a JSON pointer names, which must be there.
    pub fn unset(mut self, pointer: &str) -> Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let key = keys(&format!("/{key}")).pop().unwrap();
        let parent = self.0.pointer_mut(parent).and_then(Value::as_object_mut);
        assert!(
            parent.is_some_and(|parent| parent.remove(&key).is_some()),
            "{pointer} is not there"
        );
        self
    }

    /// Sets a field of `spec.parameters`.
    pub fn with(self, field: &str, value: impl Into<Value>) -> Self {
        self.set(&format!("/spec/parameters/{field}"), value)
    }

    /// Removes a field of `spec.parameters`.
    pub fn without(self, field: &str) -> Self {
        self.unset(&format!("/spec/parameters/{field}"))
    }

    /// What a JSON pointer names.
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The reason annotation as JSON.
    pub fn reason(&self) -> Value {
        serde_json::from_str(self.at(REASON).as_str().unwrap()).unwrap()
    }

    /// With the reason annotation edited.
    pub fn with_reason(self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut reason = self.reason();
        edit(&mut reason);
        self.set(REASON, reason.to_string())
    }

    /// Placed by `/mutate` on the built-in catalog.
    pub fn placed(&self) -> Self {
        create(self).answer().patched()
    }

    /// With everything that Crossplane writes into `spec.crossplane`.
    pub fn taken_up(self) -> Self {
        self.set("/spec/crossplane/compositionRef", json!({"name": "mysql-aws"}))
            .set(
                "/spec/crossplane/compositionRevisionRef",
                json!({"name": "mysql-aws-1a2b3c4"}),
            )
            .set("/spec/crossplane/compositionUpdatePolicy", "Automatic")
            .set(
                "/spec/crossplane/resourceRefs",
                json!([{"apiVersion": "rds.aws.m.upbound.io/v1beta1", "kind": "Instance", "name": "payments-db-7d"}]),
            )
    }

    /// As a backup holds it: placement and reason, without what Crossplane wrote.
    pub fn backed_up(mut self) -> Self {
        let selector = self.at("/spec/crossplane/compositionSelector").clone();
        self.0["spec"]["crossplane"] = json!({"compositionSelector": selector});
        self
    }

    /// Being deleted.
    pub fn terminating(self) -> Self {
        self.set("/metadata/deletionTimestamp", "2026-03-02T09:14:07Z")
    }
}

fn keys(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|key| key.replace("~1", "/").replace("~0", "~"))
        .collect()
}

// ---- reviews

/// A review to be, and who answers it.
#[derive(Clone, Debug)]
pub struct Review {
    /// Which webhook is called.
    pub webhook: Webhook,
    /// The whole review.
    pub body: Value,
    /// What the server holds.
    pub held: Held,
    /// Who has which privilege.
    pub settings: Settings,
}

/// `/mutate` on CREATE, by a plain user, on the built-in catalog.
pub fn create(object: &Claim) -> Review {
    review(Webhook::Mutate, "CREATE", &object.0, &Value::Null)
}

/// `/mutate` on UPDATE, by a plain user, on the built-in catalog.
pub fn update(old: &Claim, new: &Claim) -> Review {
    review(Webhook::Mutate, "UPDATE", &new.0, &old.0)
}

/// `/validate` on CREATE, by a plain user, on the built-in catalog.
pub fn validate(object: &Claim) -> Review {
    review(Webhook::Validate, "CREATE", &object.0, &Value::Null)
}

/// Any review of a claim, shaped as the API server shapes it.
pub fn review(webhook: Webhook, operation: &str, object: &Value, old: &Value) -> Review {
    let kind = json!({"group": "db.platform.example.org", "version": "v1alpha1", "kind": "MySQLInstanceClaim"});
    let resource =
        json!({"group": "db.platform.example.org", "version": "v1alpha1", "resource": "mysqlinstanceclaims"});
    let body = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": "payments-db", "namespace": "payments", "operation": operation,
            "userInfo": {"username": "dev@example.org", "uid": "3f0f7c2e", "groups": ["developers", "system:authenticated"]},
            "object": object, "oldObject": old,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "kubectl-create"},
        },
    });
    Review {
        webhook,
        body,
        held: builtin(),
        settings: settings(),
    }
}

impl Review {
    /// With a field of the request set.
    pub fn asking(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.body["request"][field] = value.into();
        self
    }

    /// By this user.
    pub fn by(mut self, user: &str) -> Self {
        self.body["request"]["userInfo"]["username"] = json!(user);
        self
    }

    /// By Crossplane's account.
    pub fn by_crossplane(self) -> Self {
        self.by(CROSSPLANE)
    }

    /// By a member of the operators' group.
    pub fn by_operator(mut self) -> Self {
        self.body["request"]["userInfo"]["groups"] = json!(["system:authenticated", OPERATORS]);
        self
    }

    /// With this field manager.
    pub fn managed_by(mut self, manager: &str) -> Self {
        self.body["request"]["options"]["fieldManager"] = json!(manager);
        self
    }

    /// On this catalog.
    pub fn on(mut self, catalog: Catalog) -> Self {
        self.held = catalog.held();
        self
    }

    /// On what this server holds.
    pub fn held_by(mut self, held: &Held) -> Self {
        self.held = held.clone();
        self
    }

    /// The bytes that the API server would send.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body).unwrap()
    }

    /// Through the admission room, as bytes.
    pub fn answer(&self) -> Answered {
        let answered = answer(self.webhook, &self.bytes(), &self.held, &self.settings).unwrap();
        Answered {
            object: self.body["request"]["object"].clone(),
            ..answered
        }
    }
}

// ---- answers

/// A response, read back from its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The whole response review.
    pub whole: Value,
    /// What the log and the metrics would say.
    pub outcome: Outcome,
    /// The object the answer is about.
    pub object: Value,
}

/// Bytes in, bytes out; `None` where the server answers HTTP 400.
pub fn answer(webhook: Webhook, body: &[u8], held: &Held, settings: &Settings) -> Option<Answered> {
    let review = envelope::read(body).ok()?;
    let answer = admission::answer(webhook, &review, held, settings);
    let bytes = envelope::write(&review.uid, &answer);
    let answered = Answered {
        whole: serde_json::from_slice(&bytes).unwrap(),
        outcome: answer.outcome,
        object: Value::Null,
    };
    answered.hold_to_what_is_true_of_all(&review.uid);
    Some(answered)
}

impl Answered {
    /// The response itself.
    pub fn response(&self) -> &Value {
        &self.whole["response"]
    }

    /// Whether the write goes on.
    pub fn allowed(&self) -> bool {
        self.response()["allowed"] == true
    }

    fn hold_to_what_is_true_of_all(&self, uid: &str) {
        let Value::Object(whole) = &self.whole else {
            panic!("{}", self.whole)
        };
        assert_eq!(whole.keys().collect::<Vec<_>>(), ["apiVersion", "kind", "response"]);
        assert_eq!(whole["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(whole["kind"], "AdmissionReview");
        let response = self.response();
        assert_eq!(response["uid"], uid);
        assert!(response["allowed"].is_boolean());
        assert_eq!(self.allowed(), self.outcome != Outcome::Refused);
        assert_eq!(response["patch"].is_string(), response["patchType"] == "JSONPatch");
        assert_eq!(response["patch"].is_null(), response["patchType"].is_null());
        for warning in response["warnings"].as_array().into_iter().flatten() {
            assert!(warning.as_str().unwrap().chars().count() <= 120, "{warning}");
        }
        if self.allowed() {
            assert_eq!(response["status"], Value::Null);
        } else {
            assert_eq!(response["patch"], Value::Null);
            let status = &response["status"];
            assert_eq!(
                (&status["code"], &status["reason"], &status["status"]),
                (&json!(403), &json!("Forbidden"), &json!("Failure"))
            );
            assert_eq!(status["details"]["group"], "db.platform.example.org");
            assert_eq!(status["details"]["kind"], "MySQLInstanceClaim");
            assert!(!status["message"].as_str().unwrap().is_empty());
            assert!(!self.causes().is_empty());
        }
        let mut said = response.clone();
        said["patch"] = Value::Null;
        said["uid"] = Value::Null;
        let said = said.to_string();
        assert!(!said.to_ascii_lowercase().contains("immutable"), "{said}");
        for c in self.texts().chars() {
            let obeyed = matches!(c, '\u{0}'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
            assert!(!obeyed, "a terminal obeys {c:?}");
        }
    }

    /// Everything that a person reads.
    fn texts(&self) -> String {
        let mut texts = self.response()["status"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        for (_, field, message) in self.causes() {
            texts.push_str(&field);
            texts.push_str(&message);
        }
        for warning in self.warnings() {
            texts.push_str(&warning);
        }
        texts
    }

    /// Cause, field and message of each problem.
    pub fn causes(&self) -> Vec<(String, String, String)> {
        let causes = self.response()["status"]["details"]["causes"].as_array();
        let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
        causes
            .into_iter()
            .flatten()
            .map(|cause| (text(cause, "reason"), text(cause, "field"), text(cause, "message")))
            .collect()
    }

    /// "Cause field" of each problem of a refusal.
    #[track_caller]
    pub fn refused(&self) -> Vec<String> {
        assert!(!self.allowed(), "was allowed: {}", self.whole);
        self.causes()
            .into_iter()
            .map(|(cause, field, _)| format!("{cause} {field}").trim_end().to_owned())
            .collect()
    }

    /// The one problem of a refusal: cause, field, message.
    #[track_caller]
    pub fn one_problem(&self) -> (String, String, String) {
        let causes = self.causes();
        assert_eq!(causes.len(), 1, "{}", self.whole);
        causes.into_iter().next().unwrap()
    }

    /// The refusal as a person reads it.
    #[track_caller]
    pub fn message(&self) -> &str {
        assert!(!self.allowed(), "was allowed: {}", self.whole);
        self.response()["status"]["message"].as_str().unwrap()
    }

    /// The warnings.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.response()["warnings"].as_array().into_iter().flatten();
        warnings.map(|warning| warning.as_str().unwrap().to_owned()).collect()
    }

    /// The patch, decoded; `None` where there is none.
    pub fn patch(&self) -> Option<Value> {
        let patch = self.response()["patch"].as_str()?;
        Some(serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap())
    }

    /// The object as the API server would store it, the patch applied.
    #[track_caller]
    pub fn patched(&self) -> Claim {
        assert!(self.allowed(), "was refused: {}", self.whole);
        let mut object = self.object.clone();
        if let Some(patch) = self.patch() {
            let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
            json_patch::patch(&mut object, &patch).unwrap();
        }
        Claim(object)
    }

    /// Allowed, and nothing is changed.
    #[track_caller]
    pub fn untouched(&self) {
        assert!(self.allowed(), "was refused: {}", self.whole);
        assert_eq!(self.response()["patch"], Value::Null);
    }
}
