//! What every process that stays has: logs, addresses to listen on, an end that is asked for by a signal.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;

use anyhow::Context;
use socket2::SockRef;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;

use crate::server::Ended;
use crate::telemetry::traces::Traces;
use crate::telemetry::{self, LogFormat};

/// Exit status after a second signal, as a shell gives it to what SIGTERM ended.
const ENDED_AT_ONCE: i32 = 143;

/// The signal that the kernel sends for a write beyond the largest size that a file may have (`ulimit -f`). It ends whoever
/// does not take it.
const FILE_TOO_LARGE: i32 = 25;

/// How and what it logs.
#[derive(Debug, clap::Args)]
pub(super) struct Logging {
    /// How log lines on standard error look
    #[arg(long, env = "IDP_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: Log,
    /// Which log lines there are: a level, or levels by module, as in "info,hyper=debug"
    #[arg(long, env = "IDP_LOG", value_name = "FILTER", default_value = "info", value_parser = telemetry::filter)]
    log: Targets,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Log {
    Text,
    Json,
}

impl Logging {
    /// Sends log lines to standard error from here on, and spans where `traces` says.
    pub(super) fn start(&self, traces: Option<Traces>) -> anyhow::Result<()> {
        let format = match self.log_format {
            Log::Text => LogFormat::Text,
            Log::Json => LogFormat::Json,
        };
        Ok(telemetry::init(format, self.log.clone(), traces)?)
    }
}

/// One thread serves tens of thousands of reviews a second, and two would spend a fifth of their time on handing
/// connections to each other. What is long (a large review, a disk) is done on others.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
}

/// An address to listen on; `None` is "off".
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub(super) Option<SocketAddr>);

pub(super) fn address(text: &str) -> Result<Address, String> {
    if text == "off" {
        return Ok(Address(None));
    }
    let parsed = text.parse().map(|address| Address(Some(address)));
    parsed.map_err(|_| "must be an IP address and port, such as 127.0.0.1:8443 or [::]:8443, or off".to_owned())
}

/// How many connections may wait until they are taken up; the kernel's own limit, mostly as much, holds beside it. By the
/// standard library's 128, a burst of writers that meets a busy instance has some of its connections reset, and so claims refused.
const WAITING: i32 = 4096;

/// Listens there.
pub(super) fn bind(flag: &str, Address(address): Address) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).and_then(|listener| {
        SockRef::from(&listener).listen(WAITING)?;
        Ok(listener)
    });
    listener
        .map(Some)
        .with_context(|| format!("{flag}: cannot listen on {address}; give another address, or off"))
}

/// Resolves at the first SIGTERM or SIGINT. A second one ends the process at once.
pub(super) fn ended() -> std::io::Result<impl Future<Output = Ended>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let ended = tokio::select! {
            _ = terminate.recv() => Ended::Gently,
            _ = interrupt.recv() => Ended::Now,
        };
        tokio::spawn(async move {
            let (terminate, interrupt) = (pin!(terminate.recv()), pin!(interrupt.recv()));
            tokio::select! { _ = terminate => {}, _ = interrupt => {} }
            tracing::warn!("a second signal: ending at once");
            telemetry::flush();
            std::process::exit(ENDED_AT_ONCE);
        });
        ended
    })
}

/// Has a write beyond the largest size that a file may have fail, as one on a full disk does, and end nothing.
pub(super) fn outlive_full_files() -> std::io::Result<()> {
    // It stays taken for as long as the process lives.
    signal(SignalKind::from_raw(FILE_TOO_LARGE)).map(drop)
}
