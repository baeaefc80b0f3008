//! Laws of the admission room for every input: an answer or an HTTP error, never a panic, never a wrong allow. What may be
//! allowed is written down in `support/law.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on is to say so and end"
)]

#[path = "support/law.rs"]
mod law;
#[path = "support/admission.rs"]
mod support;
#[path = "support/wrong.rs"]
mod wrong;

use idp_multicloud::admission::{Outcome, envelope};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use law::{agrees, decided, hold_update, is_bare, judge, loosely};
use support::{
    CROSSPLANE, Claim, OPERATORS, REASON, Review, UID, bare, builtin, catalog, create, placed, running, settings,
    update, validate,
};
use wrong::{KEYS, Node, WORDS, Wrong, wrong};

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
