//! Any bytes on any listener: an answer or a closed connection, and the server goes on.

use std::net::SocketAddr;
use std::thread;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};

use crate::support::server::{Connection, REVIEW, Server, UID, any_certificate, assert_placed, head};

fn listeners(server: &Server) -> [SocketAddr; 3] {
    [server.admission(), server.api(), server.ops()].map(Option::unwrap)
}

/// Sends the bytes and no more; fails unless the server then closes the connection.
fn thrown_at(mut connection: Connection, bytes: &[u8]) -> String {
    // The server may have closed it before the last byte.
    let _ = connection.try_send(bytes);
    connection.finish();
    connection.rest()
}

/// What a client that speaks TLS sends first.
fn client_hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(any_certificate(rustls::ALL_VERSIONS), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn bytes_of_another_protocol_end_the_connection_and_nothing_else() {
    let server = Server::start(&[]);
    let hello = client_hello();
    let mut speeches = vec![
        b"".to_vec(),
        b"\0".repeat(100_000),
        b"\xff".repeat(100_000),
        b"\r\n".repeat(1000),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET /\r\n\r\n".to_vec(),
        b"POST /mutate HTTP/1.1\r\n\r\n".to_vec(),
        [b"GET /", &*b"x".repeat(1 << 20), b" HTTP/1.1\r\n\r\n"].concat(),
        ["GET / HTTP/1.1\r\n", &"a: b\r\n".repeat(10_000), "\r\n"]
            .concat()
            .into_bytes(),
    ];
    // Whole, cut off, changed, followed by rubbish, and more than once.
    speeches.extend([1, 3, 5, 6, 40, hello.len() - 1, hello.len()].map(|end| hello[..end].to_vec()));
    speeches.extend([0, 1, 4, 5, 9, 43, 60].map(|at| {
        let mut changed = hello.clone();
        changed[at] ^= 0x55;
        changed
    }));
    speeches.push([&hello[..], b"GET / HTTP/1.1\r\n\r\n"].concat());
    speeches.push(hello.repeat(3));
    for address in listeners(&server) {
        for speech in &speeches {
            thrown_at(Connection::plain(address).unwrap(), speech);
        }
    }
    server.assert_unharmed();
}

#[test]
fn half_requests_and_lies_about_the_length_end_the_connection_and_nothing_else() {
    let server = Server::start(&[]);
    let whole = [head("/mutate", REVIEW.len()), REVIEW.to_owned()].concat();
    for end in (0..whole.len()).step_by(97) {
        let answer = thrown_at(server.connect(), &whole.as_bytes()[..end]);
        assert!(!answer.contains("\"allowed\":true"), "{end}: {answer}");
    }

    // The length says less than there is: what is read is no review, and the rest is no request.
    let answer = thrown_at(
        server.connect(),
        &[head("/mutate", 100).as_bytes(), REVIEW.as_bytes()].concat(),
    );
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && !answer.contains("allowed"),
        "{answer}"
    );
    // The length says more.
    let answer = thrown_at(
        server.connect(),
        &[head("/mutate", 1 << 20).as_bytes(), REVIEW.as_bytes()].concat(),
    );
    assert!(!answer.contains("allowed"), "{answer}");
    // After a whole review comes rubbish.
    let answer = thrown_at(
        server.connect(),
        &[whole.as_bytes(), b"\0\0\0\0 rubbish\r\n\r\n"].concat(),
    );
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("HTTP/1.1 400 "),
        "{answer}"
    );

    for lengths in [
        "Content-Length: -1",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: 1e3",
        "Content-Length: 2\r\nContent-Length: 3",
        "Transfer-Encoding: gzip",
    ] {
        let head = format!("POST /mutate HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n");
        let answer = thrown_at(server.connect(), &[head.as_bytes(), REVIEW.as_bytes()].concat());
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{lengths}: {answer}"
        );
        assert!(!answer.contains("\"allowed\":true"), "{lengths}: {answer}");
    }
    for chunks in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "5\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}",
        "2\r\n{}",
        "-2\r\n{}\r\n",
    ] {
        let head = "POST /mutate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = thrown_at(server.connect(), [head, chunks].concat().as_bytes());
        assert!(!answer.contains("allowed"), "{chunks}: {answer}");
    }
    server.assert_unharmed();
}

