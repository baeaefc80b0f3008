//! Where claims live: in a cluster, or in a file of our own. Claims are made, read and deleted here, and never changed:
//! the one thing that is ever written to a claim that is there is the annotation that allows its deletion.
//!
//! | file | holds |
//! |---|---|
//! | [`cluster`] | claims in a cluster, asked for with the caller's own token and nothing else |
//! | [`embedded`] | claims in a file on this machine, for a first try: it plays the API server's part |
//! | [`deletion`] | which claims are deleted without a word, and the annotation that says the word |
//!
//! Both give a claim as the JSON object that a cluster would store. Nothing here knows of HTTP as our callers see it.

pub mod cluster;
pub mod deletion;
pub mod embedded;

use serde_json::Value;
use tracing::{Instrument, Span};

use crate::claim::Problem;
use crate::telemetry::traces::SPANS;

pub use cluster::Cluster;
pub use embedded::Embedded;

/// Where claims live.
#[derive(Debug)]
pub enum Store {
    /// In a cluster.
    Cluster(Cluster),
    /// In a file of our own.
    Embedded(Embedded),
}

/// A claim's name and its namespace's, both well formed: they are put into the paths of URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    namespace: String,
    name: String,
}

/// What [`is_label`] asks for, for people.
pub const LABEL: &str = "1 to 63 lower-case letters, digits and -, with a letter or digit at both ends";

/// What the name of a claim has to be, for people.
pub const NAME: &str = "1 to 63 lower-case letters, digits, - and ., with a letter or digit at both ends";

/// The longest name of a namespace or a claim.
pub const MOST_NAME: usize = 63;

/// Whether `text` is a DNS-1123 label, as the name of a namespace has to be:
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>.
#[must_use]
pub fn is_label(text: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=MOST_NAME).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether `text` is a DNS-1123 subdomain of at most `most` characters, as the names of claims and Secrets have to be.
#[must_use]
pub fn is_subdomain(text: &str, most: usize) -> bool {
    text.len() <= most && text.split('.').all(is_label)
}

impl Key {
    /// None where one of the names is not well formed.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Option<Self> {
        (is_label(namespace) && is_subdomain(name, MOST_NAME)).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The namespace's name.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The claim's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Both, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("claim {} in namespace {}", self.name, self.namespace)
    }
}

/// Who asks: the credentials that came with the request, to be passed on and never kept.
#[derive(Clone, Default)]
pub struct Caller {
    /// The bearer token, if one came.
    pub token: Option<String>,
    /// The id of the request, for whoever reads logs.
    pub request: String,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Caller")
            .field("token", &token)
            .field("request", &self.request)
            .finish()
    }
}

/// A claim as it was just stored.
#[derive(Debug)]
pub struct Created {
    /// The claim.
    pub claim: Value,
    /// What is worth knowing of it.
    pub warnings: Vec<String>,
}

/// Some of the claims, in an order that stays the same.
#[derive(Debug, Default)]
pub struct Page {
    /// The claims.
    pub claims: Vec<Value>,
    /// Where the next page begins; none where there is none.
    pub next: Option<String>,
}

/// Which page is asked for.
#[derive(Debug)]
pub struct Wanted<'w> {
    /// Of one namespace, or of all.
    pub namespace: Option<&'w str>,
    /// At most so many claims.
    pub limit: usize,
    /// Whether not every claim fits.
    pub filtered: bool,
    /// What [`Page::next`] said.
    pub from: Option<&'w str>,
}

/// What has become of a claim that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// It goes once these finalizers are done.
    Going {
        /// Their names.
        waits_for: Vec<String>,
    },
}

/// Whether there is a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// There is.
    Exists,
    /// There is not.
    Missing,
    /// That is not for this caller to know, for this reason.
    Unknown(String),
}

