//! The real binary as a process of its own, and a client for it that can also misbehave.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "a test helper: a failure is to fail the test that called it, and not every test file uses all of it"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, ProtocolVersion, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use serde_json::Value;
use tempfile::TempDir;

use super::guard::{Guarded, Usage};

/// How long anything may take that is to happen soon, on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// A `CREATE` review of a bare claim, as an API server sends it.
pub const REVIEW: &str = include_str!("../reviews/create.json");

/// The uid of [`REVIEW`].
pub const UID: &str = "6c5a6a5e-3c1f-4a58-9c3e-0f4f5b1f8f11";

/// Waits until `done` says so.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < SOON, "still not: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// [`REVIEW`] with changes.
pub fn review(change: impl FnOnce(&mut Value)) -> String {
    let mut review = serde_json::from_str(REVIEW).unwrap();
    change(&mut review);
    review.to_string()
}

/// A running server; killed when dropped, and also if the test run is.
pub struct Server {
    child: Guarded,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    admission: Option<SocketAddr>,
    api: Option<SocketAddr>,
    ops: Option<SocketAddr>,
    /// Where it keeps claims unless it is told otherwise.
    _state: TempDir,
}

impl Server {
    /// Starts `idp-multicloud` on free ports with more arguments.
    pub fn start(args: &[&str]) -> Self {
        let mut command = on(binary(), &["127.0.0.1:0"; 3]);
        command.args(args);
        Self::run(command)
    }

    /// Starts a command that serves.
    pub fn run(command: Command) -> Self {
        Self::spawn(command, Stdio::piped()).started()
    }

    /// Starts a command that may be about to fail.
    pub fn spawn(mut command: Command, stderr: impl Into<Stdio>) -> Self {
        let state = tempfile::tempdir().unwrap();
        if !command.get_envs().any(|(name, _)| name == "XDG_STATE_HOME") {
            command.env("XDG_STATE_HOME", state.path());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = Guarded::spawn(&mut command);
        let stdout = child.stdout.take().map_or_else(Arc::default, captured);
        let stderr = child.stderr.take().map_or_else(Arc::default, captured);
        Self {
            child,
            stdout,
            stderr,
            admission: None,
            api: None,
            ops: None,
            _state: state,
        }
    }

    /// Waits until it serves.
    pub fn started(mut self) -> Self {
        self.await_greeting();
        self
    }

    fn await_greeting(&mut self) {
        eventually("the server says where it listens", || {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "ended at the start: {}", self.stderr());
            self.stdout().contains("\n  ops ")
        });
        let stdout = self.stdout();
        let address = |name: &str| {
            let line = stdout.lines().find(|line| line.trim_start().starts_with(name))?;
            let address = line.split("://").nth(1)?.split(' ').next()?;
            Some(address.parse().unwrap())
        };
        (self.admission, self.api, self.ops) = (address("admission"), address("api"), address("ops"));
    }

    /// What it wrote on standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// The revision of the catalog that it started with, as its first line ends.
    pub fn revision(&self) -> String {
        let stdout = self.stdout();
        stdout.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned()
    }

    /// What it wrote on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// The log lines so far that contain every one of `parts`.
    pub fn log(&self, parts: &[&str]) -> Vec<String> {
        let stderr = self.stderr();
        let fits = |line: &&str| parts.iter().all(|part| line.contains(part));
        stderr.lines().filter(fits).map(str::to_owned).collect()
    }

    /// Waits for `count` log lines that contain every one of `parts`: a line may come after what it is about is seen
    /// elsewhere, as in a metric.
    #[track_caller]
    pub fn await_log(&self, parts: &[&str], count: usize) {
        let what = format!("{count} lines of the log with {parts:?}");
        eventually(&what, || self.log(parts).len() == count);
    }

    /// Where the webhooks are, if they are.
    pub fn admission(&self) -> Option<SocketAddr> {
        self.admission
    }

    /// Where REST is, if it is.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// Where health and metrics are, if they are.
    pub fn ops(&self) -> Option<SocketAddr> {
        self.ops
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.child.signal(name);
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as the kernel does when memory is short.
    pub fn kill(&mut self) {
        self.child.end();
    }

    /// How much memory it takes, in MiB.
    pub fn resident(&self) -> u64 {
        self.usage().resident / 1024
    }

    /// What it has taken of the machine.
    pub fn usage(&self) -> Usage {
        Usage::of(self.id()).unwrap()
    }

    /// How much processor time it has taken.
    pub fn cpu(&self) -> Duration {
        self.child.cpu()
    }

    /// How it ended, once it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// The exit status, which has to come soon.
    pub fn exit_code(&mut self) -> i32 {
        eventually("the process ends", || self.ended().is_some());
        // What it wrote last may still be on its way through the pipe.
        let closed = |text: &Arc<Mutex<String>>| Arc::strong_count(text) == 1;
        eventually("its output ends", || closed(&self.stdout) && closed(&self.stderr));
        self.ended().unwrap().code().unwrap()
    }

    /// A TLS connection to the webhooks that takes any certificate.
    pub fn connect(&self) -> Connection {
        self.try_connect(&any_certificate(rustls::ALL_VERSIONS)).unwrap()
    }

    /// The same, as the client is configured.
    pub fn try_connect(&self, config: &Arc<ClientConfig>) -> io::Result<Connection> {
        Connection::tls(self.admission.unwrap(), config)
    }

    /// GETs a path of the operators' listener.
    pub fn get(&self, path: &str) -> Response {
        Connection::plain(self.ops.unwrap()).unwrap().get(path)
    }

    /// Every metric.
    pub fn metrics(&self) -> String {
        self.get("/metrics").body
    }

    /// The value of one metric, given with its labels as they are shown; 0 where there is none.
    pub fn metric(&self, name: &str) -> f64 {
        value(&self.metrics(), name).unwrap_or_default()
    }

    /// Fails unless the server serves as if nothing had happened.
    pub fn assert_unharmed(&self) {
        assert_placed(&self.connect().post("/mutate", REVIEW));
        assert_eq!(self.get("/readyz").status, 200);
        eventually("no review is in flight", || {
            self.metric("idp_admission_in_flight") == 0.0
        });
        assert_eq!(self.metric("idp_panics_total"), 0.0);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.end();
        if thread::panicking() {
            eprintln!("standard error of the server:\n{}", self.stderr());
        }
    }
}

/// `idp-multicloud` without settings from our environment.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idp-multicloud"));
    let is_setting = |name: &str| name.starts_with("IDP_") || name.starts_with("OTEL_");
    for (name, _) in std::env::vars().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command
}

