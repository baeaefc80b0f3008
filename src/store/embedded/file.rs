//! The file of the embedded store, and its being opened anew after an error of the disk.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition, TableError};

use crate::because::because;
use crate::store::StoreError;

/// Each claim as JSON, by namespace and name.
pub(super) const CLAIMS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("claims");

/// What is known of the file itself.
pub(super) const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");

/// The version of what is written here.
const FORMAT: (&str, u64) = ("format", 1);

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

/// The file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    /// After an error of the disk it has to be opened anew; none while that fails.
    opened: RwLock<Option<Database>>,
}

impl File {
    /// Opens the file, or makes it. Blocking file I/O.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
        }
        let database = Database::create(path).map_err(|error| not_opened(path, error))?;
        begin(&database).map_err(|error| unusable(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            opened: RwLock::new(Some(ours(path, database)?)),
        })
    }

    /// Does `work`; once more with the file opened anew, where an error of the disk has closed it before.
    pub(super) fn work<T>(&self, work: impl Fn(&Database) -> Result<T, Failure>) -> Result<T, StoreError> {
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
        let database = reopen(&self.path).map_err(|error| {
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

/// Opens a file that was there before. It is not made: where its disk is away for repair, claims would go into a new one
/// that nobody finds again.
fn reopen(path: &Path) -> Result<Database, OpenError> {
    let database = Database::open(path).map_err(|error| not_opened(path, error))?;
    ours(path, database)
}

fn unusable(path: &Path, error: redb::Error) -> OpenError {
    OpenError::Unusable(path.to_owned(), Box::new(error))
}

fn not_opened(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path.to_owned()),
        DatabaseError::Storage(StorageError::Corrupted(_)) => OpenError::Foreign(path.to_owned()),
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            OpenError::Foreign(path.to_owned())
        }
        error => unusable(path, error.into()),
    }
}

/// Makes the tables of a file that has none.
fn begin(database: &Database) -> Result<(), redb::Error> {
    if database.begin_read()?.list_tables()?.next().is_some() {
        return Ok(());
    }
    let writing = database.begin_write()?;
    writing.open_table(FACTS)?.insert(FORMAT.0, FORMAT.1)?;
    writing.open_table(CLAIMS)?;
    Ok(writing.commit()?)
}

/// The same, if it is of a format that this version knows.
fn ours(path: &Path, database: Database) -> Result<Database, OpenError> {
    match format(&database).map_err(|error| unusable(path, error))? {
        Some(format) if format == FORMAT.1 => Ok(database),
        Some(format) => Err(OpenError::Later {
            file: path.to_owned(),
            format,
        }),
        None => Err(OpenError::Foreign(path.to_owned())),
    }
}

/// The format of the file. None where it is somebody else's.
fn format(database: &Database) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(FACTS) {
        Ok(facts) => Ok(facts.get(FORMAT.0)?.map(|found| found.value())),
        Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What can come of work on the file.
pub(super) enum Failure {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_whose_disk_is_away_is_not_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, away) = (folder.path().join("claims.redb"), folder.path().join("away"));
        let file = File::open(&path).expect("a new file");
        *file.opened.write().expect("nobody panicked") = None;
        let look = || file.work(|database| Ok(database.begin_read()?.list_tables()?.count()));
        std::fs::rename(&path, &away).expect("moved");
        assert!(matches!(look(), Err(StoreError::Unavailable(_))));
        assert!(!path.exists(), "wanted: no file; saw: a new one");
        std::fs::write(&path, "").expect("an empty file");
        assert!(matches!(look(), Err(StoreError::Unavailable(_))));
        std::fs::rename(&away, &path).expect("moved back");
        assert_eq!(look().expect("it is opened anew"), 2);
    }
}
