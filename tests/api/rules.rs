//! The rules of the REST API, which are the same wherever claims live.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::support::rest::{Rest, Told, database, name_of};

/// A store with nothing of ours in it but what a case puts there, and somebody who may do everything in one namespace.
pub struct World {
    pub rest: Rest,
    pub namespace: String,
    /// What the store has as the claim of that name.
    pub stored: Stored,
}

/// The claim of a name, if there is one.
pub type Stored = Box<dyn Fn(&str) -> Option<Value> + Send + Sync>;

/// A rule: its name, and what it does.
pub type Rule = (&'static str, fn(&World));

pub const RULES: &[Rule] = &[
    ("a_new_claim_is_stored_and_placed", created),
    ("a_claim_that_is_there_is_returned_as_it_is", sticky),
    (
        "the_answer_about_a_claim_that_is_there_does_not_depend_on_what_else_is_asked",
        sticky_whatever,
    ),
    ("what_only_the_platform_writes_is_refused_all_at_once", forbidden),
    (
        "everything_that_is_wrong_is_told_at_once_each_with_its_field",
        wrong_fields,
    ),
    ("names_are_checked_before_they_go_anywhere", names),
    ("a_claim_that_fits_nowhere_is_told_the_decision", unschedulable),
    ("only_json_is_read_and_not_too_much_of_it", bodies),
    ("a_claim_that_is_not_there_is_404", missing),
    ("claims_are_listed_page_by_page_each_once", pages),
    ("a_list_loses_and_repeats_nothing_while_claims_come_and_go", churn),
    ("lists_are_filtered", filters),
    ("a_list_that_cannot_be_is_refused", bad_lists),
    ("a_disposable_claim_is_deleted_without_a_word", disposable),
    ("a_claim_that_is_kept_is_deleted_once_its_name_is_repeated", kept),
    ("what_if_decides_as_creation_does_and_stores_nothing", what_if),
    ("what_if_says_why_another_candidate_does_not_win", why_not),
    ("what_if_tells_everything_that_is_wrong", what_if_wrong),
    ("the_catalog_says_what_can_be_asked_for", catalog),
    (
        "every_answer_has_an_id_and_is_not_kept_by_caches_nor_shown_to_other_sites",
        headers,
    ),
    ("what_is_not_there_and_what_cannot_be_done_is_a_problem", nowhere),
    ("the_status_is_the_whole_claim_and_no_secret", status),
    (
        "while_others_delete_it_a_claim_is_created_or_returned_or_to_be_asked_for_again",
        comes_and_goes,
    ),
    ("of_two_requests_at_once_one_creates_and_both_hear_of_it", races),
];

impl World {
    fn ask(&self, name: &str, changes: Value) -> Told {
        self.rest.post("/api/mysql", &database(&self.namespace, name, changes))
    }

    fn status(&self, name: &str) -> Told {
        self.rest.get(&format!("/api/status/mysql/{}/{name}", self.namespace))
    }

    fn delete(&self, rest: &str) -> Told {
        self.rest.delete(&format!("/api/mysql/{}/{rest}", self.namespace))
    }

    fn list(&self, query: &str) -> Told {
        self.rest
            .get(&format!("/api/mysql?namespace={}{query}", self.namespace))
    }

    fn what_if(&self, query: &str, changes: Value) -> Told {
        let mut question = database(&self.namespace, "not-kept", changes);
        question.as_object_mut().unwrap().remove("name");
        self.rest.post(&format!("/api/placement{query}"), &question)
    }

    #[track_caller]
    fn claim(&self, name: &str) -> Value {
        (self.stored)(name).unwrap_or_else(|| panic!("wanted: a claim {name}"))
    }
}

fn reason(claim: &Value) -> Value {
    let text = claim["metadata"]["annotations"]["platform.example.org/placement-reason"].as_str();
    serde_json::from_str(text.unwrap()).unwrap()
}

fn created(world: &World) {
    let mut asked = database(&world.namespace, "orders-db", json!({"ha": null, "tier": "c2"}));
    let told = world.rest.post("/api/mysql", &asked);
    let location = told.response.header("location").first().map(|path| (*path).to_owned());
    let body = told.is(201);
    assert_eq!(
        location,
        Some(format!("/api/status/mysql/{}/orders-db", world.namespace))
    );
    let claim = world.claim("orders-db");
    // All six are stored, the one that was left out among them.
    asked["ha"] = false.into();
    for field in ["cell", "tier", "environment", "size", "storageGB", "ha"] {
        assert_eq!(claim["spec"]["parameters"][field], asked[field], "{field}");
    }
    let parameters = &claim["spec"]["parameters"];
    assert_eq!(
        body,
        json!({
            "namespace": world.namespace, "name": "orders-db", "created": true, "differs": [],
            "placement": {
                "provider": "oci", "region": "us-ashburn-1", "runtimeCluster": "oci-iad-prod", "network": parameters["network"],
            },
            "reason": reason(&claim),
            "warnings": [],
        })
    );
    assert_eq!(parameters["provider"], "oci");
    assert_eq!(body["reason"]["winner"]["candidate"], "oci-us-ashburn-1");
    assert_eq!(
        world.rest.get(&location.unwrap()).is(200)["claim"]["spec"],
        claim["spec"]
    );
}

fn sticky(world: &World) {
    let first = world.ask("orders-db", json!({})).is(201);
    let before = world.claim("orders-db");
    let again = world.ask("orders-db", json!({"tier": "c1"})).is(200);
    assert_eq!(again["created"], false);
    assert_eq!(again["differs"], json!([]));
    let other = json!({"tier": "C2", "size": "large", "storageGB": 60, "ha": false, "environment": "dev"});
    let told = world.ask("orders-db", other).is(200);
    assert_eq!(
        told["differs"],
        json!([
            {"field": "tier", "stored": "C1", "asked": "C2"},
            {"field": "environment", "stored": "prod", "asked": "dev"},
            {"field": "size", "stored": "medium", "asked": "large"},
            {"field": "storageGB", "stored": 50, "asked": 60},
            {"field": "ha", "stored": true, "asked": false},
        ])
    );
    for body in [&again, &told] {
        assert_eq!(
            (&body["placement"], &body["reason"]),
            (&first["placement"], &first["reason"])
        );
    }
    assert_eq!(world.claim("orders-db"), before);
}

fn sticky_whatever(world: &World) {
    world.ask("orders-db", json!({})).is(201);
    let before = world.claim("orders-db");
    // It fits nowhere, and this one names a cell that there is not.
    for changes in [json!({"cell": "archive"}), json!({"cell": "nowhere", "tier": "C9"})] {
        let told = world.ask("orders-db", changes.clone()).is(200);
        assert_eq!(told["placement"]["provider"], "aws", "{changes}");
        assert_eq!(told["differs"][0]["asked"], changes["cell"]);
    }
    // What no claim can say is wrong, whatever is there.
    world
        .ask("orders-db", json!({"storageGB": "50", "provider": "gcp"}))
        .invalid(&["PlacementForbidden provider", "FieldType storageGB"]);
    assert_eq!(world.claim("orders-db"), before);
}

fn forbidden(world: &World) {
    for (provider, network) in [
        (json!("aws"), json!({"vpcId": "x"})),
        (json!(null), json!(null)),
        (json!(7), json!("x")),
    ] {
        let mut asked = database(&world.namespace, "orders-db", json!({}));
        asked["provider"] = provider;
        asked["network"] = network;
        asked["region"] = "us-east-1".into();
        asked["runtimeCluster"] = "aws-use1-prod".into();
        world.rest.post("/api/mysql", &asked).invalid(&[
            "PlacementForbidden network",
            "PlacementForbidden provider",
            "PlacementForbidden region",
            "PlacementForbidden runtimeCluster",
        ]);
    }
    assert_eq!((world.stored)("orders-db"), None);
}

fn wrong_fields(world: &World) {
    let body = world
        .ask(
            "orders-db",
            json!({"cell": "nowhere", "tier": 1, "environment": null, "size": "huge", "storageGB": 10, "ha": "yes"}),
        )
        .invalid(&[
            "FieldType tier",
            "FieldMissing environment",
            "FieldInvalid size",
            "FieldInvalid storageGB",
            "FieldType ha",
            "FieldUnknown cell",
        ]);
    let messages = body["errors"].to_string();
    for remedy in [
        "use one of: ",
        "small, medium, large or xlarge",
        "from 50 to 16384",
        "without quotes",
    ] {
        assert!(messages.contains(remedy), "{messages}");
    }
    // What only the catalog knows is told in the same words, and so is what the body has too much.
    world
        .ask("orders-db", json!({"cell": "nowhere", "tier": "C9"}))
        .invalid(&["FieldUnknown cell", "FieldUnknown tier"]);
    world
        .ask("orders-db", json!({"environment": "moon"}))
        .invalid(&["FieldUnknown environment"]);
    world
        .ask("orders-db", json!({"labels": {}, "tier": "C9"}))
        .invalid(&["FieldInvalid labels", "FieldUnknown tier"]);
    assert_eq!((world.stored)("orders-db"), None);
}

fn names(world: &World) {
    let long = "x".repeat(64);
    for name in [
        "",
        "Orders",
        "orders_db",
        "-orders",
        "orders-",
        "a..b",
        "../../secrets",
        "a/b",
        "a%2fb",
        "a b",
        "ü",
        &long,
    ] {
        world.ask(name, json!({})).invalid(&["FieldInvalid name"]);
        let mut elsewhere = database(name, "orders-db", json!({}));
        world
            .rest
            .post("/api/mysql", &elsewhere)
            .invalid(&["FieldInvalid namespace"]);
        elsewhere["namespace"] = 7.into();
        elsewhere["name"] = Value::Null;
        world
            .rest
            .post("/api/mysql", &elsewhere)
            .invalid(&["FieldType namespace", "FieldMissing name"]);
    }
    for path in [
        "Orders",
        "a..b",
        "%2e%2e%2fsecrets",
        "a%20b",
        "%C3%BC",
        "a%2fb",
        "a%3Fb",
        "%0a",
    ] {
        world.status(path).invalid(&["FieldInvalid name"]);
        world.delete(path).invalid(&["FieldInvalid name"]);
        world
            .rest
            .get(&format!("/api/status/mysql/{path}/x"))
            .invalid(&["FieldInvalid namespace"]);
    }
    world.status("%ff").problem(400, "malformed");
    // Dots are fine in a claim's name, as in Kubernetes.
    world.ask("orders.db", json!({})).is(201);
    world.status("orders.db").is(200);
}

fn unschedulable(world: &World) {
    let body = world
        .ask("orders-db", json!({"cell": "archive"}))
        .problem(422, "unschedulable");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.starts_with("0/1 candidate fits: 1 lacks MultiAZ"), "{detail}");
    let decision = &body["decision"];
    assert_eq!(decision["outcome"], "unschedulable");
    assert_eq!(decision["winner"], Value::Null);
    assert_eq!(
        decision["candidates"][0]["failures"],
        json!([{"gate": "Capability", "message": "lacks MultiAZ"}])
    );
    assert_eq!((world.stored)("orders-db"), None);
}