/// The command with these addresses for admission, api and ops.
pub fn on(mut command: Command, addresses: &[&str; 3]) -> Command {
    for (flag, address) in ["--admission-addr", "--api-addr", "--ops-addr"].iter().zip(addresses) {
        command.args([flag, address]);
    }
    command
}

fn captured(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    text
}

/// The value of the sample with this name and labels.
pub fn value(metrics: &str, name: &str) -> Option<f64> {
    let sample = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    metrics.lines().find_map(sample)
}

/// Fails unless the response places the claim of [`REVIEW`] on AWS.
pub fn assert_placed(response: &Response) {
    let answer = response.review();
    assert_eq!(
        (response.status, &answer["uid"], &answer["allowed"]),
        (200, &UID.into(), &true.into()),
        "{response:?}"
    );
    assert_eq!(answer["auditAnnotations"]["winner"], "aws-us-east-1", "{response:?}");
}

/// An HTTP response.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Status line and header lines, without their ends.
    pub head: Vec<String>,
    /// The body.
    pub body: String,
}

impl Response {
    /// Every value of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let value = |line: &'_ String| {
            let (key, _) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| key.len() + 1)
        };
        let found = self.head.iter().filter_map(|line| Some(line[value(line)?..].trim()));
        found.collect()
    }

    /// Whether the server ends the connection after it.
    pub fn closes(&self) -> bool {
        self.header("connection") == ["close"]
    }

    /// The `response` of a review.
    pub fn review(&self) -> Value {
        let mut review: Value = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        review["response"].take()
    }
}

/// A connection that sends just what it is told to.
pub struct Connection {
    stream: Stream,
    read: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    /// A connection without TLS.
    pub fn plain(address: SocketAddr) -> io::Result<Self> {
        let tcp = tcp(address)?;
        Ok(Self {
            stream: Stream::Plain(tcp),
            read: Vec::new(),
        })
    }

    /// A connection whose TLS handshake is done.
    pub fn tls(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let mut tcp = tcp(address)?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        while client.is_handshaking() {
            client.complete_io(&mut tcp)?;
        }
        Ok(Self {
            stream: Stream::Tls(Box::new(StreamOwned::new(client, tcp))),
            read: Vec::new(),
        })
    }

    /// The TLS client of a connection that has one.
    fn client(&self) -> &ClientConnection {
        match &self.stream {
            Stream::Tls(tls) => &tls.conn,
            Stream::Plain(_) => panic!("not over TLS"),
        }
    }

    /// The protocol that was agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.client().alpn_protocol()
    }

    /// The version of TLS.
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.client().protocol_version()
    }

    /// The server's own certificate.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.client().peer_certificates().unwrap()[0].clone().into_owned()
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        }
    }

    /// Sends bytes.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes.as_ref()),
            Stream::Tls(tls) => {
                tls.write_all(bytes.as_ref())?;
                tls.flush()
            }
        }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Says that nothing more will be sent.
    pub fn finish(&self) {
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Waits for a while for bytes; gives how many came, 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let read = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(&mut bytes),
            Stream::Tls(tls) => tls.read(&mut bytes),
        }?;
        self.read.extend_from_slice(&bytes[..read]);
        Ok(read)
    }

    /// The next response.
    pub fn try_response(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
        let mut response = Response {
            status: head[9..12].parse().unwrap(),
            head: head.trim_end().lines().map(str::to_owned).collect(),
            body: String::new(),
        };
        let length = response
            .header("content-length")
            .first()
            .map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        response.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Ok(response)
    }

    /// The next response.
    pub fn response(&mut self) -> Response {
        self.try_response().unwrap()
    }

    /// GETs a path.
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.response()
    }

    /// POSTs a body.
    pub fn try_post(&mut self, path: &str, body: impl AsRef<[u8]>) -> io::Result<Response> {
        self.try_send([head(path, body.as_ref().len()).as_bytes(), body.as_ref()].concat())?;
        self.try_response()
    }

    /// POSTs a body.
    pub fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.try_post(path, body).unwrap()
    }

    /// What else comes until the server closes the connection; fails if it does not.
    pub fn rest(&mut self) -> String {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("the server neither answers nor closes the connection")
                }
                // Reset, or closed without a word of TLS: closed all the same.
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(SOON))?;
    tcp.set_write_timeout(Some(SOON))?;
    Ok(tcp)
}

/// The header of a POST with so long a body.
pub fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// A client that takes any certificate, as long as the server holds its key.
pub fn any_certificate(versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A client that trusts this certificate alone.
pub fn trusting(certificate: &CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
