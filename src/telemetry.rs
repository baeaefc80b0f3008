//! Logs, traces and metrics. A leaf: callers bring words, not types.
//!
//! | file | holds |
//! |---|---|
//! | `metrics` | what the servers count |
//! | `controller` | what the controller counts |
//! | [`traces`] | spans, and the way to a collector |
//! | `lines`, `fields` | log lines: the thread that writes them, how text looks |

mod controller;
mod fields;
mod lines;
mod metrics;
pub mod traces;

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use controller::ControllerMetrics;
pub use lines::flush;
pub use metrics::{InFlight, Metrics, OPEN_METRICS};
use traces::Traces;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines to standard error, and spans where `traces` says. `filter` is a level, or levels by module, as in
/// `info,hyper=warn`. Whoever ends the process in peace calls [`traces::end`] and [`flush`] first.
///
/// # Errors
/// A subscriber is set already.
pub fn init(format: LogFormat, filter: Targets, traces: Option<Traces>) -> Result<(), TryInitError> {
    let (registry, filter) = (tracing_subscriber::registry(), traces::without_spans(filter));
    // Without traces the filter stands before everything, so that a span is over with once its level has been looked at.
    match (format, traces) {
        (LogFormat::Text, None) => registry.with(filter).with(text()).try_init(),
        (LogFormat::Json, None) => registry.with(filter).with(json()).try_init(),
        (LogFormat::Text, Some(traces)) => registry
            .with(text().with_filter(filter))
            .with(traces.layer())
            .try_init(),
        (LogFormat::Json, Some(traces)) => registry
            .with(json().with_filter(filter))
            .with(traces.layer())
            .try_init(),
    }
}

fn text<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    tracing_subscriber::fmt::layer()
        .with_writer(lines::start())
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .fmt_fields(fields::Fields)
}

fn json<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    tracing_subscriber::fmt::layer()
        .with_writer(lines::start())
        .with_target(false)
        .json()
        .flatten_event(true)
}

/// Reads a log filter.
///
/// # Errors
/// It is none. The parser of [`Targets`] would take a misspelt level for a module, and so silence everything else.
pub fn filter(text: &str) -> Result<Targets, String> {
    let level = |word: &str| match word.parse::<LevelFilter>() {
        Ok(level) if !word.is_empty() => Ok(level),
        _ => Err(word.to_owned()),
    };
    let directive = |part: &str| match part.split_once('=') {
        Some((module, word)) if !module.is_empty() => Ok((Some(module.to_owned()), level(word)?)),
        _ => Ok((None, level(part)?)),
    };
    let directives: Result<Vec<_>, String> = text.split(',').map(str::trim).map(directive).collect();
    let directives = directives.map_err(|word| {
        format!("\"{word}\" is no level (off, error, warn, info, debug, trace); give levels, or module=level")
    })?;
    let filter = Targets::new();
    Ok(directives
        .into_iter()
        .fold(filter, |filter, (module, level)| match module {
            Some(module) => filter.with_target(module, level),
            None => filter.with_default(level),
        }))
}
