//! The review around the claim: what is not ours, what cannot be read, and what must never be echoed.

use idp_multicloud::admission::{Outcome, Settings, Webhook, envelope};
use idp_multicloud::claim::Cause;
use serde_json::{Value, json};

use crate::support::{
    Answered, CROSSPLANE, Claim, REASON, Review, UID, answer, bare, builtin, create, placed, review, running, settings,
    update, validate,
};

/// Every kind of review that is answered for a claim.
fn every() -> [Review; 3] {
    [create(&bare()), update(&running(), &running()), validate(&placed())]
}

fn raw(body: &[u8]) -> Option<Answered> {
    answer(Webhook::Mutate, body, &builtin(), &settings())
}

#[track_caller]
fn not_ours(review: &Review) {
    let answered = review.answer();
    assert_eq!(answered.whole["response"], json!({"uid": UID, "allowed": true}));
    assert_eq!(answered.outcome, Outcome::NotOurs);
}

#[track_caller]
fn malformed(review: &Review, field: &str) -> String {
    let (cause, named, message) = review.answer().one_problem();
    assert_eq!((cause.as_str(), named.as_str()), ("Malformed", field));
    message
}

#[test]
fn deleting_and_connecting_are_none_of_our_business() {
    for webhook in [Webhook::Mutate, Webhook::Validate] {
        for operation in ["DELETE", "CONNECT"] {
            for object in [Value::Null, running().0, json!({})] {
                not_ours(&review(webhook, operation, &object, &running().0));
                not_ours(&review(webhook, operation, &object, &Value::Null));
            }
        }
    }
}

#[test]
fn a_subresource_is_none_of_our_business() {
    for review in every() {
        for subresource in ["status", "scale", "x"] {
            not_ours(&review.clone().asking("subResource", subresource));
        }
        for none in [json!(""), json!(null)] {
            let answered = review.clone().asking("subResource", none).answer();
            assert_eq!(answered, review.answer());
        }
    }
}

#[test]
fn other_groups_and_kinds_are_none_of_our_business() {
    for review in every() {
        for (group, version, kind) in [
            ("", "v1", "Pod"),
            ("apps", "v1", "Deployment"),
            ("db.platform.example.org", "v1alpha1", "PostgresInstanceClaim"),
            ("db.platform.example.com", "v1alpha1", "MySQLInstanceClaim"),
            ("db.platform.example.org", "v1alpha1", "mysqlinstanceclaim"),
            ("DB.platform.example.org", "v1", "MySQLInstanceClaim"),
        ] {
            not_ours(
                &review
                    .clone()
                    .asking("kind", json!({"group": group, "version": version, "kind": kind})),
            );
        }
    }
}

#[test]
fn an_unknown_version_of_our_kind_is_refused() {
    for review in every() {
        for version in ["v1", "v1alpha2", "V1alpha1", ""] {
            let kind = json!({"group": "db.platform.example.org", "version": version, "kind": "MySQLInstanceClaim"});
            assert_eq!(
                malformed(&review.clone().asking("kind", kind), "apiVersion"),
                format!(
                    "db.platform.example.org/{version} of MySQLInstanceClaim is not known to this server; use v1alpha1"
                )
            );
        }
    }
}

#[test]
fn a_missing_empty_or_foreign_object_is_refused() {
    for review in [create(&bare()), update(&running(), &running()), validate(&placed())] {
        assert_eq!(
            malformed(&review.clone().asking("object", Value::Null), "object"),
            "is missing from the review"
        );
        let mut absent = review.clone();
        absent.body["request"].as_object_mut().unwrap().remove("object");
        assert_eq!(malformed(&absent, "object"), "is missing from the review");
        let foreign = running().set("/kind", "Pod").0;
        let other_group = running().set("/apiVersion", "db.platform.example.com/v1alpha1").0;
        let other_version = running().set("/apiVersion", "db.platform.example.org/v1").0;
        let no_group = running().set("/apiVersion", "v1alpha1").0;
        let no_kind = running().unset("/kind").0;
        for object in [
            foreign,
            other_group,
            other_version,
            no_group,
            no_kind,
            json!({"metadata": {}}),
        ] {
            assert_eq!(
                malformed(&review.clone().asking("object", object), "object"),
                "is no db.platform.example.org/v1alpha1 MySQLInstanceClaim"
            );
        }
        for object in [
            json!({}),
            json!([]),
            json!("x"),
            json!(1),
            json!(false),
            running().unset("/metadata").0,
        ] {
            malformed(&review.clone().asking("object", object), "object");
        }
    }
}

