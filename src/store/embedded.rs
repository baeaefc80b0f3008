//! Claims in a file on this machine, for a first try and for nothing else: there is no authentication and no database
//! behind a claim. It plays the API server's part and asks the same admission, so there is no second rule book.
//!
//! What was acknowledged is on the disk: each write is a transaction of its own, flushed before it is answered.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError};
use serde_json::Value;
use tracing::Span;
use uuid::Uuid;

use super::{Caller, Created, Deleted, Key, Page, StoreError, Wanted};
use crate::admission::{self, Answer, Settings, Webhook, envelope, offline, record};
use crate::catalog::cluster::because;
use crate::catalog::live::Live;
use crate::telemetry::Metrics;
use crate::telemetry::traces::SPANS;

/// Each claim as JSON, by namespace and name.
const CLAIMS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("claims");

/// What is known of the file itself.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");

/// The version of what is written here.
const FORMAT: (&str, u64) = ("format", 1);

/// How many writes there have been: the newest `resourceVersion`.
const WRITES: &str = "writes";

/// Between namespace and name, where the next page begins.
const SLASH: char = '/';

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be made.
    #[error("the folder {} cannot be made", .0.display())]
    Folder(PathBuf, #[source] std::io::Error),
    /// Another process has it.
    #[error("{} is in use by another process, such as an `idp-multicloud serve` that is still running; end that one, or give this one a file of its own: --store embedded:FILE", .0.display())]
    InUse(PathBuf),
    /// It is no store of ours.
    #[error("{} is no store of claims; give another file: --store embedded:FILE", .0.display())]
    Foreign(PathBuf),
    /// A later version has written it.
    #[error("{} was written by a later version (format {format}, and this one knows {known}); use that version, or give another file: --store embedded:FILE", .file.display(), known = FORMAT.1)]
    Later {
        /// Which file.
        file: PathBuf,
        /// The format it has.
        format: u64,
    },
    /// It cannot be read or written.
    #[error("{} cannot be used; see to it, or give another file: --store embedded:FILE", .0.display())]
    Unusable(PathBuf, #[source] Box<redb::Error>),
}

/// Claims in a file.
#[derive(Debug)]
pub struct Embedded {
    file: Arc<File>,
    admission: Arc<Admission>,
}

/// The file.
#[derive(Debug)]
struct File {
    path: PathBuf,
    /// After an error of the disk it has to be opened anew; none while that fails.
    opened: RwLock<Option<Database>>,
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
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
        }
        let database = open(file)?;
        Ok(Self {
            file: Arc::new(File {
                path: file.to_owned(),
                opened: RwLock::new(Some(database)),
            }),
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

impl File {
    /// Does `work`; once more with the file opened anew, where an error of the disk has closed it before.
    fn work<T>(&self, work: impl Fn(&Database) -> Result<T, Failure>) -> Result<T, StoreError> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = unless_closed(opened.as_ref(), &work) {
            return done.map_err(StoreError::from);
        }
        drop(opened);
        // With nobody beside it: on a full disk the next error of somebody who writes would close the file again, and those
        // who read would not get a turn.
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = unless_closed(opened.as_ref(), &work) {
            return done.map_err(StoreError::from);
        }
        // The lock on the file goes with it.
        *opened = None;
        let database = open(&self.path).map_err(|error| {
            let why = because(&error);
            tracing::error!("{why}");
            StoreError::Unavailable(why)
        })?;
        tracing::info!("the store's file was opened anew");
        work(opened.insert(database)).map_err(StoreError::from)
    }
}

/// Does `work`, unless the file is not open, or an error of the disk has closed it.
fn unless_closed<T>(
    opened: Option<&Database>,
    work: impl Fn(&Database) -> Result<T, Failure>,
) -> Option<Result<T, Failure>> {
    match work(opened?) {
        Err(Failure::Redb(redb::Error::PreviousIo | redb::Error::DatabaseClosed)) => None,
        done => Some(done),
    }
}

/// Opens the file, or makes it.
fn open(file: &Path) -> Result<Database, OpenError> {
    let unusable = |error: redb::Error| OpenError::Unusable(file.to_owned(), Box::new(error));
    let database = Database::create(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(file.to_owned()),
        DatabaseError::Storage(StorageError::Corrupted(_)) => OpenError::Foreign(file.to_owned()),
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            OpenError::Foreign(file.to_owned())
        }
        error => unusable(error.into()),
    })?;
    match format(&database).map_err(unusable)? {
        Some(format) if format == FORMAT.1 => Ok(database),
        Some(format) => Err(OpenError::Later {
            file: file.to_owned(),
            format,
        }),
        None => Err(OpenError::Foreign(file.to_owned())),
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

/// The format of the file; a new one gets ours. None where the file is somebody else's.
fn format(database: &Database) -> Result<Option<u64>, redb::Error> {
    let reading = database.begin_read()?;
    match reading.open_table(FACTS) {
        Ok(facts) => return Ok(facts.get(FORMAT.0)?.map(|found| found.value())),
        Err(TableError::TableDoesNotExist(_)) if reading.list_tables()?.next().is_none() => {}
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    drop(reading);
    let writing = database.begin_write()?;
    writing.open_table(FACTS)?.insert(FORMAT.0, FORMAT.1)?;
    writing.open_table(CLAIMS)?;
    writing.commit()?;
    Ok(Some(FORMAT.1))
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

/// What can come of work on the file.
enum Failure {
    Ours(StoreError),
    Redb(redb::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Ours(error)
    }
}

impl<E: Into<redb::Error>> From<E> for Failure
where
    E: RedbError,
{
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// The errors of the database, each call's its own.
trait RedbError {}
impl RedbError for redb::Error {}
impl RedbError for redb::TransactionError {}
impl RedbError for redb::TableError {}
impl RedbError for StorageError {}
impl RedbError for redb::CommitError {}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ours(error) => error,
            Failure::Redb(error) => {
                tracing::error!("the store's file cannot be used: {error}");
                Self::Unavailable(format!(
                    "the store's file cannot be used ({error}); is there room on the disk? Ask again: that does no harm"
                ))
            }
        }
    }
}
