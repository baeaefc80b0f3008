//! A review in, a review out, over TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

use crate::support::server::{Connection, REVIEW, Server, UID, any_certificate, assert_placed, head, review, trusting};

#[test]
fn a_bare_claim_posted_over_tls_comes_back_placed() {
    let server = Server::start(&[]);
    let response = server.connect().post("/mutate?timeout=10s", REVIEW);
    assert_placed(&response);
    assert_eq!(response.header("content-type"), ["application/json"]);
    let whole: Value = serde_json::from_str(&response.body).unwrap();
    assert_eq!(
        (&whole["apiVersion"], &whole["kind"]),
        (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
    );

    let answer = response.review();
    let patch = STANDARD.decode(answer["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut claim = serde_json::from_str::<Value>(REVIEW).unwrap()["request"]["object"].take();
    json_patch::patch(&mut claim, &patch).unwrap();
    let parameters = &claim["spec"]["parameters"];
    let placement = ["provider", "region", "runtimeCluster"].map(|field| parameters[field].as_str().unwrap());
    assert_eq!(placement, ["aws", "us-east-1", "aws-use1-prod"]);
    assert_eq!(
        claim["spec"]["crossplane"]["compositionSelector"]["matchLabels"]["db.platform.example.org/provider"],
        "aws"
    );

    // What came out of the one webhook satisfies the other, and is not touched by the first.
    let placed = review(|review| review["request"]["object"] = claim);
    let mut connection = server.connect();
    assert_eq!(connection.post("/validate", &placed).review()["allowed"], true);
    assert_eq!(connection.post("/validate", REVIEW).review()["allowed"], false);
}

#[test]
fn the_paths_that_say_to_try_again_are_the_same_webhooks() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for webhook in ["/mutate", "/validate"] {
        let [plain, shown] = ["", "/try-again"].map(|end| connection.post(&format!("{webhook}{end}"), REVIEW));
        assert_eq!((shown.status, &shown.body), (200, &plain.body), "{webhook}");
    }
}

#[test]
fn one_connection_carries_many_reviews_over_either_tls_version() {
    let server = Server::start(&[]);
    for (version, shown) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut connection = server.try_connect(&any_certificate(&[version])).unwrap();
        assert_eq!(
            (connection.version(), connection.alpn()),
            (Some(shown), Some(&b"http/1.1"[..]))
        );
        for _ in 0..20 {
            let response = connection.post("/mutate", REVIEW);
            assert_placed(&response);
            assert!(!response.closes());
        }
    }
    server.assert_unharmed();
}

#[test]
fn without_certificate_files_it_makes_a_pair_that_clients_can_verify() {
    let server = Server::start(&[]);
    let certificate = server.connect().certificate();
    let mut connection = server.try_connect(&trusting(&certificate)).unwrap();
    assert_placed(&connection.post("/mutate", REVIEW));
    server.await_log(&["self-signed"], 1);
    // Each start has its own.
    assert_ne!(Server::start(&[]).connect().certificate(), certificate);
}

#[test]
fn a_body_in_many_small_pieces_is_one_review() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for length in [1, 7, 1000] {
        connection.send("POST /mutate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in REVIEW.as_bytes().chunks(length) {
            connection.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        connection.send("0\r\n\r\n");
        assert_placed(&connection.response());
    }
    connection.send(head("/mutate", REVIEW.len()));
    for piece in REVIEW.as_bytes().chunks(11) {
        connection.send(piece);
    }
    assert_placed(&connection.response());
    // Several requests at once are answered in turn.
    connection.send([head("/mutate", REVIEW.len()), REVIEW.to_owned()].concat().repeat(3));
    for _ in 0..3 {
        assert_placed(&connection.response());
    }
}

#[test]
fn what_is_no_review_gets_an_http_status_and_the_connection_goes_on() {
    let server = Server::start(&[]);
    let without_uid = review(|review| review["request"]["uid"] = Value::Null);
    let beta = review(|review| review["apiVersion"] = json!("admission.k8s.io/v1beta1"));
    let mut connection = server.connect();
    for (body, says) in [
        ("", "no AdmissionReview: EOF while parsing a value at line 1 column 0"),
        ("not JSON", "no AdmissionReview: expected ident at line 1 column 2"),
        ("[1]", "AdmissionReview"),
        ("{}", "admission.k8s.io/v1 AdmissionReview"),
        (&without_uid, "request.uid is missing"),
        (&beta, "admission.k8s.io/v1 AdmissionReview"),
    ] {
        for path in ["/mutate", "/validate"] {
            let response = connection.post(path, body);
            assert_eq!(response.status, 400, "{body}: {response:?}");
            assert!(
                response.body.contains(says) && response.body.ends_with('\n'),
                "{body}: {response:?}"
            );
        }
    }
    for path in ["/mutate", "/validate"] {
        let response = connection.get(path);
        assert_eq!(
            (response.status, response.header("allow")),
            (405, vec!["POST"]),
            "{response:?}"
        );
    }
    for path in ["/", "/mutate/", "/MUTATE", "/validate/x", "/metrics"] {
        // Longer than what comes with the header: the answer must not get lost over what is still to be read.
        assert_eq!(connection.post(path, "x".repeat(1 << 20)).status, 404, "{path}");
    }
    assert_placed(&connection.post("/mutate", REVIEW));
    assert_eq!(server.metric("idp_admission_unreadable_total"), 12.0);
    server.assert_unharmed();
}

/// A review of more than 16 MiB whose uid is where the API server puts it.
fn oversized() -> String {
    REVIEW.replacen(
        "\"annotations\":{",
        &format!("\"annotations\":{{\"long\":\"{}\",", "x".repeat(17 << 20)),
        1,
    )
}

#[test]
fn a_review_of_more_than_16_mib_is_refused_by_its_uid_and_the_connection_goes_on() {
    let server = Server::start(&["--request-timeout=60s"]);
    let review = oversized();
    let mut connection = server.connect();
    let announced = connection.post("/mutate", &review);
    connection.send("POST /mutate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in review.as_bytes().chunks(1 << 20) {
        connection.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    connection.send("0\r\n\r\n");
    for response in [announced, connection.response()] {
        let answer = response.review();
        assert_eq!(
            (response.status, &answer["uid"], &answer["allowed"]),
            (200, &json!(UID), &json!(false))
        );
        assert_eq!(answer["status"]["code"], 403);
    }
    // Where no uid can be found, the status says it.
    let response = connection.post("/mutate", &review[review.len() - (17 << 20)..]);
    assert_eq!(response.status, 413, "{response:?}");
    assert_placed(&connection.post("/mutate", REVIEW));
    server.assert_unharmed();
}

#[test]
fn an_oversized_review_that_does_not_end_is_refused_when_its_time_is_up() {
    let server = Server::start(&[]);
    let beginning = &oversized()[..1 << 20];
    let mut connection = server.connect();
    connection.send([&head("/mutate?timeout=1s", 17 << 20), beginning].concat());
    let response = connection.response();
    assert_eq!((response.status, &response.review()["uid"]), (200, &json!(UID)));
    assert!(response.closes());
    assert_eq!(connection.rest(), "");
    server.assert_unharmed();
}

#[test]
fn a_legal_update_of_2_5_mb_is_read() {
    let server = Server::start(&["--request-timeout=60s"]);
    let long = "x".repeat(1_250_000);
    let review = review(|review| {
        review["request"]["operation"] = json!("UPDATE");
        review["request"]["object"]["metadata"]["annotations"]["long"] = json!(long);
        review["request"]["oldObject"] = review["request"]["object"].clone();
    });
    let answer = server.connect().post("/mutate", review).review();
    assert_eq!((&answer["uid"], &answer["allowed"]), (&json!(UID), &json!(true)));
}

#[test]
fn deep_json_is_refused_by_its_uid() {
    let server = Server::start(&["--request-timeout=60s"]);
    let mut connection = server.connect();
    for depth in [3_000, 1_000_000] {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let body = REVIEW.replace("\"tier\":\"C1\"}}}", &format!("\"tier\":\"C1\",\"deep\":{deep}}}}}}}"));
        assert!(body.len() > 2 * depth);
        let answer = connection.post("/mutate", body).review();
        assert_eq!(
            (&answer["uid"], &answer["allowed"]),
            (&json!(UID), &json!(false)),
            "{depth}"
        );
    }
    server.assert_unharmed();
}

#[test]
fn the_plain_listeners_say_that_the_server_lives_and_is_ready() {
    let server = Server::start(&[]);
    for (path, body) in [("/livez", "ok\n"), ("/readyz", "ready\n")] {
        let response = server.get(path);
        assert_eq!((response.status, &*response.body), (200, body));
    }
    let mut api = Connection::plain(server.api().unwrap()).unwrap();
    assert_eq!((api.get("/health").status, api.get("/mutate").status), (200, 404));
    assert_eq!(server.get("/health").status, 404);
    let verbose = server.get("/readyz?verbose").body;
    for line in [
        "[+]serving ok\n",
        "\n[+]certificate ok: it expires at Unix time ",
        "\n[+]catalog ok: revision ",
        "\nready\n",
    ] {
        assert!(verbose.contains(line), "{verbose}");
    }
    assert_eq!(server.get("/livez?verbose").body, "[+]ping ok\nok\n");
    assert_eq!(server.metric("idp_ready"), 1.0);
}