#[test]
fn an_update_without_the_stored_object_is_refused() {
    for webhook in [Webhook::Mutate, Webhook::Validate] {
        let review = review(webhook, "UPDATE", &running().0, &Value::Null);
        assert_eq!(malformed(&review, "oldObject"), "is missing from the review");
        let mut absent = review.clone();
        absent.body["request"].as_object_mut().unwrap().remove("oldObject");
        assert_eq!(malformed(&absent, "oldObject"), "is missing from the review");
    }
    for old in [json!([]), json!("x"), json!(1)] {
        malformed(&update(&running(), &running()).asking("oldObject", old), "object");
    }
}

#[test]
fn an_update_of_an_object_that_is_no_claim_is_refused() {
    for old in [
        running().set("/kind", "Pod").0,
        running().unset("/apiVersion").0,
        json!({"metadata": {}}),
    ] {
        assert_eq!(
            malformed(&update(&running(), &running()).asking("oldObject", old), "oldObject"),
            "is no db.platform.example.org/v1alpha1 MySQLInstanceClaim"
        );
    }
    for old in [json!({}), running().unset("/metadata").0] {
        malformed(&update(&running(), &running()).asking("oldObject", old), "object");
    }
}

#[test]
fn a_list_is_not_read_as_a_mapping_whose_values_it_has() {
    // serde reads a struct from a list, too, field by field.
    let claim = running().0;
    let listed = json!([claim["apiVersion"], claim["kind"], claim["metadata"], claim["spec"]]);
    malformed(&create(&bare()).asking("object", listed.clone()), "object");
    malformed(
        &update(&running(), &running()).asking("object", listed.clone()),
        "object",
    );
    malformed(&update(&running(), &running()).asking("oldObject", listed), "object");
    let metadata = json!(["payments-db", "payments", null, {}]);
    malformed(&create(&bare().set("/metadata", metadata)), "object");
    let gvk = json!(["db.platform.example.org", "v1alpha1", "MySQLInstanceClaim"]);
    malformed(&create(&bare()).asking("kind", gvk), "request");
    malformed(
        &update(&running(), &bare()).asking("userInfo", json!([CROSSPLANE, []])),
        "request",
    );
    malformed(
        &update(&running(), &bare()).asking("options", json!(["idp-multicloud-api"])),
        "request",
    );
    let request = json!([UID, null, null, "payments-db", "payments", "CREATE"]);
    for body in [
        json!(["admission.k8s.io/v1", "AdmissionReview", {"uid": UID}]),
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}),
    ] {
        assert_eq!(raw(&serde_json::to_vec(&body).unwrap()), None, "{body}");
    }
}

#[test]
fn a_head_that_cannot_be_read_is_refused_with_its_uid() {
    for (field, value) in [
        ("kind", json!("MySQLInstanceClaim")),
        (
            "kind",
            json!({"group": 1, "version": "v1alpha1", "kind": "MySQLInstanceClaim"}),
        ),
        ("kind", json!({"group": "db.platform.example.org"})),
        ("operation", json!(1)),
        ("subResource", json!({})),
        ("userInfo", json!("x")),
        ("userInfo", json!({"username": 1})),
        ("userInfo", json!({"groups": "x"})),
        ("userInfo", json!({"groups": [1]})),
        ("dryRun", json!("true")),
        ("options", json!(1)),
        ("options", json!({"fieldManager": []})),
        ("name", json!(1)),
        ("namespace", json!([])),
    ] {
        for review in every() {
            malformed(&review.asking(field, value.clone()), "request");
        }
    }
    for review in every() {
        malformed(&review.clone().asking("kind", Value::Null), "request.kind");
        for operation in [json!(null), json!(""), json!("PATCH"), json!("create")] {
            malformed(&review.clone().asking("operation", operation), "request.operation");
        }
    }
}

