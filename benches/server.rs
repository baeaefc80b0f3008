//! The whole server over TLS, HTTP/1.1 keep-alive, ten connections, against a floor in the same run: a bare axum,
//! axum-server and rustls that reads the body and answers fixed bytes of the same length. Then its memory over a million
//! reviews.
//!
//! `cargo bench --bench server`; `cargo bench --bench server -- memory` for the memory alone.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark may end at the first surprise"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use idp_multicloud::certs::{Certificates, Source};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

const REVIEW: &[u8] = include_bytes!("../tests/reviews/create.json");
const CONNECTIONS: usize = 10;
const REQUESTS: usize = 20_000;
const RUNS: usize = 7;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("floor") => floor(args.get(2).expect("how long the answer is").parse().expect("a number")),
        Some("memory") => memory(),
        _ => {
            compare();
            memory();
        }
    }
}

/// The least that a server of this make can do.
fn floor(length: usize) {
    let certificates = Certificates::open(Source::Ephemeral).expect("an ephemeral pair");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("https://{}", listener.local_addr().expect("an address"));
    let answer = Bytes::from(vec![b'x'; length]);
    let router = Router::new().route("/mutate", post(move |_body: Bytes| async move { answer }));
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async move {
            let tls = RustlsAcceptor::new(certificates.tls()).acceptor(NoDelayAcceptor::new());
            let server = axum_server::from_tcp(listener)
                .expect("a listener")
                .acceptor(tls)
                .http1_only();
            server.serve(router.into_make_service()).await.expect("serving");
        });
}

fn compare() {
    let (ours, length) = {
        let ours = Server::ours();
        let length = Client::connect(ours.address).request();
        (ours, length)
    };
    let floor =
        Server::start(Command::new(std::env::current_exe().expect("a path")).args(["floor", &length.to_string()]));
    println!("{CONNECTIONS} connections, {REQUESTS} requests a run, answers of {length} bytes");
    println!("| run | CPU a request: floor | ours | ratio | p99: floor | ours | ratio |");
    println!("|---|---|---|---|---|---|---|");
    let (mut cpu, mut p99) = (Vec::new(), Vec::new());
    for server in [&floor, &ours] {
        load(server, REQUESTS); // warm
    }
    for run in 1..=RUNS {
        let (a, b) = (load(&floor, REQUESTS), load(&ours, REQUESTS));
        cpu.push(b.cpu.as_secs_f64() / a.cpu.as_secs_f64());
        p99.push(b.p99.as_secs_f64() / a.p99.as_secs_f64());
        println!(
            "| {run} | {:?} | {:?} | {:.2} | {:?} | {:?} | {:.2} |",
            a.cpu,
            b.cpu,
            cpu[run - 1],
            a.p99,
            b.p99,
            p99[run - 1]
        );
    }
    println!("median: CPU {:.2}, p99 {:.2}", median(cpu), median(p99));
}

fn memory() {
    let ours = Server::ours();
    let at_start = ours.resident();
    load(&ours, 100_000);
    let at_100_000 = ours.resident();
    load(&ours, 900_000);
    let at_1_000_000 = ours.resident();
    println!(
        "resident: {at_start} KiB at the start, {at_100_000} KiB after 100,000 reviews, {at_1_000_000} KiB after 1,000,000"
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Load {
    /// Of the server, for each request.
    cpu: Duration,
    p99: Duration,
}

fn load(server: &Server, requests: usize) -> Load {
    let before = server.cpu();
    let client = |_| {
        let address = server.address;
        std::thread::spawn(move || {
            let mut client = Client::connect(address);
            let request = |_| {
                let start = Instant::now();
                client.request();
                start.elapsed()
            };
            (0..requests / CONNECTIONS).map(request).collect::<Vec<_>>()
        })
    };
    let clients: Vec<_> = (0..CONNECTIONS).map(client).collect();
    let mut took: Vec<Duration> = clients
        .into_iter()
        .flat_map(|client| client.join().expect("a client"))
        .collect();
    let cpu = server.cpu().saturating_sub(before) / u32::try_from(took.len()).expect("a count");
    took.sort();
    Load {
        cpu,
        p99: took[took.len() * 99 / 100],
    }
}

/// A server process; it ends with this.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn ours() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idp-multicloud"));
        Self::start(command.args([
            "--admission-addr",
            "127.0.0.1:0",
            "--api-addr",
            "off",
            "--ops-addr",
            "off",
        ]))
    }

    /// Starts a server that prints its address as `https://ADDRESS`. Its log goes where a container's would: somewhere
    /// that takes every line.
    fn start(command: &mut Command) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.split_once("https://")?.1.split_whitespace().next()?.parse().ok())
            .expect("an address");
        Self { process, address }
    }

    /// Time that its threads have run, from the scheduler's own count in nanoseconds.
    fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("a process");
        let nanoseconds = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Resident memory in KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a process");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("VmRSS");
        line.split_whitespace()
            .next()
            .and_then(|kib| kib.parse().ok())
            .expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection, kept alive.
struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let mut request = format!(
            "POST /mutate?timeout=10s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            REVIEW.len()
        )
        .into_bytes();
        request.extend_from_slice(REVIEW);
        Self {
            stream: StreamOwned::new(connection, stream),
            request,
            buffer: Vec::new(),
        }
    }

    /// Sends the review and reads the answer; its body's length.
    fn request(&mut self) -> usize {
        self.stream.write_all(&self.request).expect("a request sent");
        self.stream.flush().expect("a request sent");
        self.buffer.clear();
        let mut chunk = [0; 16 * 1024];
        loop {
            let read = self.stream.read(&mut chunk).expect("an answer");
            assert!(read > 0, "the server hung up");
            self.buffer.extend_from_slice(&chunk[..read]);
            let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end]).expect("a header");
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .expect("a length");
            let length: usize = length.parse().expect("a number");
            if self.buffer.len() >= end + 4 + length {
                return length;
            }
        }
    }
}

/// Takes every certificate: what is measured is the server.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
