//! UPDATE, the placement: each part of it by itself is the same, missing, different or added, for each kind of writer.

use idp_multicloud::admission::Outcome;
use serde_json::{Value, json};

use crate::support::{Claim, FOUR, REASON, REASON_FIELD, Review, bare, placed, running, update};

/// Every part of [`running`]'s placement: pointer, the field a problem names, and whether values may be of any type.
const PARTS: [(&str, &str); 17] = [
    ("/spec/parameters/provider", "spec.parameters.provider"),
    ("/spec/parameters/region", "spec.parameters.region"),
    ("/spec/parameters/runtimeCluster", "spec.parameters.runtimeCluster"),
    ("/spec/parameters/network", "spec.parameters.network"),
    ("/spec/parameters/network/vpcId", "spec.parameters.network.vpcId"),
    ("/spec/crossplane", "spec.crossplane"),
    (
        "/spec/crossplane/compositionSelector",
        "spec.crossplane.compositionSelector",
    ),
    (
        "/spec/crossplane/compositionSelector/matchLabels",
        "spec.crossplane.compositionSelector.matchLabels",
    ),
    (
        "/spec/crossplane/compositionSelector/matchLabels/db.platform.example.org~1provider",
        "spec.crossplane.compositionSelector.matchLabels.db.platform.example.org/provider",
    ),
    (
        "/spec/crossplane/compositionSelector/matchLabels/db.platform.example.org~1class",
        "spec.crossplane.compositionSelector.matchLabels.db.platform.example.org/class",
    ),
    ("/spec/crossplane/compositionRef", "spec.crossplane.compositionRef"),
    (
        "/spec/crossplane/compositionRef/name",
        "spec.crossplane.compositionRef.name",
    ),
    (
        "/spec/crossplane/compositionRevisionRef",
        "spec.crossplane.compositionRevisionRef",
    ),
    (
        "/spec/crossplane/compositionRevisionRef/name",
        "spec.crossplane.compositionRevisionRef.name",
    ),
    (
        "/spec/crossplane/compositionUpdatePolicy",
        "spec.crossplane.compositionUpdatePolicy",
    ),
    ("/spec/crossplane/resourceRefs", "spec.crossplane.resourceRefs"),
    (REASON, REASON_FIELD),
];

/// What the stored part may be changed to: everything that it is not.
fn others() -> Vec<Value> {
    let text = ["", "other", "aws ", "Aws", "Manual", "Automatic2"].map(Value::from);
    let other = [
        json!(0),
        json!(1.5),
        json!(true),
        json!(false),
        json!([]),
        json!(["aws"]),
        json!([{}]),
    ];
    text.into_iter().chain(other).collect()
}

/// Values that annotations can hold at all: the API server knows texts only.
fn values(pointer: &str) -> Vec<Value> {
    let mut values = others();
    values.retain(|value| pointer != REASON || value.is_string());
    values
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Plain,
    Operator,
    Crossplane,
}

const EVERYBODY: [Who; 3] = [Who::Plain, Who::Operator, Who::Crossplane];

impl Who {
    fn writes(self, old: &Claim, new: &Claim) -> Review {
        match self {
            Self::Plain => update(old, new),
            Self::Operator => update(old, new).by_operator(),
            Self::Crossplane => update(old, new).by_crossplane(),
        }
    }

    /// Whether this writer may do as it likes with the value at `pointer`, where the stored claim is [`running`].
    fn is_free_with(self, pointer: &str) -> bool {
        let parts = [
            "compositionRevisionRef",
            "compositionRevisionSelector",
            "compositionUpdatePolicy",
            "resourceRefs",
            "more",
        ];
        let part = pointer
            .strip_prefix("/spec/crossplane/")
            .and_then(|rest| rest.split('/').next());
        self == Self::Crossplane && part.is_some_and(|part| parts.contains(&part))
    }
}

#[test]
fn the_same_placement_is_left_alone() {
    for claim in [placed(), running(), bare(), bare().set("/spec/crossplane", json!({}))] {
        for who in EVERYBODY {
            let answered = who.writes(&claim, &claim).answer();
            answered.untouched();
            assert_eq!(answered.outcome, Outcome::Unchanged);
            assert_eq!(
                answered.whole["response"],
                json!({"uid": crate::support::UID, "allowed": true})
            );
        }
    }
}

#[test]
fn everything_else_may_change() {
    let new = running()
        .set("/metadata/labels", json!({"a": "b"}))
        .set("/metadata/annotations/a", "b")
        .set("/metadata/finalizers", json!(["a/b"]))
        .set("/spec/parameters/tomorrow", 1)
        .set("/spec/tomorrow", json!({}))
        .set("/status", json!({"endpoint": "db"}))
        .with("size", "large")
        .with("storageGB", 60);
    for who in EVERYBODY {
        who.writes(&running(), &new).answer().untouched();
    }
}