#[test]
fn who_is_not_named_has_no_privilege() {
    let new = running().set("/spec/crossplane/resourceRefs", json!([]));
    for user in [json!(null), json!({}), json!({"username": null, "groups": null})] {
        assert!(!update(&running(), &new).asking("userInfo", user).answer().allowed());
    }
    assert_eq!(Settings::default().crossplane_account, CROSSPLANE);
    assert_eq!(Settings::default().operator_group, None);
}

#[test]
fn a_body_without_a_uid_to_answer_to_is_an_http_error() {
    let good = create(&bare()).body;
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        edit(&mut body);
        serde_json::to_vec(&body).unwrap()
    };
    assert!(raw(&with(&|_| ())).is_some());
    let bodies = [
        with(&|body| body["apiVersion"] = json!("admission.k8s.io/v1beta1")),
        with(&|body| body["apiVersion"] = json!("admission.k8s.io/v2")),
        with(&|body| body["apiVersion"] = json!(null)),
        with(&|body| body["apiVersion"] = json!(1)),
        with(&|body| body["kind"] = json!("TokenReview")),
        with(&|body| drop(body.as_object_mut().unwrap().remove("kind"))),
        with(&|body| drop(body.as_object_mut().unwrap().remove("apiVersion"))),
        with(&|body| drop(body.as_object_mut().unwrap().remove("request"))),
        with(&|body| body["request"] = json!(null)),
        with(&|body| body["request"] = json!("x")),
        with(&|body| drop(body["request"].as_object_mut().unwrap().remove("uid"))),
        with(&|body| body["request"]["uid"] = json!("")),
        with(&|body| body["request"]["uid"] = json!(null)),
        with(&|body| body["request"]["uid"] = json!(1)),
        with(&|_| ())[1..].to_vec(),
        [with(&|_| ()), b"x".to_vec()].concat(),
        Vec::new(),
        b"null".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"\"AdmissionReview\"".to_vec(),
        b"\xff\xfe".to_vec(),
    ];
    for body in bodies {
        assert_eq!(raw(&body), None, "{}", String::from_utf8_lossy(&body));
        assert!(envelope::read(&body).is_err());
    }
}

