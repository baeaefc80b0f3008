//! Traces: spans, and how a trace goes on across processes (<https://www.w3.org/TR/trace-context/>). Off unless the
//! environment names a collector, and then a span costs what a log line below the level costs.
//!
//! Spans are no part of log lines, nor log lines of spans.

mod collector;
mod environment;

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::Empty;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

pub(super) use collector::lost;
pub use environment::Misconfigured;

/// The target of every span of ours, and of nothing else.
pub const SPANS: &str = "spans";

/// Who we are if nobody says.
const SERVICE: &str = "idp-multicloud";

/// How long the end waits for a collector to take what is left.
const LAST_SPANS: Duration = Duration::from_secs(2);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Traces that the environment asks for.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// As the `OTEL_*` variables want them; none where they name no collector, or switch traces off. What the SDK reads
    /// of them itself (resource, sampler, limits, batches) is in
    /// <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
    ///
    /// # Errors
    /// A variable asks for what is not there.
    pub fn of_environment() -> Result<Option<Self>, Misconfigured> {
        let Some(asked) = environment::Asked::read()? else {
            return Ok(None);
        };
        let named = asked.service.clone().map(|name| KeyValue::new("service.name", name));
        let resource = Resource::builder_empty()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_detectors(&[
                Box::new(TelemetryResourceDetector),
                Box::new(EnvResourceDetector::new()),
            ])
            .with_attributes(named)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(collector::processor(&asked)?)
            .build();
        Ok(Some(Self(provider)))
    }

    /// What hears of spans and hands them on, and of nothing else.
    pub(super) fn layer<S>(self) -> impl Layer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = PROVIDER.get_or_init(|| self.0).tracer(SERVICE);
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_context_activation(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(SPANS, LevelFilter::INFO))
    }
}

/// Log lines, and no spans.
pub(super) fn without_spans(filter: Targets) -> Targets {
    filter.with_target(SPANS, LevelFilter::OFF)
}

/// Sends what spans are left; waits for it, and not for long.
pub fn end() {
    if let Some(provider) = PROVIDER.get() {
        // What comes of it is told by what is lost.
        let _ = provider.shutdown_with_timeout(LAST_SPANS);
        collector::give_up();
    }
}

/// The span around a request of somebody else's, in the trace that its headers name. `route` is one of ours, if it is.
/// See <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.
#[must_use]
pub fn served(method: &'static str, route: Option<&str>, headers: &HeaderMap) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "request",
        otel.name = format!("{method} {}", route.unwrap_or_default()).trim_end(),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        // It has just been made, by a layer that is there.
        let _ = span.set_parent(parent);
    }
    span
}

/// Tells the span of [`served`] what was answered.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// Puts the trace of the span that we are in into the headers of a request of ours.
pub fn passed_on(headers: &mut HeaderMap) {
    if is_on() {
        TraceContextPropagator::new().inject_context(&Span::current().context(), &mut HeaderInjector(headers));
    }
}

/// What the attribute of a span can be.
pub trait Attribute {
    /// As it is handed on.
    fn value(self) -> Value;
}

impl Attribute for &str {
    fn value(self) -> Value {
        self.to_owned().into()
    }
}

impl Attribute for bool {
    fn value(self) -> Value {
        self.into()
    }
}

/// Whether there are any spans.
#[must_use]
pub fn is_on() -> bool {
    PROVIDER.get().is_some()
}

/// Gives the span that we are in an attribute.
pub fn attribute(name: &'static str, value: impl Attribute) {
    Span::current().set_attribute(name, value.value());
}