#[test]
fn a_part_that_is_missing_or_null_is_put_back() {
    for (pointer, _) in PARTS {
        for new in [running().unset(pointer), running().set(pointer, Value::Null)] {
            for who in EVERYBODY {
                let answered = who.writes(&running(), &new).answer();
                if who.is_free_with(pointer) {
                    answered.untouched();
                } else if who == Who::Operator && pointer.ends_with("compositionRevisionRef/name") {
                    // Half a reference is a bad value rather than a missing one: Crossplane's schema wants the name.
                    assert_eq!(
                        answered.refused(),
                        ["FieldInvalid spec.crossplane.compositionRevisionRef"]
                    );
                } else {
                    assert_eq!(answered.patched(), running(), "{who:?} {pointer}");
                    assert_eq!(answered.outcome, Outcome::Repaired);
                }
            }
        }
    }
}

#[test]
fn a_bare_replace_gets_its_whole_placement_back() {
    let bare_again = bare().with("storageGB", 60).set("/metadata/labels", json!({"a": "b"}));
    let expected = running()
        .with("storageGB", 60)
        .set("/metadata/labels", json!({"a": "b"}));
    for who in EVERYBODY {
        assert_eq!(who.writes(&running(), &bare_again).answer().patched(), expected);
    }
}

#[test]
fn the_reason_is_put_back_beside_whatever_annotations_there_are() {
    let stored = running().set("/metadata/annotations/a", "b");
    for annotations in [None, Some(json!(null)), Some(json!({}))] {
        let new = match annotations {
            None => stored.clone().unset("/metadata/annotations"),
            Some(annotations) => stored.clone().set("/metadata/annotations", annotations),
        };
        // Other annotations are the author's to remove.
        assert_eq!(update(&stored, &new).answer().patched(), running());
    }
    let new = running().unset(REASON).set("/metadata/annotations/c", "d");
    assert_eq!(
        update(&stored, &new).answer().patched(),
        running().set("/metadata/annotations/c", "d")
    );
}

#[test]
fn every_set_of_missing_parts_is_put_back() {
    let parts = [
        "/spec/parameters/provider",
        "/spec/parameters/network/vpcId",
        "/spec/crossplane/compositionRef",
        "/spec/crossplane/compositionSelector/matchLabels/db.platform.example.org~1class",
        "/spec/crossplane/resourceRefs",
        REASON,
    ];
    for set in 0_u32..1 << parts.len() {
        let mut new = running();
        for (i, pointer) in parts.iter().enumerate() {
            if set & (1 << i) != 0 {
                new = new.unset(pointer);
            }
        }
        assert_eq!(update(&running(), &new).answer().patched(), running(), "{set:b}");
    }
}

#[test]
fn a_part_that_differs_is_refused() {
    for (pointer, field) in PARTS {
        for value in values(pointer) {
            if running().at(pointer) == &value {
                continue;
            }
            let new = running().set(pointer, value.clone());
            for who in EVERYBODY {
                let answered = who.writes(&running(), &new).answer();
                if who.is_free_with(pointer) {
                    answered.untouched();
                    continue;
                }
                if who == Who::Operator && field.starts_with("spec.crossplane.compositionUpdatePolicy") {
                    if value == "Manual" {
                        answered.untouched();
                    } else {
                        assert_eq!(
                            answered.refused(),
                            ["FieldInvalid spec.crossplane.compositionUpdatePolicy"]
                        );
                    }
                    continue;
                }
                if who == Who::Operator && field.starts_with("spec.crossplane.compositionRevisionRef") {
                    if pointer.ends_with("/name") && value.as_str().is_some_and(|name| !name.is_empty()) {
                        answered.untouched();
                    } else {
                        assert_eq!(
                            answered.refused(),
                            ["FieldInvalid spec.crossplane.compositionRevisionRef"]
                        );
                    }
                    continue;
                }
                let (cause, named, message) = answered.one_problem();
                assert_eq!(
                    (cause.as_str(), named.as_str()),
                    ("PlacementChanged", field),
                    "{who:?} {value}"
                );
                let remedy = "a claim keeps its placement for life: leave this as it is stored, or out altogether";
                let what = match running().at(pointer) {
                    Value::String(stored) if pointer != REASON => format!("is \"{stored}\"; {remedy}"),
                    _ => format!("differs from what is stored; {remedy}"),
                };
                assert_eq!(message, what);
            }
        }
    }
}