/// `review` as text, with the first occurrence of `from` replaced.
fn replaced(review: &Review, from: &str, to: &str) -> Vec<u8> {
    let text = review.body.to_string();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn nesting_3000_deep_anywhere_is_refused_with_its_uid() {
    let arrays = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let objects = format!("{}1{}", "{\"a\":".repeat(3000), "}".repeat(3000));
    for deep in [&arrays, &objects] {
        for at in [
            "\"storageGB\":50",
            "\"metadata\":{",
            "\"spec\":{",
            "\"dryRun\":false",
            "\"request\":{",
        ] {
            let nested = if at.ends_with('{') {
                format!("{at}\"deep\":{deep},")
            } else {
                format!("{at},\"deep\":{deep}")
            };
            for review in every() {
                let body = replaced(&review, at, &nested);
                let answered = answer(review.webhook, &body, &builtin(), &settings()).unwrap();
                assert_eq!(answered.refused(), ["Malformed object"], "{at}");
                assert_eq!(
                    answered.one_problem().2,
                    "cannot be read: the review is nested deeper than 128 levels"
                );
            }
        }
        // Beside the request and before its uid, too.
        let body = replaced(
            &create(&bare()),
            "\"request\":{",
            &format!("\"deep\":{deep},\"request\":{{"),
        );
        assert!(!raw(&body).unwrap().allowed());
    }
}

#[test]
fn deep_nesting_in_what_is_none_of_our_business_is_allowed() {
    let deep = format!("\"object\":{}1{}", "[".repeat(3000), "]".repeat(3000));
    let delete = review(Webhook::Mutate, "DELETE", &Value::Null, &running().0);
    assert!(raw(&replaced(&delete, "\"object\":null", &deep)).unwrap().allowed());
}

#[test]
fn brackets_in_a_text_are_no_nesting() {
    let brackets = "[{".repeat(1000);
    for text in [brackets.clone(), format!("\"{brackets}"), format!("\\\"{brackets}\\")] {
        let claim = bare().set("/metadata/annotations", json!({"a": text}));
        create(&claim).answer().patched();
    }
    let many: Vec<Value> = (0..500).map(|i| json!({"i": [i]})).collect();
    create(&bare().set("/metadata/managedFields", json!(many)))
        .answer()
        .patched();
}

#[test]
fn a_key_given_twice_is_refused_or_read_as_the_api_server_would() {
    for key in ["object", "kind", "operation", "userInfo", "namespace"] {
        let body = replaced(
            &create(&bare()),
            "\"request\":{",
            &format!("\"request\":{{\"{key}\":null,"),
        );
        assert!(!raw(&body).unwrap().allowed(), "{key}");
    }
    let body = replaced(&create(&bare()), "\"parameters\":{", "\"parameters\":{\"tier\":\"C2\",");
    assert!(raw(&body).unwrap().allowed());
    let body = replaced(
        &create(&bare()),
        "\"parameters\":{",
        "\"parameters\":{\"provider\":null,",
    );
    assert_eq!(
        raw(&body).unwrap().refused(),
        ["PlacementForbidden spec.parameters.provider"]
    );
    let body = replaced(&create(&bare()), "\"spec\":{", "\"spec\":{},\"spec\":{");
    assert_eq!(raw(&body).unwrap().refused(), ["Malformed object"]);
}

#[test]
fn bytes_that_are_no_text_are_no_json_and_a_broken_escape_is_refused_with_its_uid() {
    let body = replaced(&create(&bare()), "\"medium\"", "\"#\"");
    let body: Vec<u8> = body
        .into_iter()
        .map(|byte| if byte == b'#' { 0xff } else { byte })
        .collect();
    assert_eq!(raw(&body), None);
    let body = replaced(&create(&bare()), "\"medium\"", "\"\\ud800\"");
    assert_eq!(raw(&body).unwrap().refused(), ["Malformed object"]);
}

#[test]
fn a_review_that_is_too_large_is_refused_by_the_uid_in_its_beginning() {
    let whole = create(&bare()).bytes();
    let text = String::from_utf8(whole.clone()).unwrap();
    let uid_ends = text.find(UID).unwrap() + UID.len() + 1;
    for beginning in [uid_ends, uid_ends + 1, whole.len() - 1, whole.len()] {
        let refused = envelope::refuse_oversized(&whole[..beginning], 16 * 1024 * 1024);
        // The uid of a body in this order comes last; see below for the order that the API server writes.
        let refused: Value = serde_json::from_slice(&refused.unwrap()).unwrap();
        assert_eq!(
            refused,
            json!({
                "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                "response": {"uid": UID, "allowed": false, "status": {
                    "status": "Failure", "code": 403, "reason": "Forbidden",
                    "message": "the review is larger than 16777216 bytes",
                    "details": {"group": "db.platform.example.org", "kind": "MySQLInstanceClaim", "causes": [
                        {"reason": "Malformed", "message": "the review is larger than 16777216 bytes"},
                    ]},
                }},
            })
        );
    }
    let api_server = include_bytes!("../reviews/create.json");
    let refused = envelope::refuse_oversized(&api_server[..200], 1).unwrap();
    let refused: Value = serde_json::from_slice(&refused).unwrap();
    assert_eq!(refused["response"]["uid"], "6c5a6a5e-3c1f-4a58-9c3e-0f4f5b1f8f11");
    for nothing in [
        &b""[..],
        b"{",
        b"xxx",
        b"[[[[",
        &whole[..uid_ends - 2],
        br#"{"uid":"a"}"#,
        br#"{"request":{"uid":""}}"#,
        br#"{"request":{"uid":7}}"#,
        br#"{"request":{"object":{"uid":"a"}}}"#,
        br#"{"request":["uid","a"]}"#,
        br#"{"other":{"uid":"a"}}"#,
        br#"{"request":{"request":{"uid":"a"}}}"#,
    ] {
        assert_eq!(
            envelope::refuse_oversized(nothing, 1),
            None,
            "{}",
            String::from_utf8_lossy(nothing)
        );
    }
    let deep = format!("{{\"request\":{{\"object\":{}", "[".repeat(60_000));
    assert_eq!(envelope::refuse_oversized(deep.as_bytes(), 1), None);
}

