//! REST with the embedded store, against a floor in the same run: a bare axum route that reads the body and answers fixed
//! bytes of the same length. A new claim is a write that is flushed to the disk before it is answered; beside it stands what
//! one such write of as many bytes costs without us. Then 5,000 claims, listed and filtered.
//!
//! `cargo bench --bench api`

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark may end at the first surprise"
)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::any;
use axum_server::accept::NoDelayAcceptor;

const CONNECTIONS: usize = 10;
const RUNS: usize = 5;
const CLAIMS: usize = 5_000;

/// Numbers of claims that are asked for once only.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A kind of request: its name, how many there are in a run, and how one is made.
type Requests = (&'static str, usize, fn() -> String);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "floor") {
        return floor(args[2].parse().expect("a number"));
    }
    let dir = tempfile::tempdir().expect("a folder");
    let ours = Server::ours(&format!("embedded:{}", dir.path().join("claims.redb").display()));
    ours.ask(&post("/api/mysql", &database("kept")));
    println!("{CONNECTIONS} connections; medians of {RUNS} runs");
    println!("| request | answer | p50: floor | ours | ratio | p99: floor | ours | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    let kinds: [Requests; 4] = [
        ("POST, new", 500, || {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            post("/api/mysql", &database(&format!("db-{number}")))
        }),
        ("POST, sticky", 5_000, || post("/api/mysql", &database("kept"))),
        ("GET status", 5_000, || get("/api/status/mysql/orders/kept")),
        ("POST placement", 5_000, || {
            post("/api/placement", &database("not-kept"))
        }),
    ];
    for (name, requests, request) in kinds {
        let length = ours.ask(&request()).len();
        let floor = Server::floor(length);
        let mut rows = Vec::new();
        for _ in 0..RUNS {
            rows.push((load(&floor, requests, request), load(&ours, requests, request)));
        }
        let column = |pick: fn(&[Duration]) -> Duration| {
            let floor = median(rows.iter().map(|(floor, _)| pick(floor)).collect());
            let ours = median(rows.iter().map(|(_, ours)| pick(ours)).collect());
            format!(
                "{floor:.1?} | {ours:.1?} | {:.1}",
                ours.as_secs_f64() / floor.as_secs_f64()
            )
        };
        let p50 = column(|took| took[took.len() / 2]);
        let p99 = column(|took| took[took.len() * 99 / 100]);
        println!("| {name} | {length} B | {p50} | {p99} |");
    }
    println!("one write of 2.5 KB flushed to this disk: {:.1?}", flushed(dir.path()));
    many(&ours);
}

/// 5,000 claims, listed and filtered.
fn many(ours: &Server) {
    for number in 0..CLAIMS {
        ours.ask(&post("/api/mysql", &database(&format!("many-{number}"))));
    }
    for query in [
        "limit=500",
        "limit=1000",
        "limit=1000&provider=gcp",
        "limit=1000&namespace=nobody",
    ] {
        let mut took = Vec::new();
        let (mut pages, mut bytes) = (0, 0);
        for _ in 0..RUNS {
            (pages, bytes) = (0, 0);
            let began = Instant::now();
            let mut from = String::new();
            loop {
                let page = ours.ask(&get(&format!("/api/mysql?{query}{from}")));
                pages += 1;
                bytes += page.len();
                let page: serde_json::Value = serde_json::from_slice(&page).expect("JSON");
                let Some(next) = page["continue"].as_str() else { break };
                from = format!("&continue={next}");
            }
            took.push(began.elapsed());
        }
        println!(
            "all of {CLAIMS} claims by {query}: {:.1?}, {pages} pages, {bytes} bytes",
            median(took)
        );
    }
}

/// What a write and its flush cost here.
fn flushed(dir: &std::path::Path) -> Duration {
    let mut file = File::create(dir.join("floor")).expect("a file");
    let took = (0..100).map(|_| {
        let began = Instant::now();
        file.write_all(&[b'x'; 2500]).expect("a write");
        file.sync_data().expect("a flush");
        began.elapsed()
    });
    median(took.collect())
}

fn database(name: &str) -> String {
    format!(
        r#"{{"namespace":"orders","name":"{name}","cell":"payments","tier":"C1","environment":"prod","size":"medium","storageGB":50,"ha":true}}"#
    )
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort();
    values[values.len() / 2]
}

/// How long each request took, shortest first.
fn load(server: &Server, requests: usize, request: fn() -> String) -> Vec<Duration> {
    let address = server.address;
    let client = |_| {
        thread::spawn(move || {
            let mut client = Client::connect(address);
            let ask = |_| {
                let request = request();
                let began = Instant::now();
                client.ask(&request);
                began.elapsed()
            };
            (0..requests / CONNECTIONS).map(ask).collect::<Vec<_>>()
        })
    };
    let clients: Vec<_> = (0..CONNECTIONS).map(client).collect();
    let mut took: Vec<Duration> = clients
        .into_iter()
        .flat_map(|client| client.join().expect("a client"))
        .collect();
    took.sort();
    took
}

/// The least that a server of this make can do.
fn floor(length: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("http://{}", listener.local_addr().expect("an address"));
    let answer = Bytes::from(vec![b'x'; length]);
    let router = Router::new().fallback(any(move |_body: Bytes| async move { answer }));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async move {
            let server = axum_server::from_tcp(listener)
                .expect("a listener")
                .acceptor(NoDelayAcceptor::new());
            server.serve(router.into_make_service()).await.expect("serving");
        });
}

/// A server process; it ends with this.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn ours(store: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idp-multicloud"));
        Self::start(command.args([
            "--admission-addr",
            "off",
            "--api-addr",
            "127.0.0.1:0",
            "--ops-addr",
            "off",
            "--store",
            store,
        ]))
    }

    fn floor(length: usize) -> Self {
        Self::start(Command::new(std::env::current_exe().expect("a path")).args(["floor", &length.to_string()]))
    }

    /// Starts a server that prints its address as `http://ADDRESS`.
    fn start(command: &mut Command) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.split_once("http://")?.1.split_whitespace().next()?.parse().ok())
            .expect("an address");
        Self { process, address }
    }

    fn ask(&self, request: &str) -> Vec<u8> {
        Client::connect(self.address).ask(request)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self(BufReader::with_capacity(64 * 1024, stream))
    }

    /// The body of the answer.
    fn ask(&mut self, request: &str) -> Vec<u8> {
        self.0.get_mut().write_all(request.as_bytes()).expect("sent");
        let mut length = 0;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            self.0.read_line(&mut line).expect("a header");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        body
    }
}
