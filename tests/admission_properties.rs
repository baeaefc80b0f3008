//! Laws of the admission room for every input: an answer or an HTTP error, never a panic, never a wrong allow. What may be
//! allowed is written down here once more, from the specification and not from the code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on is to say so and end"
)]

#[path = "support/admission.rs"]
mod support;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use idp_multicloud::admission::{Outcome, Webhook, envelope};
use idp_multicloud::catalog::{Candidate, Snapshot, Tier};
use idp_multicloud::placement::{Reason, Request, Size, decide, required};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use support::{
    Answered, CROSSPLANE, Claim, FOUR, OPERATORS, REASON, Review, UID, bare, builtin, catalog, create, placed, running,
    settings, update, validate,
};

// ---- what may be allowed, once more

/// `value` without its nulls, which count as absent.
fn normal(value: Option<&Value>) -> Value {
    match value {
        Some(Value::Object(fields)) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), normal(Some(value))))
            .collect::<Map<_, _>>()
            .into(),
        other => other.cloned().unwrap_or_default(),
    }
}

fn at(object: &Value, pointer: &str) -> Value {
    normal(object.pointer(pointer))
}

fn text(object: &Value, pointer: &str) -> Option<String> {
    object.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// The six fields, if every one of them is good.
fn request(object: &Value) -> Option<Request<'static>> {
    let field = |name: &str| object.pointer(&format!("/spec/parameters/{name}"));
    let name = |name: &str| Some(Cow::Owned(field(name)?.as_str()?.to_owned()));
    let size = field("size")?.as_str()?;
    let gb = field("storageGB")?;
    Some(Request {
        cell: name("cell")?,
        tier: Cow::Owned(field("tier")?.as_str()?.to_ascii_uppercase()),
        environment: name("environment")?,
        size: Size::ALL.into_iter().find(|known| known.as_str() == size)?,
        storage_gb: gb
            .as_u64()
            .and_then(|gb| u16::try_from(gb).ok())
            .filter(|gb| (50..=16_384).contains(gb))?,
        ha: match field("ha") {
            None | Some(Value::Null) => false,
            Some(other) => other.as_bool()?,
        },
    })
}

fn selector(provider: &str) -> Value {
    json!({"matchLabels": {
        "db.platform.example.org/provider": provider, "db.platform.example.org/class": "mysql",
    }})
}

/// The placement of `object`: the four fields, the selector and the reason.
fn placement(object: &Value) -> [Value; 6] {
    [
        "/spec/parameters/provider",
        "/spec/parameters/region",
        "/spec/parameters/runtimeCluster",
        "/spec/parameters/network",
        "/spec/crossplane/compositionSelector",
        REASON,
    ]
    .map(|pointer| object.pointer(pointer).cloned().unwrap_or_default())
}

fn placement_on(
    provider: &str,
    region: &str,
    cluster: &str,
    network: &BTreeMap<String, String>,
    reason: &str,
) -> [Value; 6] {
    [
        json!(provider),
        json!(region),
        json!(cluster),
        json!(network),
        selector(provider),
        json!(reason),
    ]
}

/// What the one decision function gives for the six fields of `object`.
fn decided(object: &Value, catalog: &Snapshot) -> [Value; 6] {
    let request = request(object).unwrap_or_else(|| panic!("allowed with bad fields: {object}"));
    let decision = decide(catalog, request).unwrap_or_else(|unknown| panic!("allowed, though unknown: {unknown:?}"));
    let Candidate {
        provider,
        region,
        runtime_cluster,
        network,
        ..
    } = decision.winner().unwrap().candidate;
    placement_on(provider, region, runtime_cluster, network, &decision.reason())
}

/// `object` without anything that belongs to the placement, and without mappings that this leaves empty.
fn rest(object: &Value) -> Value {
    let mut rest = object.clone();
    for parent in ["/spec/parameters", "/spec"] {
        if let Some(fields) = rest.pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.retain(|key, _| !FOUR.contains(&key.as_str()) && key != "crossplane");
        }
    }
    if let Some(metadata) = rest.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("platform.example.org/placement-reason");
        }
        metadata.retain(|key, value| key != "annotations" || (!value.is_null() && *value != json!({})));
    }
    rest
}