fn bodies(world: &World) {
    let good = database(&world.namespace, "orders-db", json!({})).to_string();
    let send = |kind: &str, body: &[u8]| world.rest.send("POST", "/api/mysql", &[("Content-Type", kind)], body);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ] {
        send(kind, good.as_bytes()).problem(415, "not-json");
    }
    world
        .rest
        .send("POST", "/api/mysql", &[], good.as_bytes())
        .problem(415, "not-json");
    for body in ["", "{", "nothing", "[]", "\"x\"", "null", "{}{}", "{\"cell\": \u{0}}"] {
        send("application/json", body.as_bytes()).problem(400, "malformed");
    }
    send("application/json", b"{\"cell\": \"\xff\"}").problem(400, "malformed");
    send("application/json", "[".repeat(60_000).as_bytes()).problem(400, "malformed");
    send("application/json", &vec![b' '; 65 * 1024]).problem(413, "too-large");
    send("application/json", &vec![b' '; 4 * 1024 * 1024]).problem(413, "too-large");
    assert_eq!((world.stored)("orders-db"), None);
    send("Application/JSON; charset=utf-8", good.as_bytes()).is(201);
}

fn missing(world: &World) {
    for told in [
        world.status("nobody"),
        world.delete("nobody"),
        world.delete("nobody?confirm=nobody"),
    ] {
        let body = told.problem(404, "not-found");
        assert!(body["detail"].as_str().unwrap().contains("nobody"), "{body}");
    }
}

