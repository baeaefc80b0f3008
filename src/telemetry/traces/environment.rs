//! What the `OTEL_*` variables ask for, as far as the SDK does not look itself; or which of them asks for what is not there.
//!
//! See <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. A value may be a secret, so only words of a closed set
//! are repeated.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::{HeaderName, Uri};
use opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT;
use opentelemetry_sdk::trace::{OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BSP_MAX_QUEUE_SIZE_DEFAULT};

/// A variable asks for what is not there.
#[derive(Debug, thiserror::Error)]
#[error("{variable} {why}")]
pub struct Misconfigured {
    variable: &'static str,
    why: String,
}

impl Misconfigured {
    pub(super) fn new(variable: &'static str, why: impl Display) -> Self {
        Self {
            variable,
            why: why.to_string(),
        }
    }
}

/// A variable for traces, and the one for all signals that counts where it is not set.
type Pair = [&'static str; 2];

const ENDPOINT: Pair = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOL: Pair = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADERS: Pair = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
const TIMEOUT: Pair = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
const CERTIFICATE: Pair = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
const COMPRESSION: Pair = [
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
];

/// The samplers that the SDK has. It would take another word for the first.
const SAMPLERS: [&str; 6] = [
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
    "always_on",
    "always_off",
    "traceidratio",
];

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// Whether the collector is called over TLS.
    pub(super) tls: bool,
    /// The authorities to trust instead of the system's, and which variable says so.
    pub(super) authorities: Option<(&'static str, PathBuf)>,
    /// How long the collector may take.
    pub(super) timeout: Duration,
    /// How many spans wait at most.
    pub(super) most: usize,
    /// Who we are.
    pub(super) service: Option<String>,
}

impl Asked {
    /// None where no collector is named, or traces are switched off.
    pub(super) fn read() -> Result<Option<Self>, Misconfigured> {
        let Some((variable, endpoint)) = first(ENDPOINT) else {
            return Ok(None);
        };
        if set("OTEL_SDK_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let exporter = "OTEL_TRACES_EXPORTER";
        match set(exporter).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => return Err(unknown(exporter, other, "give otlp, or none for no traces")),
        }
        if let Some((variable, word)) = first(PROTOCOL).filter(|(_, word)| word != "http/protobuf") {
            let remedy = "give http/protobuf, and the endpoint where the collector takes that, usually port 4318";
            return Err(unknown(variable, &word, remedy));
        }
        if let Some((variable, word)) = first(COMPRESSION).filter(|(_, word)| word != "none") {
            return Err(unknown(variable, &word, "give none"));
        }
        sampler()?;
        if let Some((variable, text)) = first(HEADERS) {
            headers(variable, &text)?;
        }
        let timeout = match first(TIMEOUT) {
            None => OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT,
            Some((variable, text)) => match text.parse() {
                Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
                _ => {
                    return Err(Misconfigured::new(
                        variable,
                        "must be a number of milliseconds, such as 10000",
                    ));
                }
            },
        };
        Ok(Some(Self {
            tls: is_https(variable, &endpoint)?,
            authorities: first(CERTIFICATE).map(|(variable, file)| (variable, file.into())),
            timeout,
            most: set(OTEL_BSP_MAX_QUEUE_SIZE)
                .and_then(|text| text.parse().ok())
                .unwrap_or(OTEL_BSP_MAX_QUEUE_SIZE_DEFAULT),
            service: set("OTEL_SERVICE_NAME"),
        }))
    }
}

/// What a variable says. An empty one says nothing.
fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

fn first(pair: Pair) -> Option<(&'static str, String)> {
    pair.into_iter().find_map(|variable| Some((variable, set(variable)?)))
}

fn unknown(variable: &'static str, word: &str, remedy: &str) -> Misconfigured {
    Misconfigured::new(variable, format_args!("is {word:?}, which is not known here; {remedy}"))
}

fn is_https(variable: &'static str, endpoint: &str) -> Result<bool, Misconfigured> {
    let parsed = endpoint.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
    match parsed.as_ref().and_then(Uri::scheme_str) {
        Some("http") => Ok(false),
        Some("https") => Ok(true),
        _ => Err(Misconfigured::new(
            variable,
            "must be a URL, such as http://collector.monitoring:4318",
        )),
    }
}

/// The SDK would leave out what is no header.
fn headers(variable: &'static str, text: &str) -> Result<(), Misconfigured> {
    let visible = |value: &str| !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let is_header = |part: &str| {
        part.split_once('=')
            .is_some_and(|(name, value)| name.trim().parse::<HeaderName>().is_ok() && visible(value.trim()))
    };
    match text.split_terminator(',').position(|part| !is_header(part)) {
        None => Ok(()),
        Some(i) => {
            let why = format_args!(
                "must be name=value,name=value; number {} is not: write what is special in a value as in URLs, a comma as %2C",
                i + 1
            );
            Err(Misconfigured::new(variable, why))
        }
    }
}

fn sampler() -> Result<(), Misconfigured> {
    let (variable, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
    let Some(sampler) = set(variable) else { return Ok(()) };
    if !SAMPLERS.contains(&&*sampler) {
        return Err(unknown(
            variable,
            &sampler,
            &format!("give one of {}", SAMPLERS.join(", ")),
        ));
    }
    let share = |text: &str| text.parse().is_ok_and(|share: f64| (0.0..=1.0).contains(&share));
    if sampler.ends_with("traceidratio") && set(argument).is_some_and(|text| !share(&text)) {
        return Err(Misconfigured::new(
            argument,
            "must be the share of traces to keep, from 0 to 1",
        ));
    }
    Ok(())
}