/// A new claim as its author may write it: nothing in it that the platform writes.
fn is_bare(object: &Value) -> bool {
    let has = |pointer: &str| object.pointer(pointer).is_some();
    let crossplane = at(object, "/spec/crossplane");
    FOUR.iter()
        .all(|field| !has(&format!("/spec/parameters/{field}")) && !has(&format!("/spec/{field}")))
        && at(object, REASON).is_null()
        && [json!(null), json!({}), json!({"compositionUpdatePolicy": "Manual"})].contains(&crossplane)
}

/// Whether the placement of `object` agrees with its own reason.
fn agrees(object: &Value) -> bool {
    let Some(text) = text(object, REASON) else { return false };
    let Ok(reason) = serde_json::from_str::<Reason<'_>>(&text) else {
        return false;
    };
    let Some(winner) = &reason.winner else { return false };
    let said = placement_on(
        &winner.provider,
        &winner.region,
        &winner.runtime_cluster,
        &winner.network,
        &text,
    );
    placement(object) == said && at(object, "/spec/parameters/cell") == json!(reason.request.cell)
}

/// `spec.crossplane` holds nothing that Crossplane writes.
fn not_taken_up(object: &Value) -> bool {
    let crossplane = at(object, "/spec/crossplane");
    crossplane.as_object().is_some_and(|fields| {
        fields.iter().all(|(key, value)| match key.as_str() {
            "compositionSelector" => true,
            "compositionUpdatePolicy" => value == "Manual" || value == "Automatic",
            _ => false,
        })
    })
}

fn tier<'s>(object: &Value, catalog: &'s Snapshot) -> Option<&'s Tier> {
    catalog
        .tiers()
        .find(|tier| Some(&tier.name) == text(object, "/spec/parameters/tier").map(|t| t.to_lowercase()).as_ref())
}

/// The law of updates. `patched` is the new object as it will be stored.
fn hold_update(stored: &Value, new: &Value, patched: &Value, operator: bool, crossplane: bool, catalog: &Snapshot) {
    assert_eq!(rest(patched), rest(new), "only the placement is put back");
    for field in FOUR
        .iter()
        .flat_map(|field| [format!("/spec/parameters/{field}"), format!("/spec/{field}")])
    {
        assert_eq!(at(patched, &field), at(stored, &field), "{field}");
    }
    for pointer in [REASON, "/spec/parameters/cell", "/spec/parameters/environment"] {
        assert_eq!(at(patched, pointer), at(stored, pointer), "{pointer}");
    }
    let (mut was, mut is) = (at(stored, "/spec/crossplane"), at(patched, "/spec/crossplane"));
    if crossplane {
        assert!(is.is_object() || is == was, "{is}");
        if !was["compositionRef"].is_null() {
            assert_eq!(is["compositionRef"], was["compositionRef"]);
        }
    } else {
        for (field, is_good) in [
            (
                "compositionRevisionRef",
                is["compositionRevisionRef"]["name"]
                    .as_str()
                    .is_some_and(|name| !name.is_empty()),
            ),
            (
                "compositionUpdatePolicy",
                ["Manual", "Automatic"]
                    .map(Value::from)
                    .contains(&is["compositionUpdatePolicy"]),
            ),
        ] {
            if operator && was.is_object() && is.is_object() && is[field] != was[field] {
                assert!(is_good, "{is}");
                was.as_object_mut().unwrap().remove(field);
                is.as_object_mut().unwrap().remove(field);
            }
        }
        assert_eq!(is, was);
    }
    if at(stored, "/metadata/deletionTimestamp").is_null() {
        hold_fields(stored, patched, operator, catalog);
    }
}