fn pages(world: &World) {
    for number in 0..7 {
        world.ask(&format!("db-{number}"), json!({})).is(201);
    }
    let all: Vec<String> = (0..7).map(|number| format!("db-{number}")).collect();
    for limit in [1, 2, 3, 6, 7, 8] {
        let pages = world
            .rest
            .pages(&format!("namespace={}&limit={limit}", world.namespace));
        assert!(pages.iter().all(|page| page.len() <= limit), "{limit}");
        let (_, full) = pages.split_last().unwrap();
        assert!(full.iter().all(|page| page.len() == limit), "{limit}");
        let seen: Vec<String> = pages.iter().flatten().map(name_of).collect();
        assert_eq!(seen, all, "{limit}");
    }
}

fn churn(world: &World) {
    for filter in ["", "&cell=payments"] {
        let name = |number: usize| format!("{}-{number}", if filter.is_empty() { "all" } else { "some" });
        for number in 0..8 {
            world.ask(&name(number), json!({"environment": "dev"})).is(201);
        }
        let (mut seen, mut from, mut page) = (Vec::new(), String::new(), 0);
        loop {
            let told = world.list(&format!("&limit=2{filter}{from}")).is(200);
            seen.extend(
                told["claims"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|claim| claim["name"].as_str().unwrap().to_owned()),
            );
            let Some(next) = told["continue"].as_str() else { break };
            from = format!("&continue={next}");
            // What was seen goes, and something comes that belongs before it.
            if page < 3 {
                world.delete(&name(page)).is(204);
                world
                    .ask(&format!("aaa-{page}{}", name(page)), json!({"environment": "dev"}))
                    .is(201);
            }
            page += 1;
        }
        seen.retain(|seen| seen.starts_with(if filter.is_empty() { "all" } else { "some" }));
        let wanted: Vec<String> = (0..8).map(name).collect();
        // A claim that is gone by now may be told, and each one once.
        let kept: Vec<&String> = wanted.iter().filter(|name| seen.contains(name)).collect();
        assert_eq!(seen.iter().collect::<Vec<_>>(), kept, "{seen:?}");
        assert!((3..8).all(|number| seen.contains(&name(number))), "{seen:?}");
        for number in 3..8 {
            world.delete(&name(number)).is(204);
        }
    }
}