#[test]
fn a_text_or_a_list_where_a_mapping_is_stored_is_refused_and_the_other_way_round() {
    for (pointer, field) in PARTS.into_iter().filter(|(pointer, _)| *pointer != REASON) {
        let value = match running().at(pointer) {
            Value::Object(_) => json!("{}"),
            _ => json!({"name": "x"}),
        };
        assert_eq!(
            update(&running(), &running().set(pointer, value)).answer().refused(),
            [format!("PlacementChanged {field}")]
        );
    }
}

#[test]
fn a_key_added_inside_a_stored_part_is_refused() {
    for (pointer, field) in [
        ("/spec/parameters/network", "spec.parameters.network"),
        ("/spec/crossplane", "spec.crossplane"),
        (
            "/spec/crossplane/compositionSelector",
            "spec.crossplane.compositionSelector",
        ),
        (
            "/spec/crossplane/compositionSelector/matchLabels",
            "spec.crossplane.compositionSelector.matchLabels",
        ),
        ("/spec/crossplane/compositionRef", "spec.crossplane.compositionRef"),
    ] {
        for value in others().into_iter().chain([json!({}), json!({"a": 1})]) {
            let new = running().set(&format!("{pointer}/more"), value);
            for who in EVERYBODY {
                if who.is_free_with(&format!("{pointer}/more")) {
                    who.writes(&running(), &new).answer().untouched();
                    continue;
                }
                let (cause, named, message) = who.writes(&running(), &new).answer().one_problem();
                assert_eq!((cause, named), ("PlacementChanged".to_owned(), format!("{field}.more")));
                assert_eq!(
                    message,
                    "is not stored and cannot be added; a claim keeps its placement for life: leave this as it is stored, \
                     or out altogether"
                );
            }
        }
        let null = running().set(&format!("{pointer}/more"), Value::Null);
        update(&running(), &null).answer().untouched();
    }
}

#[test]
fn a_part_that_the_stored_claim_lacks_stays_lacking() {
    for (pointer, field) in PARTS {
        let stored = running().unset(pointer);
        let answered = update(&stored, &running()).answer();
        let (cause, named, _) = answered.one_problem();
        assert_eq!((cause.as_str(), named.as_str()), ("PlacementChanged", field));
        update(&stored, &stored).answer().untouched();
    }
}

#[test]
fn a_claim_older_than_the_webhook_is_not_placed_and_nothing_of_a_placement_can_be_added() {
    let old = bare();
    update(&old, &old.clone().with("storageGB", 60)).answer().untouched();
    for field in FOUR {
        for at in ["/spec/parameters", "/spec"] {
            let pointer = format!("{at}/{field}");
            for value in others().into_iter().chain([json!({}), placed().at(&pointer).clone()]) {
                if value.is_null() {
                    continue;
                }
                for who in EVERYBODY {
                    assert_eq!(
                        who.writes(&old, &old.clone().set(&pointer, value.clone()))
                            .answer()
                            .refused(),
                        [format!("PlacementChanged {}", pointer[1..].replace('/', "."))]
                    );
                }
            }
            update(&old, &old.clone().set(&pointer, Value::Null))
                .answer()
                .untouched();
        }
    }
    for reason in [json!(""), json!("x"), placed().at(REASON).clone()] {
        for who in EVERYBODY {
            assert_eq!(
                who.writes(&old, &old.clone().set(REASON, reason.clone()))
                    .answer()
                    .refused(),
                [format!("PlacementChanged {REASON_FIELD}")]
            );
        }
    }
    for crossplane in [
        running().at("/spec/crossplane").clone(),
        json!({"compositionUpdatePolicy": "Manual"}),
        json!({"compositionRevisionRef": {"name": "x"}}),
        json!({}),
        json!("x"),
        json!([]),
    ] {
        for who in [Who::Plain, Who::Operator] {
            assert_eq!(
                who.writes(&old, &old.clone().set("/spec/crossplane", crossplane.clone()))
                    .answer()
                    .refused(),
                ["PlacementChanged spec.crossplane"]
            );
        }
    }
    for who in [Who::Plain, Who::Operator, Who::Crossplane] {
        let all = who.writes(&old, &placed()).answer().refused();
        assert_eq!(all.len(), if who == Who::Crossplane { 5 } else { 6 });
    }
}

#[test]
fn placement_names_directly_in_spec_are_held_like_the_others() {
    let stored = running().set("/spec/network", json!({"a": "b"}));
    assert_eq!(update(&stored, &running()).answer().patched(), stored);
    assert_eq!(
        update(&stored, &stored.clone().set("/spec/network/a", "c"))
            .answer()
            .refused(),
        ["PlacementChanged spec.network.a"]
    );
}