#[test]
fn the_recorded_review_of_an_api_server_is_placed() {
    let answered = raw(include_bytes!("../reviews/create.json")).unwrap();
    assert_eq!(answered.outcome, Outcome::Placed);
}

/// Whatever a value is, at most 64 characters of it are echoed.
const LONG: usize = 5000;

#[test]
fn every_echoed_value_is_escaped_and_cut_at_64_characters() {
    let evil = "\u{1b}[31m\n\r\t\u{0}\u{7f}\u{85}\u{200b}\u{202e}\u{2066}\u{2028}\u{feff}\"\\";
    let long = "x".repeat(LONG);
    for text in [evil.to_owned(), format!("{evil}{long}"), long] {
        let key = text.replace('~', "~0").replace('/', "~1");
        let reviews = [
            create(&bare().with("cell", text.clone())),
            create(&bare().with("tier", text.clone())),
            create(&bare().with("environment", text.clone())),
            create(&bare().with("size", text.clone())),
            create(&bare().with("storageGB", text.clone())),
            create(&bare().with("ha", text.clone())),
            create(&bare().set("/metadata/name", format!("{text}{}", "n".repeat(64)))),
            create(&bare().set(&format!("/spec/crossplane/{key}"), 1)),
            create(&bare().set(REASON, text.clone())),
            create(&bare()).asking(
                "kind",
                json!({"group": "db.platform.example.org", "version": text, "kind": "MySQLInstanceClaim"}),
            ),
            create(&bare()).asking("operation", text.clone()),
            create(&bare()).asking("dryRun", text.clone()),
            create(&bare()).asking("object", text.clone()),
            create(&bare().set("/metadata", text.clone())),
            create(&bare().set("/metadata/annotations", text.clone())),
            update(
                &running(),
                &running().set(&format!("/spec/parameters/network/{key}"), 1),
            ),
            update(&running(), &running().set(&format!("/spec/crossplane/{key}"), 1)),
            update(&running().with("provider", text.clone()), &running()),
            update(&running().with("cell", text.clone()), &running()),
            update(
                &running().set(&format!("/spec/crossplane/compositionSelector/{key}"), "a"),
                &running().set(&format!("/spec/crossplane/compositionSelector/{key}"), "b"),
            ),
            update(&running(), &running().with("tier", text.clone())),
            create(&running().backed_up().set(REASON, text.clone())).by_operator(),
            create(&running().backed_up().set(REASON, json!({text.clone(): 1}).to_string())).by_operator(),
            create(&running().backed_up().set(&format!("/spec/crossplane/{key}"), 1)).by_operator(),
            create(
                &running()
                    .backed_up()
                    .with_reason(|reason| reason["winner"]["network"] = json!(text)),
            )
            .by_operator(),
            create(
                &running()
                    .backed_up()
                    .with_reason(|reason| reason["request"]["size"] = json!(text)),
            )
            .by_operator(),
            validate(&running().with("cell", text.clone())),
            validate(&placed().set(&format!("/spec/crossplane/{key}"), 1)),
            validate(&placed().with_reason(|reason| {
                reason["catalogRevision"] = json!("other");
                reason["winner"]["candidate"] = json!(text);
                reason["ranking"][0]["candidate"] = json!(text);
            })),
        ];
        for (i, review) in reviews.iter().enumerate() {
            let answered = review.answer();
            for (_, field, message) in answered.causes() {
                assert!(field.chars().count() < 140, "{i}: {field}");
                assert!(message.chars().count() < 240, "{i}: {message}");
            }
            assert!(!answered.refused().is_empty(), "{i}");
        }
    }
}