fn comes_and_goes(world: &World) {
    thread::scope(|scope| {
        for asked in 0..4 {
            scope.spawn(move || {
                for round in 0..30 {
                    let name = format!("db-{}", round % 3);
                    if asked % 2 == 0 {
                        let told = world.ask(
                            &name,
                            json!({"environment": if round % 2 == 0 { "dev" } else { "prod" }}),
                        );
                        assert!([200, 201, 409].contains(&told.status), "{told:?}");
                    } else {
                        let told = world.delete(&format!("{name}?confirm={name}"));
                        assert!([202, 204, 404, 409].contains(&told.status), "{told:?}");
                    }
                }
            });
        }
    });
}

fn filters(world: &World) {
    world.ask("one", json!({})).is(201);
    world.ask("two", json!({"tier": "c2", "ha": false})).is(201);
    world.ask("three", json!({"tier": "C2", "ha": true})).is(201);
    world
        .ask("four", json!({"tier": "C2", "ha": false, "cell": "archive"}))
        .is(201);
    for (query, names) in [
        ("", vec!["four", "one", "three", "two"]),
        ("&tier=C2", vec!["four", "three", "two"]),
        ("&tier=c1", vec!["one"]),
        ("&cell=archive", vec!["four"]),
        ("&provider=oci", vec!["four", "two"]),
        ("&provider=oci&cell=payments&tier=C2", vec!["two"]),
        ("&provider=azure", vec![]),
        ("&provider=&tier=&cell=archive", vec!["four"]),
    ] {
        let body = world.list(query).is(200);
        let seen: Vec<&str> = body["claims"]
            .as_array()
            .unwrap()
            .iter()
            .map(|claim| claim["name"].as_str().unwrap())
            .collect();
        assert_eq!(seen, names, "{query}");
        assert_eq!(body["continue"], Value::Null);
    }
    let body = world.list("&cell=archive").is(200);
    let created = body["claims"][0]["created"].clone();
    assert!(created.as_str().unwrap().ends_with('Z'));
    assert_eq!(
        body["claims"][0],
        json!({
            "namespace": world.namespace, "name": "four", "cell": "archive", "tier": "C2", "environment": "prod",
            "size": "medium", "storageGB": 50, "ha": false, "provider": "oci", "region": "us-ashburn-1",
            "runtimeCluster": "oci-iad-archive", "stage": "placed", "created": created,
        })
    );
}