/// Why the store does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No token came, or one that the API server does not take.
    #[error("{0}")]
    NotAuthenticated(String),
    /// The caller may not do this; in the API server's words.
    #[error("{0}")]
    Forbidden(String),
    /// The claim, or its namespace, is not there.
    #[error("{0}")]
    NotFound(String),
    /// There is a claim of that name already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The kind of claims is not installed.
    #[error("the cluster does not know {kind}; install it: idp-multicloud crd | kubectl apply --server-side -f -", kind = crate::claim::KIND)]
    NotInstalled,
    /// Our admission refuses the claim.
    #[error("{}", crate::admission::envelope::message(.0))]
    Refused(Vec<Problem>),
    /// A list has changed too much since its first page.
    #[error("the list has gone on since its first page was asked for; begin again without `continue`")]
    Expired,
    /// What says where the next page begins is nothing that we said.
    #[error("there is no such page: `continue` is not what an earlier page gave")]
    NoSuchPage,
    /// The claim has changed since it was looked at.
    #[error("{0}")]
    Changed(String),
    /// It cannot be done now; it may be later.
    #[error("{0}")]
    Unavailable(String),
    /// The API server does not take the request, and says why.
    #[error("{message}")]
    Rejected {
        /// Its HTTP status.
        code: u16,
        /// Its words.
        message: String,
    },
    /// A fault of ours, or of the disk.
    #[error("{0}")]
    Failed(String),
}

impl Store {
    /// Whether callers have to say who they are.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Stores a new claim, once admission has placed it.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`], or why it is not stored.
    pub async fn create(&self, caller: &Caller, key: &Key, claim: Value) -> Result<Created, StoreError> {
        let done = async {
            match self {
                Self::Cluster(cluster) => cluster.create(caller, key, &claim).await,
                Self::Embedded(embedded) => embedded.create(caller, key, claim).await,
            }
        };
        done.instrument(span("create")).await
    }

    /// The claim.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or why it is not told.
    pub async fn get(&self, caller: &Caller, key: &Key) -> Result<Value, StoreError> {
        let done = async {
            match self {
                Self::Cluster(cluster) => cluster.get(caller, key).await,
                Self::Embedded(embedded) => embedded.get(key).await,
            }
        };
        done.instrument(span("get")).await
    }

    /// Up to `wanted.limit` claims that `fits` lets through.
    ///
    /// # Errors
    /// Why they are not told.
    pub async fn list(
        &self,
        caller: &Caller,
        wanted: &Wanted<'_>,
        fits: impl Fn(&Value) -> bool + Send + Sync + 'static,
    ) -> Result<Page, StoreError> {
        let done = async {
            match self {
                Self::Cluster(cluster) => cluster.list(caller, wanted, fits).await,
                Self::Embedded(embedded) => embedded.list(wanted, fits).await,
            }
        };
        done.instrument(span("list")).await
    }

    /// Deletes the claim as it was when `claim` was read; with `allow`, it is first annotated that this is wanted.
    ///
    /// # Errors
    /// Why it is not deleted.
    pub async fn delete(&self, caller: &Caller, key: &Key, claim: &Value, allow: bool) -> Result<Deleted, StoreError> {
        let done = async {
            match self {
                Self::Cluster(cluster) => cluster.delete(caller, key, claim, allow).await,
                Self::Embedded(embedded) => embedded.delete(key, claim).await,
            }
        };
        done.instrument(span("delete")).await
    }

    /// Waits until nothing is half done that nobody waits for any more.
    pub async fn settled(&self) {
        match self {
            Self::Cluster(cluster) => cluster.settled().await,
            // Each write is done at once or not at all.
            Self::Embedded(_) => {}
        }
    }

    /// Whether the Secret is there. Its content is never asked for.
    ///
    /// # Errors
    /// The store cannot be asked now.
    pub async fn secret(&self, caller: &Caller, namespace: &str, name: &str) -> Result<Existence, StoreError> {
        let done = async {
            match self {
                Self::Cluster(cluster) => cluster.secret(caller, namespace, name).await,
                // Nothing makes a database here.
                Self::Embedded(_) => Ok(Existence::Missing),
            }
        };
        done.instrument(span("secret")).await
    }

    /// Whether the caller may create claims in this namespace, or everywhere.
    ///
    /// # Errors
    /// [`StoreError::Forbidden`], or why that is not known.
    pub async fn may_create(&self, caller: &Caller, namespace: Option<&str>) -> Result<(), StoreError> {
        let done = async {
            match self {
                Self::Cluster(cluster) => cluster.may(caller, "create", namespace, None).await,
                Self::Embedded(_) => Ok(()),
            }
        };
        done.instrument(span("may_create")).await
    }
}

/// The span around what the store does for a request.
fn span(operation: &'static str) -> Span {
    tracing::info_span!(target: SPANS, "store", store.operation = operation)
}