/// The law of the other four fields, for a claim that is not being deleted.
fn hold_fields(stored: &Value, patched: &Value, operator: bool, catalog: &Snapshot) {
    let changed = |field: &str| {
        let pointer = format!("/spec/parameters/{field}");
        at(stored, &pointer) != at(patched, &pointer)
    };
    let gb = |object: &Value| object.pointer("/spec/parameters/storageGB").and_then(Value::as_u64);
    if changed("storageGB") {
        assert!(gb(patched).is_some_and(|gb| (50..=16_384).contains(&gb)));
        assert!(gb(patched) >= gb(stored));
    }
    if changed("size") {
        assert!(
            Size::ALL
                .iter()
                .any(|size| at(patched, "/spec/parameters/size") == size.as_str())
        );
    }
    if changed("ha") {
        assert!(matches!(
            at(patched, "/spec/parameters/ha"),
            Value::Bool(_) | Value::Null
        ));
    }
    let (old_tier, new_tier) = (tier(stored, catalog), tier(patched, catalog));
    let retiered = text(stored, "/spec/parameters/tier").map(|tier| tier.to_ascii_lowercase())
        != text(patched, "/spec/parameters/tier").map(|tier| tier.to_ascii_lowercase());
    if changed("tier") && (retiered || new_tier.is_none()) {
        let new = new_tier.unwrap();
        if !operator {
            let old = old_tier.unwrap();
            assert!(new.requires.is_superset(&old.requires));
            assert!(new.rto_minutes <= old.rto_minutes && new.rpo_minutes <= old.rpo_minutes);
        }
    }
    let asked = |object: &Value, tier: Option<&Tier>| -> BTreeSet<String> {
        let ha = at(object, "/spec/parameters/ha") == true;
        let asked = tier.map(|tier| required(tier, ha)).unwrap_or_default();
        asked
            .into_iter()
            .chain(ha.then_some("MultiAZ"))
            .map(str::to_owned)
            .collect()
    };
    let more: Vec<String> = asked(patched, new_tier)
        .difference(&asked(stored, old_tier))
        .cloned()
        .collect();
    let field = |name: &str| text(stored, &format!("/spec/parameters/{name}"));
    if let (Some(provider), Some(region), Some(cluster)) = (field("provider"), field("region"), field("runtimeCluster"))
    {
        let cell = field("cell").and_then(|cell| catalog.cell(&cell));
        let candidate = cell.into_iter().flat_map(|cell| &cell.candidates).find(|candidate| {
            (&candidate.provider, &candidate.region, &candidate.runtime_cluster) == (&provider, &region, &cluster)
        });
        match candidate {
            Some(candidate) => assert!(
                more.iter()
                    .all(|capability| candidate.capabilities.contains(capability))
            ),
            None => assert_eq!(more, Vec::<String>::new()),
        }
    }
}

/// Reads a body as loosely as can be; `None` where that is not enough.
fn loosely(body: &[u8]) -> Option<Value> {
    // A lone surrogate in a part that nobody looks at is nobody's trouble.
    let text = std::str::from_utf8(body).ok()?.replace("\\ud800", "?");
    serde_json::from_str(&text).ok()
}