#[test]
fn arbitrary_bytes_on_every_listener_are_answered_or_the_connection_closed() {
    let server = Server::start(&["--log=off"]);
    let listeners = listeners(&server);
    let paths = prop::sample::select(vec![
        "/mutate",
        "/validate",
        "/health",
        "/livez",
        "/readyz",
        "/metrics",
        "/%00",
        "*",
    ]);
    let methods = prop::sample::select(vec![
        "GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "\u{1}",
    ]);
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    let config = Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&(methods, paths, bytes), |(method, path, bytes)| {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                bytes.len()
            );
            let request = [head.as_bytes(), &bytes].concat();
            let headers = [b"POST /mutate HTTP/1.1\r\n", &bytes[..]].concat();
            for speech in [&bytes, &request, &headers] {
                for address in listeners {
                    thrown_at(Connection::plain(address).unwrap(), speech);
                }
                let answer = thrown_at(server.connect(), speech);
                prop_assert!(!answer.contains("\"allowed\":true"), "{answer}");
            }
            Ok(())
        })
        .unwrap();
    server.assert_unharmed();
}

/// Every way to a value in a review.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (at_index, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{at_index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_review_with_anything_in_it_replaced_is_answered() {
    let server = Server::start(&["--log=off"]);
    let whole: Value = serde_json::from_str(REVIEW).unwrap();
    let mut found = Vec::new();
    pointers(&whole, "", &mut found);
    let replacements = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!("\u{0}\u{202e}\u{1b}[31m"),
        json!("x".repeat(10_000)),
        json!([[[[]]]]),
        json!({"a": {"b": {"": null}}}),
    ];
    thread::scope(|scope| {
        for (path, at) in [("/mutate", 0), ("/validate", 3)] {
            let (server, whole, found, replacements) = (&server, &whole, &found, &replacements);
            scope.spawn(move || {
                let mut connection = server.connect();
                for (pointer, n) in found.iter().zip(at..) {
                    for replacement in replacements.iter().cycle().skip(n).step_by(3).take(4) {
                        let mut review = whole.clone();
                        *review.pointer_mut(pointer).unwrap() = replacement.clone();
                        let response = connection.post(path, review.to_string());
                        let readable = ["", "/apiVersion", "/kind", "/request", "/request/uid"].contains(&&**pointer);
                        if readable && response.status == 400 {
                            continue;
                        }
                        let answer = response.review();
                        assert_eq!(response.status, 200, "{pointer} {replacement}: {response:?}");
                        if pointer != "/request/uid" {
                            assert_eq!(answer["uid"], UID, "{pointer} {replacement}: {response:?}");
                        }
                    }
                }
            });
        }
    });
    server.assert_unharmed();
}

#[test]
fn bytes_of_no_text_inside_a_review_are_answered() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for at in ["payments-db", "C1", "prod", "CREATE", "dev@example.org", UID] {
        for bytes in [
            &b"\xff\xfe"[..],
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\\ud800",
            b"\\u0000",
            b"\x01",
            b"\"",
        ] {
            let cut = REVIEW.find(at).unwrap();
            let review = [&REVIEW.as_bytes()[..cut], bytes, &REVIEW.as_bytes()[cut..]].concat();
            let response = connection.post("/mutate", review);
            assert!([200, 400].contains(&response.status), "{at} {bytes:?}: {response:?}");
        }
    }
    assert_placed(&connection.post("/mutate", REVIEW));
    server.assert_unharmed();
}
