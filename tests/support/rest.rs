//! A client of the REST API, and what its answers have in common.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test helper: a failure is to fail the test that called it, and not every test file uses all of it"
)]

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::server::{Connection, Response};

/// Somebody who asks.
#[derive(Clone, Debug)]
pub struct Rest {
    pub address: SocketAddr,
    pub token: Option<String>,
}

/// What is answered.
#[derive(Debug)]
pub struct Told {
    pub status: u16,
    pub response: Response,
    /// Null where there is none, or it is no JSON.
    pub body: Value,
}

impl Told {
    /// Fails unless it has this status; gives the body.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#?}", self.response);
        self.body
    }

    /// Fails unless it is this problem, in the form that all have; gives the body.
    #[track_caller]
    pub fn problem(self, status: u16, word: &str) -> Value {
        assert_eq!(
            self.response.header("content-type"),
            ["application/problem+json"],
            "{:#?}",
            self.response
        );
        let body = self.is(status);
        assert_eq!(
            body["type"],
            format!("https://platform.example.org/problems/{word}"),
            "{body:#}"
        );
        assert_eq!(body["status"], status, "{body:#}");
        for field in ["title", "detail"] {
            assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{body:#}");
        }
        body
    }

    /// Fails unless exactly this is wrong, as `reason field`.
    #[track_caller]
    pub fn invalid(self, errors: &[&str]) -> Value {
        let body = self.problem(400, "invalid");
        let told: Vec<String> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| {
                assert!(!error["message"].as_str().unwrap().is_empty(), "{body:#}");
                format!(
                    "{} {}",
                    error["reason"].as_str().unwrap(),
                    error["field"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(told, errors, "{body:#}");
        body
    }
}

impl Rest {
    /// The same server, asked by somebody else.
    pub fn by(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// Sends a request with these headers beside the usual ones.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Told {
        let mut connection = Connection::plain(self.address).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += "Host: localhost\r\n";
        }
        if let Some(token) = &self.token {
            write!(head, "Authorization: Bearer {token}\r\n").unwrap();
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        connection.send([head.as_bytes(), b"\r\n", body].concat());
        let response = connection.response();
        Told {
            status: response.status,
            body: serde_json::from_str(&response.body).unwrap_or_default(),
            response,
        }
    }

    pub fn get(&self, path: &str) -> Told {
        self.send("GET", path, &[], b"")
    }

    /// Every page of a list that is asked for like this, to its end.
    pub fn pages(&self, query: &str) -> Vec<Vec<Value>> {
        let (mut pages, mut from) = (Vec::new(), String::new());
        loop {
            let mut page = self.get(&format!("/api/mysql?{query}{from}")).is(200);
            let Value::Array(claims) = page["claims"].take() else {
                panic!("{page:#}");
            };
            pages.push(claims);
            let Some(next) = page["continue"].as_str() else {
                return pages;
            };
            from = format!("&continue={next}");
        }
    }

    pub fn delete(&self, path: &str) -> Told {
        self.send("DELETE", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Told {
        self.send(
            "POST",
            path,
            &[("Content-Type", "application/json")],
            body.to_string().as_bytes(),
        )
    }
}

/// A request for a database that goes to AWS, with changes; null takes a field out.
pub fn database(namespace: &str, name: &str, changes: Value) -> Value {
    let mut request = json!({
        "namespace": namespace, "name": name, "cell": "payments", "tier": "C1", "environment": "prod", "size": "medium",
        "storageGB": 50, "ha": true,
    });
    for (field, value) in changes.as_object().unwrap() {
        if value.is_null() {
            request.as_object_mut().unwrap().remove(field);
        } else {
            request[field] = value.clone();
        }
    }
    request
}

/// The name of a claim in a list.
pub fn name_of(claim: &Value) -> String {
    claim["name"].as_str().unwrap().to_owned()
}
