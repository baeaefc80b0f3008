//! A collector of traces: it takes what an OpenTelemetry SDK sends by OTLP over HTTP, or does not.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test helper: a failure is to fail the test that called it, and not every test file uses all of it"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// It is answered with this status.
    With(u16),
    /// It is never answered.
    Never,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Request line and header lines, in lower case.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A running collector.
pub struct Collector {
    address: SocketAddr,
    scheme: &'static str,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Collector {
    /// Starts one on a free port.
    pub fn start(answers: Answers) -> Self {
        Self::over(None, answers)
    }

    /// Starts one that is called over TLS, where there is a configuration for it.
    pub fn over(tls: Option<Arc<ServerConfig>>, answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector = Self {
            address: listener.local_addr().unwrap(),
            scheme: if tls.is_some() { "https" } else { "http" },
            sent: Arc::default(),
        };
        let sent = Arc::clone(&collector.sent);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sent, tls) = (Arc::clone(&sent), tls.clone());
                thread::spawn(move || match tls {
                    None => converse(stream, &sent, answers),
                    Some(tls) => {
                        let tls = ServerConnection::new(tls).unwrap();
                        converse(StreamOwned::new(tls, stream), &sent, answers);
                    }
                });
            }
        });
        collector
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }

    /// The command, told to send its traces here, at once.
    pub fn for_traces_of(&self, mut command: Command) -> Command {
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", self.url())
            .env("OTEL_BSP_SCHEDULE_DELAY", "50");
        command
    }

    /// Everything that came.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// Every span that came.
    pub fn spans(&self) -> Vec<Span> {
        let requests = self.sent().into_iter().map(|sent| decoded(&sent));
        let scopes = requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|of| of.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The spans of that trace by name, a line each: below their parents, in the order of their beginnings.
    pub fn tree(&self, trace: &str) -> String {
        let mut spans = self.spans();
        spans.retain(|span| hex(&span.trace_id) == trace);
        spans.sort_by_key(|span| (span.start_time_unix_nano, std::cmp::Reverse(span.end_time_unix_nano)));
        let ids: Vec<_> = spans.iter().map(|span| span.span_id.clone()).collect();
        let roots = spans.iter().filter(|span| !ids.contains(&span.parent_span_id));
        roots.map(|root| branch(root, &spans, 0)).collect()
    }

    /// The span of that name in that trace.
    pub fn span(&self, trace: &str, name: &str) -> Span {
        let found = self
            .spans()
            .into_iter()
            .find(|span| hex(&span.trace_id) == trace && span.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {trace}: {}", self.tree(trace)))
    }
}

fn branch(span: &Span, spans: &[Span], depth: usize) -> String {
    let below = spans.iter().filter(|below| below.parent_span_id == span.span_id);
    let below: String = below.map(|below| branch(below, spans, depth + 1)).collect();
    format!("{}{}\n{below}", "  ".repeat(depth), span.name)
}

/// A request's spans.
pub fn decoded(sent: &Sent) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(&*sent.body).unwrap()
}

/// Attributes by name, as text.
pub fn attributes(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => format!("{text:?}"),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let all: BTreeMap<_, _> = attributes
        .iter()
        .map(|attribute| (&*attribute.key, text(attribute)))
        .collect();
    assert_eq!(all.len(), attributes.len(), "one of them twice: {attributes:?}");
    all
}

/// An id as headers have it.
pub fn hex(id: &[u8]) -> String {
    let digits: Vec<_> = id.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// Answers requests until the other side has no more.
fn converse(stream: impl Read + Write, sent: &Mutex<Vec<Sent>>, answers: Answers) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).map_or(true, |read| read == 0) {
                return;
            }
        }
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        sent.lock().unwrap().push(Sent { head, body });
        match answers {
            Answers::Never => {}
            Answers::With(status) => {
                let answer = format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n");
                let stream = stream.get_mut();
                if stream
                    .write_all(answer.as_bytes())
                    .and_then(|()| stream.flush())
                    .is_err()
                {
                    return;
                }
            }
        }
    }
}