fn bad_lists(world: &World) {
    world.list("&limit=0").invalid(&["FieldInvalid limit"]);
    world.list("&limit=1001").invalid(&["FieldInvalid limit"]);
    world
        .rest
        .get("/api/mysql?namespace=A&limit=0")
        .invalid(&["FieldInvalid namespace", "FieldInvalid limit"]);
    for limit in ["many", "-1", "99999", "", "1.5"] {
        world.list(&format!("&limit={limit}")).invalid(&["FieldInvalid limit"]);
    }
    for query in ["&colour=red", "&tier=C1&tier=C2"] {
        world.list(query).problem(400, "malformed");
    }
    // What another namespace's list said is nothing here.
    for number in 0..2 {
        world.ask(&format!("db-{number}"), json!({})).is(201);
    }
    let next = world.list("&limit=1").is(200)["continue"].as_str().unwrap().to_owned();
    world.list(&format!("&limit=1&continue={next}")).is(200);
    let elsewhere = world
        .rest
        .get(&format!("/api/mysql?namespace=elsewhere&continue={next}"));
    elsewhere.problem(404, "not-found");
    for from in ["", "x", "..", "0.%26limit=1", "../x", "%00"] {
        world.list(&format!("&continue={from}")).problem(404, "not-found");
    }
}

fn disposable(world: &World) {
    for (name, query) in [("one", ""), ("two", "?confirm=two")] {
        world.ask(name, json!({"environment": "dev"})).is(201);
        let told = world.delete(&format!("{name}{query}"));
        assert_eq!(told.response.body, "");
        told.is(204);
        assert_eq!((world.stored)(name), None);
    }
}

fn kept(world: &World) {
    world.ask("orders-db", json!({})).is(201);
    let before = world.claim("orders-db");
    let body = world.delete("orders-db").problem(409, "confirmation-required");
    assert!(
        body["detail"].as_str().unwrap().contains("?confirm=orders-db"),
        "{body}"
    );
    for wrong in ["", "orders", "ORDERS-DB", "true"] {
        world
            .delete(&format!("orders-db?confirm={wrong}"))
            .problem(409, "confirmation-required");
    }
    world.delete("orders-db?force=true").problem(400, "malformed");
    assert_eq!(world.claim("orders-db"), before);
    world.delete("orders-db?confirm=orders-db").is(204);
    assert_eq!((world.stored)("orders-db"), None);
}