#[test]
fn each_character_that_a_terminal_obeys_is_escaped_by_itself() {
    let controls = ('\u{0}'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
    let formats = ('\u{200b}'..='\u{200f}')
        .chain('\u{2028}'..='\u{202e}')
        .chain('\u{2060}'..='\u{2069}');
    for c in controls.chain(formats).chain(['\u{61c}', '\u{feff}', '"', '\\']) {
        let (_, _, message) = create(&bare().with("cell", c.to_string())).answer().one_problem();
        let shown = c.escape_debug();
        assert_eq!(
            message,
            format!("is \"{shown}\"; must be 1 to 63 lower-case letters, digits and '-'")
        );
        assert_ne!(shown.to_string(), c.to_string());
    }
}

#[test]
fn the_word_that_makes_tools_delete_never_leaves() {
    // `Answered` looks for it in every response.
    for word in [
        "immutable",
        "Immutable",
        "IMMUTABLE",
        "field is immutable, immutableimmutable",
        "iMmUtAbLe",
    ] {
        let masked = create(&bare().with("cell", word)).answer();
        assert!(masked.message().contains("i*******e"), "{}", masked.message());
        let (_, _, message) = masked.one_problem();
        assert!(message.contains("i*******e"), "{message}");
        let (_, field, _) = create(&bare().set(&format!("/spec/crossplane/{word}"), 1))
            .answer()
            .one_problem();
        assert!(field.contains("i*******e"), "{field}");
        let new = running().set(&format!("/spec/crossplane/{word}"), 1);
        assert!(!update(&running(), &new).answer().allowed());
        assert!(!update(&running().with("provider", word), &running()).answer().allowed());
        assert!(
            !create(&running().backed_up().set(REASON, json!({word: 1}).to_string()))
                .by_operator()
                .answer()
                .allowed()
        );
        let cordoned = crate::support::catalog().candidate_with("aws-us-east-1", "cordoned", json!({"reason": word}));
        let held = cordoned.held();
        assert_eq!(
            update(&running(), &running()).held_by(&held).answer().warnings().len(),
            1
        );
        // Nor does it in what is put back: a patch is base64 of the author's own values.
        let stored = running().with("provider", word);
        assert_eq!(
            update(&stored, &stored.clone().without("provider")).answer().patched(),
            stored
        );
    }
}

#[test]
fn every_refusal_has_a_cause_from_the_documented_list() {
    let known: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    assert_eq!(
        known,
        [
            "PlacementForbidden",
            "PlacementChanged",
            "PlacementMismatch",
            "FieldMissing",
            "FieldType",
            "FieldInvalid",
            "FieldUnknown",
            "CatalogNotAccepted",
            "FieldFixed",
            "StorageShrunk",
            "TierLowered",
            "PlacementUnfit",
            "Unschedulable",
            "WriterForbidden",
            "CatalogInvalid",
            "Malformed",
        ]
    );
}

#[test]
fn a_claim_of_two_and_a_half_megabytes_is_read() {
    let padded = |claim: Claim| claim.set("/metadata/annotations/padding", "x".repeat(1_200_000));
    let (old, new) = (padded(running()), padded(bare()));
    let review = update(&old, &new);
    assert!(review.bytes().len() > 2_400_000);
    assert_eq!(review.answer().patched(), old);
}

#[test]
fn a_refusal_lists_fifty_problems_and_counts_the_rest() {
    let stored = placed();
    let many: serde_json::Map<_, _> = (0..80).map(|i| (format!("key{i:02}"), json!("value"))).collect();
    let changed = stored.clone().set("/spec/parameters/network", many);
    let answered = update(&stored, &changed).answer();
    let status = &answered.response()["status"];
    assert_eq!(status["details"]["causes"].as_array().unwrap().len(), 50);
    let message = status["message"].as_str().unwrap();
    assert!(message.starts_with("80 problems, nothing was changed:"), "{message}");
    assert!(message.ends_with("\n  - and 30 more"), "{message}");
}

#[test]
fn a_spec_of_absurd_length_is_refused_before_it_takes_thirty_times_its_memory() {
    let claim = bare().with("cell", "c".repeat(300_000));
    assert_eq!(create(&claim).answer().refused(), ["Malformed object"]);
}
