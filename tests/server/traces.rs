//! Traces: what a collector gets, in whose trace, and that nobody waits for it.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::crypto::ring;

use crate::support::collector::{Answers, Collector, attributes, decoded, hex};
use crate::support::server::{Connection, REVIEW, Response, Server, UID, assert_placed, binary, eventually, on};

/// A trace, and the span in it that a request comes from.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

const CLAIM: &str = r#"{"namespace": "payments", "name": "orders", "cell": "payments", "tier": "C2",
    "environment": "dev", "size": "small", "storageGB": 50}"#;

fn command() -> Command {
    on(binary(), &["127.0.0.1:0"; 3])
}

/// A server that sends its traces there.
fn traced(collector: &Collector) -> Server {
    Server::run(collector.for_traces_of(command()))
}

/// A request with more header lines.
fn request(line: &str, headers: &[String], body: &str) -> String {
    let length = format!("Content-Length: {}", body.len());
    let before = [
        &format!("{line} HTTP/1.1"),
        "Host: localhost",
        "Content-Type: application/json",
        &length,
    ];
    let lines: Vec<&str> = before.into_iter().chain(headers.iter().map(String::as_str)).collect();
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

fn mutate(server: &Server, traceparent: &str) -> Response {
    let mut connection = server.connect();
    connection.send(request(
        "POST /mutate",
        &[format!("traceparent: {traceparent}")],
        REVIEW,
    ));
    connection.response()
}

fn sampled() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

/// Ends the server, which is to take no longer than this.
fn ends_within(server: &mut Server, most: Duration) {
    let asked = Instant::now();
    server.signal("INT");
    assert_eq!(server.exit_code(), 0);
    assert!(asked.elapsed() < most, "{:?}", asked.elapsed());
}

#[test]
fn a_review_is_a_trace_of_its_parts_in_its_callers_trace() {
    let collector = Collector::start(Answers::With(200));
    let mut command = collector.for_traces_of(command());
    command
        .env("OTEL_SERVICE_NAME", "placer")
        .env("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=placer-0,service.name=another")
        .env(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "X-Tenant=idp, authorization=Bearer%20t0ken",
        );
    let mut server = Server::run(command);
    let placed = mutate(&server, &sampled());
    assert_placed(&placed);
    let digest = placed.review()["auditAnnotations"]["digest"].clone();
    for path in ["/livez", "/readyz", "/metrics"] {
        server.get(path);
    }
    ends_within(&mut server, Duration::from_secs(4));

    assert_eq!(collector.tree(TRACE), "POST /mutate\n  parse\n  decide\n  patch\n");
    assert_eq!(collector.spans().len(), 4, "health and metrics are no part of it");
    let span = collector.span(TRACE, "POST /mutate");
    assert_eq!((hex(&span.parent_span_id), span.kind), (SPAN.to_owned(), 2), "{span:?}");
    let revision = server.revision();
    let text = |text: &str| format!("{text:?}");
    assert_eq!(
        attributes(&span.attributes).into_iter().collect::<Vec<_>>(),
        [
            ("admission.catalog", text(&revision)),
            ("admission.causes", text("")),
            ("admission.digest", text(digest.as_str().unwrap())),
            ("admission.dry_run", "false".to_owned()),
            ("admission.name", text("payments-db")),
            ("admission.namespace", text("payments")),
            ("admission.operation", text("CREATE")),
            ("admission.outcome", text("placed")),
            ("admission.policies", text("")),
            ("admission.uid", text(UID)),
            ("admission.user", text("dev@example.org")),
            ("admission.winner", text("aws-us-east-1")),
            ("http.request.method", text("POST")),
            ("http.response.status_code", "200".to_owned()),
            ("http.route", text("/mutate")),
        ]
    );
    for name in ["parse", "decide", "patch"] {
        assert_eq!(attributes(&collector.span(TRACE, name).attributes).len(), 0, "{name}");
    }

    let sent = &collector.sent()[0];
    for line in [
        "post /v1/traces http/1.1",
        "content-type: application/x-protobuf",
        "x-tenant: idp",
        "authorization: bearer t0ken",
    ] {
        assert!(sent.head.lines().any(|sent| sent == line), "{line}: {}", sent.head);
    }
    let request = decoded(sent);
    let resource = attributes(&request.resource_spans[0].resource.as_ref().unwrap().attributes);
    for (name, value) in [
        ("service.name", "placer"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("k8s.pod.name", "placer-0"),
        ("telemetry.sdk.language", "rust"),
    ] {
        assert_eq!(resource.get(name), Some(&text(value)), "{resource:?}");
    }
}

#[test]
fn a_request_to_rest_is_a_trace_down_to_the_store_and_its_log_lines_are_as_ever() {
    let collector = Collector::start(Answers::With(200));
    let lines = |mut server: Server| {
        let ask = |line: &str, body: &str| {
            let mut connection = Connection::plain(server.api().unwrap()).unwrap();
            connection.send(request(line, &[format!("traceparent: {}", sampled())], body));
            connection.response().status
        };
        assert_eq!(ask("POST /api/mysql", CLAIM), 201);
        assert_eq!(ask("GET /api/nothing", ""), 404);
        ends_within(&mut server, Duration::from_secs(4));
        let lines = server.log(&["uid="]).into_iter().chain(server.log(&["request id="]));
        // Neither times nor the id, which is made up.
        let kept = |line: String| {
            let words = line.split(' ').skip(1);
            let differs = |word: &&str| {
                ["duration_us=", "id=", "uid="]
                    .iter()
                    .any(|name| word.starts_with(name))
            };
            words.filter(|word| !differs(word)).collect::<Vec<_>>().join(" ")
        };
        lines.map(kept).collect::<Vec<_>>()
    };
    let with = lines(traced(&collector));
    assert_eq!(
        collector.tree(TRACE),
        "POST /api/mysql\n  store\n  store\n    mutate\n      parse\n      decide\n      patch\n    validate\n      parse\n      decide\nGET\n"
    );
    let spans = collector.spans();
    let done = spans
        .iter()
        .filter_map(|span| attributes(&span.attributes).remove("store.operation"));
    assert_eq!(done.collect::<Vec<_>>(), ["\"get\"", "\"create\""]);
    assert_eq!(
        attributes(&collector.span(TRACE, "mutate").attributes)["admission.outcome"],
        "\"placed\""
    );
    let missed = collector.span(TRACE, "GET");
    assert_eq!(attributes(&missed.attributes)["http.response.status_code"], "404");
    assert_eq!(with.len(), 4, "{with:?}");
    let plain = |line: &String| line.trim().starts_with("INFO admission ") || line.trim().starts_with("INFO request ");
    assert!(with.iter().all(plain), "{with:?}");
    assert_eq!(with, lines(Server::start(&["--log=info,spans=trace"])));
}

#[test]
fn the_api_server_is_asked_in_the_same_trace() {
    let collector = Collector::start(Answers::With(200));
    let cluster = Collector::start(Answers::With(500));
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    let config = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, clusters: [{{name: c, cluster: {{server: \"{}\"}}}}], \
         users: [{{name: c, user: {{}}}}], contexts: [{{name: c, context: {{cluster: c, user: c}}}}]}}",
        cluster.url()
    );
    std::fs::write(&kubeconfig, config).unwrap();
    let mut command = collector.for_traces_of(command());
    command.arg("--store=cluster").env("KUBECONFIG", &kubeconfig);
    let server = Server::run(command);
    for (traceparent, flags) in [(sampled(), "01"), (format!("00-{TRACE}-{SPAN}-00"), "00")] {
        let mut connection = Connection::plain(server.api().unwrap()).unwrap();
        let headers = [
            format!("traceparent: {traceparent}"),
            "Authorization: Bearer t".to_owned(),
        ];
        connection.send(request("GET /api/mysql?namespace=payments", &headers, ""));
        connection.response();
        let asked = cluster.sent().pop().unwrap().head;
        let passed = asked
            .lines()
            .find_map(|line| line.strip_prefix("traceparent: "))
            .unwrap();
        let parts: Vec<_> = passed.split('-').collect();
        assert_eq!((parts[1], parts[3]), (TRACE, flags), "{asked}");
        if flags == "01" {
            eventually("the spans are there", || collector.spans().len() == 2);
            assert_eq!(hex(&collector.span(TRACE, "store").span_id), parts[2]);
        }
    }
}

#[test]
fn a_caller_that_does_not_sample_is_heeded_and_one_that_talks_nonsense_is_not() {
    let collector = Collector::start(Answers::With(200));
    let mut server = traced(&collector);
    assert_placed(&mutate(&server, &format!("00-{TRACE}-{SPAN}-00")));
    for nonsense in [
        "",
        "00",
        "00-0-0-01",
        &format!("00-{}-{SPAN}-01", "0".repeat(32)),
        &"9".repeat(4000),
    ] {
        assert_placed(&mutate(&server, nonsense));
    }
    ends_within(&mut server, Duration::from_secs(4));
    let spans = collector.spans();
    let roots: Vec<_> = spans.iter().filter(|span| span.name == "POST /mutate").collect();
    assert_eq!(roots.len(), 5, "{spans:?}");
    assert!(roots.iter().all(|span| span.parent_span_id.is_empty()), "{roots:?}");
    assert_eq!(collector.tree(TRACE), "");
}

#[test]
fn nothing_is_sent_unless_it_is_asked_for() {
    let collector = Collector::start(Answers::With(200));
    for (name, value) in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
    ] {
        let mut command = collector.for_traces_of(command());
        command.env(name, value);
        let mut server = Server::run(command);
        assert_placed(&mutate(&server, &sampled()));
        ends_within(&mut server, Duration::from_secs(4));
        assert_eq!(collector.sent().len(), 0, "{name}={value}");
    }
}

#[test]
fn a_collector_that_does_not_take_spans_costs_nothing_but_the_spans() {
    // Nobody listens there any more.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (refuses, silent) = (Collector::start(Answers::With(400)), Collector::start(Answers::Never));
    thread::scope(|scope| {
        for (endpoint, why) in [
            (format!("http://{away}"), "Connection refused"),
            (refuses.url(), "status code: 400"),
            (silent.url(), "the end does not wait for the collector any longer"),
        ] {
            scope.spawn(move || does_not_take(&endpoint, why));
        }
    });
}

fn does_not_take(endpoint: &str, why: &str) {
    let mut command = command();
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    let mut server = Server::run(command);
    let mut connection = server.connect();
    for _ in 0..50 {
        let began = Instant::now();
        assert_placed(&connection.post("/mutate", REVIEW));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    eventually("spans are lost", || server.metric("idp_spans_lost_total") >= 1.0);
    server.assert_unharmed();
    drop(connection);
    ends_within(&mut server, Duration::from_secs(6));
    assert!(
        !server.log(&["WARN spans are lost: ", why]).is_empty(),
        "{}",
        server.stderr()
    );
}

#[test]
fn a_collector_is_called_over_tls_if_its_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [trusted, other] = ["trusted", "other"].map(|name| folder.path().join(name));
    std::fs::write(&trusted, pair.cert.pem()).unwrap();
    let another = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&other, another.cert.pem()).unwrap();
    let key = pair.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    let collector = Collector::over(Some(Arc::new(config)), Answers::With(200));
    for (file, spans) in [(other, 0), (trusted, 4)] {
        let mut command = collector.for_traces_of(command());
        command.env("OTEL_EXPORTER_OTLP_CERTIFICATE", file);
        let mut server = Server::run(command);
        assert_placed(&mutate(&server, &sampled()));
        ends_within(&mut server, Duration::from_secs(4));
        assert_eq!(collector.spans().len(), spans, "{}", server.stderr());
    }
}

#[test]
fn a_variable_that_asks_for_what_is_not_there_stops_the_start_in_one_sentence() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
    for (name, value, said) in [
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "is \"grpc\", which is not known here; give http/protobuf, and the endpoint where the collector takes that, usually \
             port 4318",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "http/json",
            "is \"http/json\", which",
        ),
        (
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "gzip",
            "is \"gzip\", which is not known here; give none",
        ),
        ("OTEL_TRACES_EXPORTER", "zipkin", "give otlp, or none for no traces"),
        (
            "OTEL_TRACES_SAMPLER",
            "sometimes",
            "give one of parentbased_always_on, ",
        ),
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "10s",
            "must be a number of milliseconds, such as 10000",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "collector:4318",
            "must be a URL, such as http://",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "ftp://collector",
            "must be a URL, such as http://",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "a=b,s3cret",
            "must be name=value,name=value; number 2 is not: ",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "s3cret\nb=c", "number 1 is not"),
        (
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/nowhere",
            "names a file that cannot be read: ",
        ),
        (
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/dev/null",
            "must name a PEM file with certificates of authorities",
        ),
    ] {
        let mut command = command();
        command.env(endpoint.0, endpoint.1).env(name, value);
        let mut server = Server::spawn(command, Stdio::piped());
        assert_eq!(server.exit_code(), 2, "{name}={value}");
        let stderr = server.stderr();
        assert!(
            stderr.starts_with(&format!("error: {name} ")) && stderr.contains(said) && stderr.lines().count() == 1,
            "{stderr}"
        );
        assert!(!stderr.contains("s3cret"), "{stderr}");
    }
    let mut command = command();
    command
        .env(endpoint.0, endpoint.1)
        .env("OTEL_TRACES_SAMPLER", "traceidratio")
        .env("OTEL_TRACES_SAMPLER_ARG", "50%");
    let mut server = Server::spawn(command, Stdio::piped());
    assert_eq!(server.exit_code(), 2);
    assert_eq!(
        server.stderr(),
        "error: OTEL_TRACES_SAMPLER_ARG must be the share of traces to keep, from 0 to 1\n"
    );
}
