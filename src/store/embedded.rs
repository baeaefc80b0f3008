//! Claims in a file on this machine, for a first try and for nothing else: there is no authentication and no database
//! behind a claim. It plays the API server's part and asks the same admission, so there is no second rule book.
//!
//! What was acknowledged is on the disk: each write is a transaction of its own, flushed before it is answered.

mod file;

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use redb::{Database, ReadableDatabase, ReadableTable};
use serde_json::Value;
use tracing::Span;
use uuid::Uuid;

pub use file::OpenError;
use file::{CLAIMS, FACTS, Failure, File};

use super::{Caller, Created, Deleted, Key, Page, StoreError, Wanted};
use crate::admission::{self, Answer, Settings, Webhook, envelope, offline, record};
use crate::catalog::live::Live;
use crate::telemetry::Metrics;
use crate::telemetry::traces::SPANS;

/// How many writes there have been: the newest `resourceVersion`.
const WRITES: &str = "writes";

/// Between namespace and name, where the next page begins.
const SLASH: char = '/';

/// Claims in a file.
#[derive(Debug)]
pub struct Embedded {
    file: Arc<File>,
    admission: Arc<Admission>,
}

/// What a claim has to pass before it is stored.
#[derive(Debug)]
struct Admission {
    catalog: Arc<Live>,
    metrics: Arc<Metrics>,
    settings: Settings,
}