/// Through the room, and held to the law.
fn judge(review: &Review, body: &[u8]) -> Option<Answered> {
    let mut answered = support::answer(review.webhook, body, &review.held, &review.settings)?;
    let Some(read) = loosely(body) else {
        assert!(!answered.allowed() || answered.outcome == Outcome::NotOurs);
        return Some(answered);
    };
    let request = &read["request"];
    assert_eq!(answered.response()["uid"], request["uid"]);
    if !answered.allowed() {
        return Some(answered);
    }
    let ours = request["kind"]["group"] == "db.platform.example.org"
        && request["kind"]["kind"] == "MySQLInstanceClaim"
        && [json!(null), json!("")].contains(&request["subResource"])
        && !["DELETE", "CONNECT"].map(Value::from).contains(&request["operation"]);
    assert_eq!(ours, answered.outcome != Outcome::NotOurs);
    if !ours {
        answered.untouched();
        return Some(answered);
    }
    assert_eq!(request["kind"]["version"], "v1alpha1");
    answered.object = request["object"].clone();
    let patched = answered.patched().0;
    let object = &answered.object;
    assert_eq!(object["apiVersion"], "db.platform.example.org/v1alpha1");
    assert_eq!(object["kind"], "MySQLInstanceClaim");
    let catalog = review.held.snapshot();
    let operator = request["userInfo"]["groups"]
        .as_array()
        .is_some_and(|groups| groups.contains(&json!(OPERATORS)));
    match (review.webhook, request["operation"].as_str()) {
        (Webhook::Mutate, Some("CREATE")) if operator && answered.outcome == Outcome::Restored => {
            assert_eq!(&patched, object);
            assert!(agrees(object) && not_taken_up(object), "{object}");
            assert!(self::request(object).is_some());
        }
        (Webhook::Mutate, Some("CREATE")) => {
            assert!(is_bare(object), "{object}");
            assert_eq!(placement(&patched), decided(object, catalog));
            assert_eq!(rest(&patched), rest(object));
            let mut crossplane = at(object, "/spec/crossplane");
            crossplane["compositionSelector"] = patched["spec"]["crossplane"]["compositionSelector"].clone();
            assert_eq!(at(&patched, "/spec/crossplane"), crossplane);
            assert!(text(object, "/metadata/name").is_none_or(|name| name.chars().count() <= 63));
        }
        (Webhook::Validate, Some("CREATE")) => {
            assert_eq!(&patched, object);
            assert!(not_taken_up(object), "{object}");
            match answered.outcome {
                Outcome::Restored => assert!(operator && agrees(object)),
                Outcome::Confirmed => assert_eq!(placement(object), decided(object, catalog)),
                Outcome::ConfirmedElsewhere => {
                    assert!(agrees(object));
                    let known = placement(object);
                    let decision = decide(catalog, self::request(object).unwrap()).unwrap();
                    assert!(decision.ranked.iter().any(|ranked| {
                        known[..3]
                            == [
                                &ranked.candidate.provider,
                                &ranked.candidate.region,
                                &ranked.candidate.runtime_cluster,
                            ]
                            .map(|text| json!(text))
                    }));
                }
                other => panic!("{other:?}"),
            }
            assert!(operator || at(object, "/spec/crossplane/compositionUpdatePolicy") != "Automatic");
        }
        (Webhook::Mutate, Some("UPDATE")) => {
            let stored = &request["oldObject"];
            let crossplane = request["userInfo"]["username"] == CROSSPLANE;
            hold_update(stored, object, &patched, operator, crossplane, catalog);
            let manager = request["options"]["fieldManager"].as_str().unwrap_or_default();
            let rest_api = manager == "idp-multicloud-api" || manager.starts_with("idp-multicloud-api.");
            assert!(!rest_api || object["spec"] == stored["spec"]);
        }
        other => panic!("allowed: {other:?}"),
    }
    Some(answered)
}

// ---- real reviews with something wrong in them

/// JSON that need not be good JSON: keys may come twice, and leaves are bytes.
#[derive(Clone, Debug)]
enum Node {
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    Raw(Vec<u8>),
}

impl Node {
    fn of(value: &Value) -> Self {
        match value {
            Value::Object(fields) => Self::Map(fields.iter().map(|(k, v)| (k.clone(), Self::of(v))).collect()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            leaf => Self::Raw(leaf.to_string().into_bytes()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => out.extend_from_slice(bytes),
            Self::Map(fields) => {
                out.push(b'{');
                for (i, (key, node)) in fields.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b"" } else { b"," });
                    out.extend_from_slice(json!(key).to_string().as_bytes());
                    out.push(b':');
                    node.write(out);
                }
                out.push(b'}');
            }
            Self::List(items) => {
                out.push(b'[');
                for (i, node) in items.iter().enumerate() {
                    out.extend_from_slice(if i == 0 { b"" } else { b"," });
                    node.write(out);
                }
                out.push(b']');
            }
        }
    }

    /// Every node but the root, as the way to it.
    fn ways(&self, way: &[usize], keys: &str, found: &mut Vec<(Vec<usize>, String)>) {
        let mut go = |i: usize, key: &str, node: &Self| {
            let way = [way, &[i]].concat();
            let keys = format!("{keys}/{key}");
            found.push((way.clone(), keys.clone()));
            node.ways(&way, &keys, found);
        };
        match self {
            Self::Raw(_) => {}
            Self::Map(fields) => fields.iter().enumerate().for_each(|(i, (key, node))| go(i, key, node)),
            Self::List(items) => items.iter().enumerate().for_each(|(i, node)| go(i, "-", node)),
        }
    }

    fn child(&mut self, i: usize) -> &mut Self {
        match self {
            Self::Map(fields) => &mut fields[i].1,
            Self::List(items) => &mut items[i],
            Self::Raw(_) => panic!("a leaf has no children"),
        }
    }

    fn get(&mut self, way: &[usize]) -> &mut Self {
        way.iter().fold(self, |node, i| node.child(*i))
    }
}