#[test]
fn crossplane_takes_a_new_claim_up() {
    let refs = [
        ("/spec/crossplane/compositionRef", json!({"name": "mysql-aws"})),
        (
            "/spec/crossplane/compositionRevisionRef",
            json!({"name": "mysql-aws-1"}),
        ),
        ("/spec/crossplane/compositionUpdatePolicy", json!("Automatic")),
        (
            "/spec/crossplane/resourceRefs",
            json!([{"kind": "Instance", "name": "a"}]),
        ),
    ];
    let mut claim = placed();
    for (pointer, value) in refs {
        let next = claim.clone().set(pointer, value);
        let answered = update(&claim, &next).by_crossplane().answer();
        answered.untouched();
        assert_eq!(answered.outcome, Outcome::Unchanged);
        claim = next;
    }
    // An older claim has nothing there yet.
    let crossplane = claim.at("/spec/crossplane").clone();
    update(&bare(), &bare().set("/spec/crossplane", crossplane))
        .by_crossplane()
        .answer()
        .untouched();
    // A stored null is nothing.
    let null = placed().set("/spec/crossplane/compositionRef", Value::Null);
    let next = null
        .clone()
        .set("/spec/crossplane/compositionRef", json!({"name": "mysql-aws"}));
    update(&null, &next).by_crossplane().answer().untouched();
}

#[test]
fn crossplane_makes_of_spec_crossplane_nothing_but_a_mapping() {
    for value in [json!("x"), json!([]), json!(1), json!(false)] {
        for stored in [running(), bare()] {
            let new = stored.clone().set("/spec/crossplane", value.clone());
            assert_eq!(
                update(&stored, &new).by_crossplane().answer().refused(),
                ["PlacementChanged spec.crossplane"]
            );
        }
    }
}

#[test]
fn a_composition_once_chosen_never_changes_not_even_by_crossplane() {
    let other = running().set("/spec/crossplane/compositionRef", json!({"name": "mysql-gcp"}));
    for who in EVERYBODY {
        assert_eq!(
            who.writes(&running(), &other).answer().refused(),
            ["PlacementChanged spec.crossplane.compositionRef.name"]
        );
    }
    // Left out, it comes back with the selector, and what else Crossplane wrote stands.
    let without = running().set("/spec/crossplane", json!({"resourceRefs": []}));
    let selector = "/spec/crossplane/compositionSelector";
    assert_eq!(
        update(&running(), &without).by_crossplane().answer().patched(),
        without
            .set("/spec/crossplane/compositionRef", json!({"name": "mysql-aws"}))
            .set(selector, running().at(selector).clone())
    );
    let all = running().unset("/spec/crossplane");
    assert_eq!(update(&running(), &all).by_crossplane().answer().patched(), running());
}

#[test]
fn crossplane_writes_nothing_but_spec_crossplane() {
    for (pointer, field) in PARTS
        .into_iter()
        .filter(|(pointer, _)| !pointer.starts_with("/spec/crossplane"))
    {
        assert_eq!(
            update(&running(), &running().set(pointer, "x"))
                .by_crossplane()
                .answer()
                .refused(),
            [format!("PlacementChanged {field}")]
        );
    }
    for (new, problem) in [
        (running().with("cell", "billing"), "FieldFixed spec.parameters.cell"),
        (
            running().with("storageGB", 49),
            "FieldInvalid spec.parameters.storageGB",
        ),
        (running().with("tier", "C2"), "TierLowered spec.parameters.tier"),
    ] {
        assert_eq!(update(&running(), &new).by_crossplane().answer().refused(), [problem]);
    }
}

#[test]
fn only_the_exact_account_is_crossplane() {
    let new = running().set("/spec/crossplane/resourceRefs", json!([]));
    for user in [
        "",
        "crossplane",
        "system:serviceaccount:crossplane-system:crossplane2",
        "system:serviceaccount:crossplane-system2:crossplane",
        "System:serviceaccount:crossplane-system:crossplane",
    ] {
        assert!(!update(&running(), &new).by(user).answer().allowed(), "{user}");
    }
    let mut elsewhere = update(&running(), &new).by("system:serviceaccount:xp:xp");
    assert!(!elsewhere.answer().allowed());
    elsewhere.settings.crossplane_account = "system:serviceaccount:xp:xp".to_owned();
    elsewhere.answer().untouched();
}