fn what_if(world: &World) {
    for changes in [
        json!({}),
        json!({"tier": "C2"}),
        json!({"tier": "C2", "ha": false, "environment": "dev"}),
    ] {
        let decision = world.what_if("", changes.clone()).is(200);
        let body = world.ask("orders-db", changes).is(201);
        assert_eq!(decision["reason"], body["reason"]);
        assert_eq!(decision["winner"], body["reason"]["winner"]["candidate"]);
        assert_eq!(decision["catalogRevision"], body["reason"]["catalogRevision"]);
        assert_eq!(decision["warnings"], body["warnings"]);
        world.delete("orders-db?confirm=orders-db").is(204);
    }
    let decision = world.what_if("", json!({})).is(200);
    let candidates = decision["candidates"].as_array().unwrap();
    let seen: Vec<Value> = candidates
        .iter()
        .map(|each| json!([each["name"], each["rank"], each["score"]]))
        .collect();
    assert_eq!(
        seen,
        [
            json!(["aws-us-east-1", 1, 0.825]),
            json!(["gcp-us-central1", 2, 0.815]),
            json!(["oci-us-ashburn-1", null, 0.75]),
        ]
    );
    for candidate in candidates {
        let points = candidate["breakdown"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["points"].as_f64().unwrap());
        assert!((points.sum::<f64>() - candidate["score"].as_f64().unwrap()).abs() < 1e-9);
    }
    assert_eq!(decision["summary"], "2/3 candidates fit: 1 lacks MultiAZ");
    let nowhere = world.what_if("", json!({"cell": "archive"})).is(200);
    assert_eq!(
        (&nowhere["outcome"], &nowhere["winner"]),
        (&json!("unschedulable"), &Value::Null)
    );
    assert_eq!(world.list("").is(200)["claims"], json!([]));
}

fn why_not(world: &World) {
    let told = world.what_if("?whyNot=gcp", json!({})).is(200)["whyNot"].clone();
    assert_eq!(told["candidate"], "gcp-us-central1");
    assert_eq!(told["standing"]["kind"], "behind");
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .contains("It would win with cost 0.6901 instead of 0.65."),
        "{told}"
    );
    assert_eq!(world.what_if("", json!({})).is(200).get("whyNot"), None);
    let body = world
        .what_if("?whyNot=azure", json!({}))
        .invalid(&["FieldUnknown whyNot"]);
    assert!(body["detail"].as_str().unwrap().contains("aws-us-east-1"), "{body}");
    world.what_if("?whynot=gcp", json!({})).problem(400, "malformed");
}

fn what_if_wrong(world: &World) {
    world
        .what_if("", json!({"region": "x", "tier": "C9", "size": null}))
        .invalid(&["PlacementForbidden region", "FieldMissing size", "FieldUnknown tier"]);
    world
        .what_if("", json!({"namespace": "A"}))
        .invalid(&["FieldInvalid namespace"]);
    world
        .rest
        .send("POST", "/api/placement", &[], b"{}")
        .problem(415, "not-json");
}