/// What is done to one place.
#[derive(Clone, Debug)]
enum Wrong {
    Dropped,
    Null,
    Doubled,
    DoubledWith(&'static str),
    With(&'static str),
    Listed,
    Quoted,
    Deep(&'static str, &'static str),
    Long,
    NotUtf8,
    LikeAnother(Index),
    Renamed(&'static str),
}

/// Values that mean something somewhere in a claim.
const WORDS: [&str; 40] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "49",
    "50",
    "51",
    "60",
    "100.0",
    "1e3",
    "16385",
    "99999999999999999999",
    "\"\"",
    "\"x\"",
    "[]",
    "{}",
    "[null]",
    "[{}]",
    "\"aws\"",
    "\"gcp\"",
    "\"us-central1\"",
    "\"C0\"",
    "\"C2\"",
    "\"c1\"",
    "\"C9\"",
    "\"dev\"",
    "\"large\"",
    "\"Manual\"",
    "\"Automatic\"",
    "\"CREATE\"",
    "\"UPDATE\"",
    "\"DELETE\"",
    "\"v1\"",
    "\"Pod\"",
    "\"immutable\\u202e\\u001b\"",
    "{\"name\":\"other\"}",
    "{\"vpcId\":\"other\"}",
    "[\"database-operators\"]",
    "\"system:serviceaccount:crossplane-system:crossplane\"",
];

const KEYS: [&str; 12] = [
    "provider",
    "network",
    "crossplane",
    "parameters",
    "spec",
    "compositionRef",
    "compositionSelector",
    "compositionUpdatePolicy",
    "platform.example.org/placement-reason",
    "deletionTimestamp",
    "immutable",
    "\u{1b}\u{202e}",
];

fn wrong() -> impl Strategy<Value = Wrong> {
    prop_oneof![
        3 => Just(Wrong::Dropped),
        2 => Just(Wrong::Null),
        1 => Just(Wrong::Doubled),
        2 => select(&WORDS[..]).prop_map(Wrong::DoubledWith),
        6 => select(&WORDS[..]).prop_map(Wrong::With),
        1 => Just(Wrong::Listed),
        1 => Just(Wrong::Quoted),
        1 => select(&[("[", "]"), ("{\"a\":", "}")][..]).prop_map(|(open, close)| Wrong::Deep(open, close)),
        1 => Just(Wrong::Long),
        1 => Just(Wrong::NotUtf8),
        3 => any::<Index>().prop_map(Wrong::LikeAnother),
        2 => select(&KEYS[..]).prop_map(Wrong::Renamed),
    ]
}

impl Wrong {
    fn done_to(&self, root: &mut Node, way: &[usize], ways: &[(Vec<usize>, String)]) {
        let (&last, parent) = way.split_last().unwrap();
        let raw = |text: &str| Node::Raw(text.as_bytes().to_vec());
        let node = root.get(way).clone();
        let new = match self {
            Self::Dropped => {
                match root.get(parent) {
                    Node::Map(fields) => drop(fields.remove(last)),
                    Node::List(items) => drop(items.remove(last)),
                    Node::Raw(_) => {}
                }
                return;
            }
            Self::Doubled | Self::DoubledWith(_) => {
                let again = if let Self::DoubledWith(word) = self {
                    raw(word)
                } else {
                    node
                };
                match root.get(parent) {
                    Node::Map(fields) => {
                        let key = fields[last].0.clone();
                        fields.push((key, again));
                    }
                    Node::List(items) => items.push(again),
                    Node::Raw(_) => {}
                }
                return;
            }
            Self::Renamed(key) => {
                if let Node::Map(fields) = root.get(parent) {
                    (*key).clone_into(&mut fields[last].0);
                }
                return;
            }
            Self::Null => raw("null"),
            Self::With(word) => raw(word),
            Self::Listed => match node {
                Node::Map(fields) => Node::List(fields.into_iter().map(|(_, node)| node).collect()),
                Node::List(items) => Node::Map(
                    items
                        .into_iter()
                        .enumerate()
                        .map(|(i, node)| (i.to_string(), node))
                        .collect(),
                ),
                leaf @ Node::Raw(_) => Node::List(vec![leaf]),
            },
            Self::Quoted => {
                let mut bytes = Vec::new();
                node.write(&mut bytes);
                raw(&json!(String::from_utf8_lossy(&bytes)).to_string())
            }
            Self::Deep(open, close) => raw(&format!("{}1{}", open.repeat(3000), close.repeat(3000))),
            Self::Long => raw(&format!("\"{}\"", "long\\u202e".repeat(5000))),
            Self::NotUtf8 => Node::Raw(b"\"\xff\xfe\\ud800\"".to_vec()),
            Self::LikeAnother(index) => root.get(&index.get(ways).0).clone(),
        };
        *root.get(way) = new;
    }
}

/// Reviews as an API server sends them, of every kind that may be allowed.
fn real() -> Vec<Review> {
    let lively = |claim: &Claim| {
        claim.clone().set("/metadata/labels", json!({"app": "payments"})).set(
            "/metadata/managedFields",
            json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:parameters": {}}}}]),
        )
    };
    let backup = running().backed_up();
    let raised = running()
        .with("tier", "C0")
        .with("ha", true)
        .with("storageGB", 60)
        .with("size", "large");
    let oci = bare().with("tier", "C2").placed().taken_up();
    let refs = placed().set("/spec/crossplane/compositionRef", json!({"name": "mysql-aws"}));
    let rolled = running().set(
        "/spec/crossplane/compositionRevisionRef",
        json!({"name": "mysql-aws-2"}),
    );
    let mut all = vec![
        create(&lively(&bare())),
        create(
            &bare()
                .with("tier", "c2")
                .with("ha", true)
                .set("/spec/crossplane/compositionUpdatePolicy", "Manual"),
        ),
        create(&lively(&backup)).by_operator(),
        create(&bare()).by_operator(),
        validate(&lively(&placed())),
        validate(&backup).by_operator(),
        validate(&placed()).on(catalog().copied("Tier", "c2", "c3")),
        update(&lively(&running()), &lively(&running())),
        update(&running(), &bare()),
        update(&running(), &raised),
        update(&oci, &oci.clone().with("storageGB", 60)),
        update(&oci, &oci.clone().with("tier", "C1")),
        update(&oci, &oci.clone().with("size", "large")).on(catalog().without_candidate("oci-us-ashburn-1")),
        update(&running(), &running().with("ha", true)).on(catalog().without("Tier", "c1")),
        update(&raised, &running().with("storageGB", 60)).by_operator(),
        update(&running(), &rolled).by_operator(),
        update(&placed(), &refs).by_crossplane(),
        update(&refs, &running()).by_crossplane(),
        update(&running().terminating(), &bare()),
        update(&bare(), &bare().with("size", "large")),
        update(&running(), &running()).managed_by("idp-multicloud-api.0a1b"),
    ];
    for review in &all {
        assert!(judge(review, &review.bytes()).unwrap().allowed(), "{}", review.body);
    }
    all.push(create(&bare().with("provider", "aws")));
    all
}

/// Whether a body can be told to be a review with a uid, by its parsed form alone.
fn has_uid(read: &Value) -> bool {
    read["apiVersion"] == "admission.k8s.io/v1"
        && read["kind"] == "AdmissionReview"
        && read["request"]["uid"].as_str().is_some_and(|uid| !uid.is_empty())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn a_real_review_with_anything_wrong_in_it_is_never_allowed_wrongly() {
    let real = real();
    let place = prop_oneof![
        Just(""),
        Just("/request/object"),
        Just("/request/object/spec"),
        Just("/request/oldObject/spec")
    ];
    let wrongs = vec((place, any::<Index>(), wrong()), 1..4);
    let mut runner = proptest::test_runner::TestRunner::new(config(4000));
    let allowed = std::cell::Cell::new(0);
    let result = runner.run(&(any::<Index>(), wrongs), |(which, wrongs)| {
        let review = which.get(&real);
        let mut root = Node::of(&review.body);
        let mut doubled = false;
        for (place, index, wrong) in &wrongs {
            let mut ways = Vec::new();
            root.ways(&[], "", &mut ways);
            let within: Vec<_> = ways.iter().filter(|(_, keys)| keys.starts_with(place)).collect();
            if within.is_empty() {
                continue;
            }
            doubled |= matches!(wrong, Wrong::Doubled | Wrong::DoubledWith(_) | Wrong::Renamed(_));
            wrong.done_to(&mut root, &index.get(&within).0, &ways);
        }
        let mut body = Vec::new();
        root.write(&mut body);
        let answered = judge(review, &body);
        if let Some(read) = loosely(&body).filter(|_| !doubled) {
            prop_assert_eq!(answered.is_some(), has_uid(&read));
        }
        allowed.set(allowed.get() + u32::from(answered.is_some_and(|answered| answered.allowed())));
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(
        allowed.get() > 400,
        "only {} of 4000 were allowed at all",
        allowed.get()
    );
}

#[test]
fn a_real_review_with_bytes_flipped_is_never_allowed_wrongly() {
    let real = real();
    let flips = vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..4);
    let mut runner = proptest::test_runner::TestRunner::new(config(1000));
    let result = runner.run(&(any::<Index>(), flips), |(which, flips)| {
        let review = which.get(&real);
        let mut body = review.bytes();
        for (index, byte, how) in flips {
            let at = index.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        judge(review, &body);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        select(&WORDS[..]).prop_map(|word| serde_json::from_str(word).unwrap()),
    ];
    let key = prop_oneof![
        "\\PC{0,4}",
        select(&KEYS[..]).prop_map(str::to_owned),
        select(
            &[
                "request",
                "uid",
                "kind",
                "object",
                "metadata",
                "annotations",
                "apiVersion"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((key.clone(), inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn arbitrary_bytes_are_never_allowed(body in vec(any::<u8>(), 0..400)) {
        prop_assert!(judge(&create(&bare()), &body).is_none());
        let _ = envelope::refuse_oversized(&body, 1);
    }

    #[test]
    fn the_beginning_of_a_real_review_is_refused_by_its_uid_or_not_answered(length in any::<Index>()) {
        let body = create(&bare()).bytes();
        let beginning = &body[..length.index(body.len())];
        prop_assert!(judge(&create(&bare()), beginning).is_none());
        if let Some(refused) = envelope::refuse_oversized(beginning, 1) {
            let refused: Value = serde_json::from_slice(&refused).unwrap();
            prop_assert_eq!(&refused["response"]["uid"], UID);
            prop_assert_eq!(&refused["response"]["allowed"], false);
        }
    }

    #[test]
    fn arbitrary_json_is_never_allowed_wrongly(body in any_json(), object in any_json(), stored in any_json()) {
        judge(&create(&bare()), body.to_string().as_bytes());
        let whole = create(&Claim(object.clone()));
        judge(&whole, &whole.bytes());
        for review in [update(&Claim(stored), &Claim(object.clone())), update(&running(), &Claim(object.clone())), validate(&Claim(object))] {
            judge(&review, &review.bytes());
        }
        let mut request = create(&bare());
        request.body["request"] = body;
        judge(&request, &request.bytes());
    }

    #[test]
    fn arbitrary_json_as_a_part_of_a_claim_is_never_allowed_wrongly(
        part in any_json(),
        pointer in select(&[
            "/spec", "/spec/parameters", "/spec/parameters/cell", "/spec/parameters/network", "/spec/crossplane",
            "/spec/crossplane/compositionSelector", "/spec/crossplane/compositionRef", "/metadata", "/metadata/annotations",
            "/spec/crossplane/compositionRevisionRef", "/spec/parameters/storageGB", REASON, "/spec/anything", "/status",
        ][..]),
        who in select(&["dev", CROSSPLANE, OPERATORS][..]),
    ) {
        for review in [
            create(&bare().set(pointer, part.clone())),
            validate(&placed().set(pointer, part.clone())),
            update(&running(), &running().set(pointer, part.clone())),
            update(&running().set(pointer, part.clone()), &running()),
            update(&running().set(pointer, part.clone()), &running().set(pointer, part.clone())),
        ] {
            let review = if who == OPERATORS { review.by_operator() } else { review.by(who) };
            judge(&review, &review.bytes());
        }
    }

    #[test]
    fn a_new_claim_is_placed_as_decided_and_its_answer_is_stable(
        tier in select(&["C0", "C1", "C2", "c0", "c2", "C9", ""][..]),
        ha in select(vec![json!(true), json!(false), json!(null), json!("no")]),
        environment in select(&["dev", "staging", "prod", "qa"][..]),
        size in select(&["small", "medium", "large", "xlarge", "huge"][..]),
        gb in prop_oneof![49..60_i64, 16_380..16_390_i64, any::<i64>()],
        cordoned in vec(select(&["aws-us-east-1", "gcp-us-central1", "oci-us-ashburn-1"][..]), 0..3),
    ) {
        let catalog = cordoned.into_iter().fold(catalog(), support::Catalog::cordoned);
        let held = catalog.held();
        let claim = bare().with("tier", tier).with("ha", ha).with("environment", environment).with("size", size).with("storageGB", gb);
        let first = create(&claim).held_by(&held);
        let answered = judge(&first, &first.bytes()).unwrap();
        if answered.allowed() {
            let placed = answered.patched();
            // Its own output is confirmed, and left alone ever after.
            let second = validate(&placed).held_by(&held);
            prop_assert_eq!(judge(&second, &second.bytes()).unwrap().outcome, Outcome::Confirmed);
            let again = update(&placed, &placed).held_by(&held);
            prop_assert_eq!(judge(&again, &again.bytes()).unwrap().outcome, Outcome::Unchanged);
            // A bare replace gets all of it back.
            let replaced = update(&placed, &claim).held_by(&held);
            prop_assert_eq!(judge(&replaced, &replaced.bytes()).unwrap().patched(), placed);
        }
    }
}

#[test]
fn the_law_itself_can_fail() {
    let caught = |check: &dyn Fn()| {
        let check = std::panic::AssertUnwindSafe(check);
        std::panic::catch_unwind(check).is_err()
    };
    let (held, stored) = (builtin(), running().0);
    let catalog = held.snapshot();
    assert!(!caught(&|| hold_update(
        &stored, &stored, &stored, false, false, catalog
    )));
    for (pointer, value) in [
        ("/spec/parameters/provider", json!("gcp")),
        ("/spec/parameters/network/vpcId", json!("x")),
        ("/spec/parameters/cell", json!("x")),
        ("/spec/parameters/environment", json!("dev")),
        ("/spec/parameters/storageGB", json!(49)),
        ("/spec/parameters/tier", json!("C2")),
        ("/spec/crossplane/compositionRef/name", json!("x")),
        ("/spec/crossplane/resourceRefs", json!([])),
        (REASON, json!("x")),
    ] {
        let new = running().set(pointer, value).0;
        assert!(
            caught(&|| hold_update(&stored, &new, &new, false, false, catalog)),
            "{pointer}"
        );
    }
    assert!(caught(&|| drop(decided(&bare().with("size", "x").0, catalog))));
    assert!(!is_bare(&placed().0) && is_bare(&bare().0) && agrees(&placed().0) && !agrees(&bare().0));
    assert_eq!(settings().operator_group.as_deref(), Some(OPERATORS));
}
