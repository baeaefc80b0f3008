//! What admission may allow, written down once more: from the specification and not from the code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on is to say so and end"
)]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use idp_multicloud::admission::{Outcome, Webhook};
use idp_multicloud::catalog::{Candidate, Snapshot, Tier};
use idp_multicloud::placement::{Reason, Request, Size, decide, required};
use serde_json::{Map, Value, json};

use crate::support::{self, Answered, CROSSPLANE, FOUR, OPERATORS, REASON, Review};

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
        namespace: object
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
            .into(),
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
pub fn decided(object: &Value, catalog: &Snapshot) -> [Value; 6] {
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
pub fn is_bare(object: &Value) -> bool {
    let has = |pointer: &str| object.pointer(pointer).is_some();
    let crossplane = at(object, "/spec/crossplane");
    FOUR.iter()
        .all(|field| !has(&format!("/spec/parameters/{field}")) && !has(&format!("/spec/{field}")))
        && at(object, REASON).is_null()
        && [json!(null), json!({}), json!({"compositionUpdatePolicy": "Manual"})].contains(&crossplane)
}

/// Whether the placement of `object` agrees with its own reason.
pub fn agrees(object: &Value) -> bool {
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
pub fn hold_update(stored: &Value, new: &Value, patched: &Value, operator: bool, crossplane: bool, catalog: &Snapshot) {
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
    // One that is spelled otherwise is the same tier, even where the catalog has lost it.
    if changed("tier") && (retiered || text(patched, "/spec/parameters/tier").is_none()) {
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
pub fn loosely(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    // A lone surrogate in a part that nobody looks at is nobody's trouble. In a quoted text it is none, but a backslash.
    let as_it_is = serde_json::from_str(text).ok();
    as_it_is.or_else(|| serde_json::from_str(&text.replace("\\ud800", "?")).ok())
}

/// Through the room, and held to the law.
pub fn judge(review: &Review, body: &[u8]) -> Option<Answered> {
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