#[test]
fn an_operator_rolls_a_composition_out() {
    for (pointer, value) in [
        (
            "/spec/crossplane/compositionRevisionRef",
            json!({"name": "mysql-aws-2"}),
        ),
        ("/spec/crossplane/compositionRevisionRef/name", json!("mysql-aws-2")),
        ("/spec/crossplane/compositionUpdatePolicy", json!("Manual")),
        ("/spec/crossplane/compositionUpdatePolicy", json!("Automatic")),
    ] {
        let new = running().set(pointer, value);
        update(&running(), &new).by_operator().answer().untouched();
        if new != running() {
            assert!(!update(&running(), &new).answer().allowed());
        }
    }
    // Where there was none yet.
    let new = placed().set("/spec/crossplane/compositionUpdatePolicy", "Manual");
    update(&placed(), &new).by_operator().answer().untouched();
    assert_eq!(
        update(&placed(), &new).answer().refused(),
        ["PlacementChanged spec.crossplane.compositionUpdatePolicy"]
    );
}

#[test]
fn an_operators_value_that_crossplanes_schema_would_refuse_is_refused_here() {
    for value in [
        json!("x"),
        json!([]),
        json!(1),
        json!({}),
        json!({"name": ""}),
        json!({"name": 1}),
        json!({"name": null}),
        json!({"name": "x", "uid": "y"}),
        json!({"names": "x"}),
    ] {
        let new = running().set("/spec/crossplane/compositionRevisionRef", value.clone());
        assert_eq!(
            update(&running(), &new).by_operator().answer().one_problem(),
            (
                "FieldInvalid".to_owned(),
                "spec.crossplane.compositionRevisionRef".to_owned(),
                "must be a mapping with the name of a revision: {name: …}".to_owned()
            ),
            "{value}"
        );
    }
}

#[test]
fn every_changed_part_is_named_at_once_and_nothing_is_put_back() {
    let new = bare()
        .with("provider", "gcp")
        .with("network", json!({"vpcId": "other", "more": "x"}))
        .set("/spec/crossplane/compositionRef/name", "mysql-gcp")
        .set(REASON, "because")
        .with("cell", "billing");
    assert_eq!(
        update(&running(), &new).answer().refused(),
        [
            "PlacementChanged spec.parameters.provider".to_owned(),
            "PlacementChanged spec.parameters.network.vpcId".to_owned(),
            "PlacementChanged spec.parameters.network.more".to_owned(),
            format!("PlacementChanged {REASON_FIELD}"),
            "PlacementChanged spec.crossplane.compositionRef.name".to_owned(),
            "FieldFixed spec.parameters.cell".to_owned(),
        ]
    );
}

#[test]
fn keys_with_slashes_and_tildes_are_put_back_where_they_were() {
    let stored = running()
        .set("/spec/parameters/network/a~1b~0c~01", "x")
        .set("/spec/crossplane/~0~1", json!({"/": "~"}));
    assert_eq!(update(&stored, &running()).answer().patched(), stored);
}

#[test]
fn a_terminating_claim_keeps_its_placement_all_the_same() {
    let stored = running().terminating();
    assert_eq!(update(&stored, &bare()).answer().patched(), running());
    for who in [Who::Plain, Who::Operator] {
        for (pointer, _) in PARTS
            .into_iter()
            .filter(|(pointer, _)| pointer.contains("parameters") || *pointer == REASON)
        {
            assert!(
                !who.writes(&stored, &stored.clone().set(pointer, "x"))
                    .answer()
                    .allowed(),
                "{pointer}"
            );
        }
    }
    for field in ["cell", "environment"] {
        for new in [
            stored.clone().with(field, "dev"),
            stored.clone().without(field),
            stored.clone().with(field, Value::Null),
        ] {
            assert_eq!(
                update(&stored, &new).answer().refused(),
                [format!("FieldFixed spec.parameters.{field}")]
            );
        }
    }
}

#[test]
fn what_mutate_made_is_left_alone_when_it_comes_again() {
    for tier in ["C0", "C1", "C2", "c2"] {
        for ha in [true, false] {
            for crossplane in [json!(null), json!({}), json!({"compositionUpdatePolicy": "Manual"})] {
                let claim = bare()
                    .with("tier", tier)
                    .with("ha", ha)
                    .set("/spec/crossplane", crossplane)
                    .placed();
                update(&claim, &claim).answer().untouched();
                assert_eq!(update(&claim, &claim).answer().outcome, Outcome::Unchanged);
            }
        }
    }
    let repaired = update(&running(), &bare()).answer().patched();
    update(&running(), &repaired).answer().untouched();
    update(&repaired, &repaired).answer().untouched();
}
