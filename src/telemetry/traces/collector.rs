//! The way to the collector: a thread of the SDK's sends spans in batches, so that a collector that is slow or gone holds no
//! request up. What finds the queue full or is not taken is lost, and counted.

use std::fmt;
use std::future::{Future, ready};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::Context;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;

use super::environment::{Asked, Misconfigured};
use crate::because::because;

static LOST: AtomicU64 = AtomicU64::new(0);

/// How many spans wait for the thread.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// How many spans were lost since the last call.
pub(in crate::telemetry) fn lost() -> u64 {
    LOST.swap(0, Ordering::Relaxed)
}

/// Counts what still waits as lost.
pub(super) fn give_up() {
    lose(
        WAITING.swap(0, Ordering::Relaxed),
        "the end does not wait for the collector any longer",
    );
}

fn lose(spans: usize, why: &str) {
    if spans > 0 {
        LOST.fetch_add(spans as u64, Ordering::Relaxed);
        tracing::warn!(spans, "spans are lost: {why}");
    }
}

/// What takes spans that have ended.
pub(super) fn processor(asked: &Asked) -> Result<Queue, Misconfigured> {
    let why = Arc::<Mutex<String>>::default();
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(asked, Arc::clone(&why))?)
        .with_timeout(asked.timeout)
        .build()
        .map_err(|error| Misconfigured::new("OTEL_EXPORTER_OTLP_…", error))?;
    Ok(Queue {
        batches: BatchSpanProcessor::builder(Counted { exporter, why }).build(),
        most: asked.most,
    })
}

/// The SDK's queue, which does not say what it loses.
#[derive(Debug)]
pub(super) struct Queue {
    batches: BatchSpanProcessor,
    most: usize,
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if WAITING.fetch_add(1, Ordering::Relaxed) < self.most {
            self.batches.on_end(span);
        } else {
            WAITING.fetch_sub(1, Ordering::Relaxed);
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// An exporter that tells what the collector does not take.
struct Counted {
    exporter: opentelemetry_otlp::SpanExporter,
    /// Why the collector could not be asked last.
    why: Arc<Mutex<String>>,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let taken = self.exporter.export(batch).await;
        // At the end they may have been given up already.
        let gone = |waiting: usize| Some(waiting.saturating_sub(spans));
        let _ = WAITING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, gone);
        if let Err(error) = taken {
            let why = std::mem::take(&mut *self.why.lock().unwrap_or_else(PoisonError::into_inner));
            let why = if why.is_empty() { error.to_string() } else { why };
            lose(spans, &format!("the collector does not take them: {why}"));
        }
        // Told here, once.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// A client that does its work on the thread that waits for it: none that serves has to do with it.
struct Client {
    sender: HyperClient<HttpsConnector<HttpConnector>>,
    runtime: Runtime,
    why: Arc<Mutex<String>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    fn new(asked: &Asked, why: Arc<Mutex<String>>) -> Result<Self, Misconfigured> {
        let connector = HttpsConnectorBuilder::new();
        let connector = match &asked.authorities {
            Some((variable, file)) => connector.with_tls_config(trusting(variable, file)?),
            // Some images have no authorities, and no need of them.
            None if !asked.tls => connector.with_tls_config(client_config(RootCertStore::empty())?),
            None => connector
                .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
                .map_err(|error| {
                    let why = format_args!("is not set, and the system has no authorities to trust: {error}");
                    Misconfigured::new("OTEL_EXPORTER_OTLP_CERTIFICATE", why)
                })?,
        };
        let connector = connector.https_or_http().enable_http1().build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            sender: HyperClient::new(connector, asked.timeout, None),
            runtime: runtime.map_err(|error| Misconfigured::new("OTEL_EXPORTER_OTLP_ENDPOINT", error))?,
            why,
        })
    }
}

impl HttpClient for Client {
    fn send_bytes<'c, 'f>(
        &'c self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'c: 'f,
    {
        let answered = self.runtime.block_on(self.sender.send_bytes(request));
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = match &answered {
            Ok(_) => String::new(),
            Err(error) => because(error.as_ref()),
        };
        Box::pin(ready(answered))
    }
}

/// TLS that trusts the authorities in a file and no others.
fn trusting(variable: &'static str, file: &Path) -> Result<ClientConfig, Misconfigured> {
    let mut roots = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read =
        read.map_err(|error| Misconfigured::new(variable, format_args!("names a file that cannot be read: {error}")))?;
    if roots.add_parsable_certificates(read).0 == 0 {
        return Err(Misconfigured::new(
            variable,
            "must name a PEM file with certificates of authorities",
        ));
    }
    client_config(roots)
}

fn client_config(roots: RootCertStore) -> Result<ClientConfig, Misconfigured> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Misconfigured::new("OTEL_EXPORTER_OTLP_ENDPOINT", error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