fn catalog(world: &World) {
    let catalog = world
        .rest
        .get(&format!("/api/catalog?namespace={}", world.namespace))
        .is(200);
    let names = |kind: &str| -> BTreeSet<String> {
        catalog[kind]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| each["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("tiers"), ["C0", "C1", "C2"].map(str::to_owned).into());
    assert_eq!(names("cells"), ["archive", "payments"].map(str::to_owned).into());
    assert_eq!(names("providers"), ["aws", "gcp", "oci"].map(str::to_owned).into());
    assert_eq!(catalog["sizes"], json!(["small", "medium", "large", "xlarge"]));
    assert_eq!(catalog["storageGB"], json!({"least": 50, "most": 16384}));
    assert_eq!(catalog["disposableEnvironments"], json!(["dev"]));
    let revision = world.what_if("", json!({})).is(200)["catalogRevision"].clone();
    assert_eq!(catalog["revision"], revision);
    world
        .rest
        .get("/api/catalog?namespace=A")
        .invalid(&["FieldInvalid namespace"]);
    world.rest.get("/api/catalog?x=1").problem(400, "malformed");
}

fn headers(world: &World) {
    let paths = ["/api/mysql?limit=0", "/api/nothing", "/health"];
    for path in paths {
        let told = world.rest.send("GET", path, &[("Origin", "https://evil.example")], b"");
        let id = told.response.header("x-request-id");
        assert_eq!(id.len(), 1, "{path}");
        assert_eq!(id[0].len(), 36, "{path}");
        assert_eq!(told.response.header("cache-control"), ["no-store"], "{path}");
        assert_eq!(told.response.header("x-content-type-options"), ["nosniff"], "{path}");
        let cors = told
            .response
            .head
            .iter()
            .any(|line| line.to_lowercase().starts_with("access-control-"));
        assert!(!cors, "{:#?}", told.response);
        let told = world.rest.send("GET", path, &[("X-Request-Id", "mine-1")], b"");
        assert_eq!(told.response.header("x-request-id"), ["mine-1"]);
        let told = world.rest.send("GET", path, &[("X-Request-Id", "mi ne")], b"");
        assert_ne!(told.response.header("x-request-id"), ["mi ne"]);
    }
    // A page of another site asks first whether it may, and is not told that it may.
    let asked = [
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "DELETE"),
    ];
    let told = world.rest.send("OPTIONS", "/api/mysql/orders/orders-db", &asked, b"");
    let cors = told
        .response
        .head
        .iter()
        .any(|line| line.to_lowercase().starts_with("access-control-"));
    assert!(!cors && told.status == 405, "{:#?}", told.response);
}

fn nowhere(world: &World) {
    for path in [
        "/nothing",
        "/api",
        "/api/mysql/",
        "/api/mysql/a/b/c",
        "/api/status/mysql/a",
        "/mutate",
        "/metrics",
    ] {
        world.rest.get(path).problem(404, "not-found");
    }
    for (method, path, allow) in [
        ("PUT", "/api/mysql", "GET,HEAD,POST"),
        ("PATCH", "/api/mysql/a/b", "DELETE"),
        ("GET", "/api/mysql/a/b", "DELETE"),
        ("GET", "/api/placement", "POST"),
        ("POST", "/api/catalog", "GET,HEAD"),
        ("BREW", "/health", "GET,HEAD"),
    ] {
        let told = world.rest.send(method, path, &[], b"");
        assert_eq!(told.response.header("allow"), [allow], "{method} {path}");
        told.problem(405, "method-not-allowed");
    }
}

fn status(world: &World) {
    world.ask("orders-db", json!({})).is(201);
    let body = world.status("orders-db").is(200);
    assert_eq!(body["claim"], world.claim("orders-db"));
    assert_eq!(body["claim"]["kind"], "MySQLInstanceClaim");
    assert_eq!(body["claim"]["metadata"]["generation"], 1);
    assert_eq!(body["stage"], "placed");
    assert_eq!(body["connectionSecret"], json!({"name": null, "exists": false}));
}

fn races(world: &World) {
    for round in 0..100 {
        let name = format!("race-{round}");
        // Equal ones, and different ones, in turn.
        let [one, other] = [50, 50 + round % 2].map(|gb| database(&world.namespace, &name, json!({"storageGB": gb})));
        let told = thread::scope(|scope| {
            let asked = [&one, &other].map(|request| scope.spawn(|| world.rest.post("/api/mysql", request)));
            asked.map(|asked| asked.join().unwrap())
        });
        let claim = world.claim(&name);
        let created: Vec<bool> = told.iter().map(|told| told.status == 201).collect();
        assert_eq!(created.iter().filter(|created| **created).count(), 1, "{told:#?}");
        for (told, asked) in told.into_iter().zip([&one, &other]) {
            let was_created = told.status == 201;
            let body = told.is(if was_created { 201 } else { 200 });
            assert_eq!(body["reason"], reason(&claim));
            let same = asked["storageGB"] == claim["spec"]["parameters"]["storageGB"];
            // Whoever created it got what was asked for; whoever did not is told of every difference.
            assert_eq!(body["differs"] == json!([]), same, "{body:#}");
            assert!(!was_created || same, "{body:#}");
        }
        assert_eq!(claim["metadata"]["generation"], 1);
    }
}