impl Embedded {
    /// Opens the file, or makes it. Blocking file I/O.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open(file: &Path, catalog: Arc<Live>, metrics: Arc<Metrics>, settings: Settings) -> Result<Self, OpenError> {
        Ok(Self {
            file: Arc::new(File::open(file)?),
            admission: Arc::new(Admission {
                catalog,
                metrics,
                settings,
            }),
        })
    }

    pub(super) async fn create(&self, caller: &Caller, key: &Key, claim: Value) -> Result<Created, StoreError> {
        let (admission, key, request) = (Arc::clone(&self.admission), key.clone(), caller.request.clone());
        self.blocking(move |database| {
            // As long as it is there, admission has nothing to decide.
            let at = (key.namespace(), key.name());
            let taken = || StoreError::AlreadyExists(format!("{} exists already", key.shown()));
            if database.begin_read()?.open_table(CLAIMS)?.get(at)?.is_some() {
                return Err(taken().into());
            }
            let (mut claim, warnings) = admission.placed(&claim, &request)?;
            let transaction = database.begin_write()?;
            let written = next(&transaction)?;
            {
                let mut claims = transaction.open_table(CLAIMS)?;
                if claims.get(at)?.is_some() {
                    return Err(taken().into());
                }
                if let Some(metadata) = claim.get_mut("metadata").and_then(Value::as_object_mut) {
                    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
                    metadata.insert("creationTimestamp".to_owned(), now.into());
                    metadata.insert("generation".to_owned(), 1.into());
                    metadata.insert("resourceVersion".to_owned(), written.to_string().into());
                    metadata.insert("uid".to_owned(), Uuid::new_v4().to_string().into());
                }
                claims.insert(at, claim.to_string().as_bytes())?;
            }
            transaction.commit()?;
            Ok(Created { claim, warnings })
        })
        .await
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Value, StoreError> {
        let key = key.clone();
        self.blocking(move |database| {
            let claims = database.begin_read()?.open_table(CLAIMS)?;
            let found = claims.get((key.namespace(), key.name()))?;
            found.map_or_else(|| Err(missing(&key).into()), |found| read(found.value()))
        })
        .await
    }

    pub(super) async fn list(
        &self,
        wanted: &Wanted<'_>,
        fits: impl Fn(&Value) -> bool + Send + 'static,
    ) -> Result<Page, StoreError> {
        let from = match wanted.from {
            None => (wanted.namespace.unwrap_or_default().to_owned(), String::new()),
            Some(from) => {
                let (namespace, name) = from.split_once(SLASH).ok_or(StoreError::NoSuchPage)?;
                let key = Key::new(namespace, name).ok_or(StoreError::NoSuchPage)?;
                if wanted.namespace.is_some_and(|only| only != namespace) {
                    return Err(StoreError::NoSuchPage);
                }
                (key.namespace, key.name)
            }
        };
        let only = wanted.namespace.map(str::to_owned);
        let limit = wanted.limit;
        self.blocking(move |database| {
            let claims = database.begin_read()?.open_table(CLAIMS)?;
            let mut page = Page::default();
            for entry in claims.range((from.0.as_str(), from.1.as_str())..)? {
                let (key, value) = entry?;
                let (namespace, name) = key.value();
                if only.as_ref().is_some_and(|only| only != namespace) {
                    break;
                }
                let claim = read(value.value())?;
                if !fits(&claim) {
                    continue;
                }
                if page.claims.len() == limit {
                    page.next = Some(format!("{namespace}{SLASH}{name}"));
                    break;
                }
                page.claims.push(claim);
            }
            Ok(page)
        })
        .await
    }

    /// A claim is gone at once: there is nothing behind it that would have to be taken down first. For the same reason the
    /// annotation that allows it is not written before.
    pub(super) async fn delete(&self, key: &Key, claim: &Value) -> Result<Deleted, StoreError> {
        let uid = claim.pointer("/metadata/uid").cloned();
        let key = key.clone();
        self.blocking(move |database| {
            let transaction = database.begin_write()?;
            next(&transaction)?;
            {
                let mut claims = transaction.open_table(CLAIMS)?;
                let at = (key.namespace(), key.name());
                let stored = claims.get(at)?.map(|found| read(found.value())).transpose()?;
                let stored = stored.ok_or_else(|| missing(&key))?;
                if stored.pointer("/metadata/uid") != uid.as_ref() {
                    let why = format!("{} is another one by now; look at it, and ask again", key.shown());
                    return Err(StoreError::Changed(why).into());
                }
                claims.remove(at)?;
            }
            transaction.commit()?;
            Ok(Deleted::Gone)
        })
        .await
    }

    /// A disk takes its time, and the threads that serve do not wait for it.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl Fn(&Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (file, span) = (Arc::clone(&self.file), Span::current());
        match tokio::task::spawn_blocking(move || span.in_scope(|| file.work(work))).await {
            Ok(done) => done,
            // As if it had happened here, where a panic is counted and answered.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

impl Admission {
    /// The claim as both webhooks leave it, and their warnings.
    fn placed(&self, claim: &Value, request: &str) -> Result<(Value, Vec<String>), StoreError> {
        let (edits, warnings) = self.ask(Webhook::Mutate, claim, request, |answer| {
            let edited = offline::edited(claim, &answer.verdict?);
            Ok((edited, answer.warnings))
        })?;
        let placed = edits.map_err(|error| StoreError::Failed(error.to_string()))?;
        self.ask(Webhook::Validate, &placed, request, |answer| answer.verdict.map(drop))?;
        Ok((placed, warnings))
    }

    fn ask<T>(
        &self,
        webhook: Webhook,
        claim: &Value,
        request: &str,
        take: impl FnOnce(Answer<'_>) -> Result<T, Vec<crate::claim::Problem>>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let span = match webhook {
            Webhook::Mutate => tracing::info_span!(target: SPANS, "mutate"),
            Webhook::Validate => tracing::info_span!(target: SPANS, "validate"),
        };
        let _in_span = span.enter();
        let Some(held) = self.catalog.current() else {
            return Err(StoreError::Unavailable("there is no catalog yet; try again".to_owned()));
        };
        let body = offline::creation(claim, request);
        let review = envelope::read(&body).map_err(|error| StoreError::Failed(error.to_string()))?;
        let answer = admission::answer(webhook, &review, &held, &self.settings);
        let revision = held.snapshot().revision().short();
        record(&self.metrics, &review, &answer, revision, started.elapsed());
        take(answer).map_err(StoreError::Refused)
    }
}

/// Counts one more write.
fn next(transaction: &redb::WriteTransaction) -> Result<u64, redb::Error> {
    let mut facts = transaction.open_table(FACTS)?;
    let written = facts.get(WRITES)?.map_or(0, |found| found.value()) + 1;
    facts.insert(WRITES, written)?;
    Ok(written)
}

fn read(bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| StoreError::Failed(format!("a stored claim is no JSON: {error}")).into())
}

fn missing(key: &Key) -> StoreError {
    StoreError::NotFound(format!("there is no {}", key.shown()))
}
