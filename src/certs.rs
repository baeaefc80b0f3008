//! Serving certificates: load, prove, swap, keep the last good pair. No logging, no timers and nothing of the rest of
//! the crate in here: the caller decides when to poll and what to say about it.
//!
//! | file | holds |
//! |---|---|
//! | `pair` | a certificate and its key: the checks before it is served |
//! | `authority` | a certificate authority, and what it issues |
//! | `bundle` | the authorities that clients trust |
//! | `keep` | what is to be renewed, and in which order, so that no client ever meets what it does not trust |
//! | `seconds` | time as certificates have it |

pub mod authority;
pub mod bundle;
pub mod keep;
mod pair;
pub mod seconds;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use pair::{Pair, Proven};
use seconds::now;

pub use pair::{CertificateError, Leaf, Validity};

/// The names that the ephemeral certificate is valid for.
const EPHEMERAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// How long before its making the ephemeral certificate begins, for a client whose clock is behind. Seconds.
const EPHEMERAL_BACKDATE: i64 = 60 * 60;
/// How long the ephemeral certificate is good for. Seconds.
const EPHEMERAL_LIFETIME: i64 = 365 * 24 * 60 * 60;

/// Where the serving pair comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Two PEM files that somebody else renews.
    Files {
        /// The chain, leaf first.
        cert: PathBuf,
        /// The unencrypted private key of the leaf.
        key: PathBuf,
        /// The name that clients ask for, if the leaf is to be held to it.
        name: Option<String>,
    },
    /// A self-signed pair made at the start, in memory only.
    Ephemeral,
}

/// What one look at the files found.
#[derive(Debug)]
pub enum Polled {
    /// Nothing to say: the pair being served, or a refusal that was reported before.
    Unchanged,
    /// A new pair was proven and is served from the next handshake on.
    Swapped(Validity),
    /// The files hold something else that can't be served; the last good pair stays, if there was one.
    Refused(CertificateError),
}

/// What is being served, and what was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The leaf being served, which may have expired since it was proven; `None` when there has been no good one yet, and
    /// every handshake fails.
    pub leaf: Option<Leaf>,
    /// Why the present content of the files is not served; `None` when it is.
    pub refusal: Option<String>,
    /// Whether the pair is the self-signed one.
    pub ephemeral: bool,
}

/// The serving pair: proven when it came in, swapped when its files change. Updated by [`Certificates::poll`] only.
pub struct Certificates {
    source: Source,
    ephemeral_pem: Option<String>,
    tls: RustlsConfig,
    state: Mutex<State>,
}

impl Certificates {
    /// Loads and proves the pair. One that cannot be served is waited for, as its issuer may be about to write it: see
    /// [`Status::refusal`]. Blocking file I/O.
    ///
    /// # Errors
    ///
    /// When a file can't be read, or no pair can be made; the server must not start.
    pub fn open(source: Source) -> Result<Self, CertificateError> {
        Self::open_at(source, now())
    }

    fn open_at(source: Source, now: i64) -> Result<Self, CertificateError> {
        let (pair, proven, ephemeral_pem) = match &source {
            Source::Files { cert, key, name } => {
                let pair = Pair::read(cert, key).map_err(|(path, error)| CertificateError::Unreadable(path, error))?;
                let proven = pair.prove(cert, key, name.as_deref(), now);
                (pair, proven, None)
            }
            Source::Ephemeral => {
                let (pem, pair) = ephemeral(now).map_err(CertificateError::Ephemeral)?;
                let path = Path::new("(ephemeral)");
                let proven = pair.prove(path, path, None, now)?;
                (pair, Ok(proven), Some(pem))
            }
        };
        let (certified, served, refused) = match proven {
            Ok(Proven { certified, leaf }) => (Some(certified), Some((pair, leaf)), None),
            Err(error) => (None, None, Some((Seen::Pair(pair), error.to_string()))),
        };
        Ok(Self {
            source,
            ephemeral_pem,
            tls: RustlsConfig::from_config(configuration(certified)?),
            state: Mutex::new(State { served, refused }),
        })
    }

    /// The TLS configuration that the listener uses; every clone sees the swaps.
    #[must_use]
    pub fn tls(&self) -> RustlsConfig {
        self.tls.clone()
    }

    /// Reads the files again and swaps a changed and proven pair in; keeps the last good one otherwise. A refusal is
    /// returned once for each content (or read error) that is refused. Blocking file I/O: call it off the async
    /// threads, about once a second.
    pub fn poll(&self) -> Polled {
        self.poll_at(now())
    }

    fn poll_at(&self, now: i64) -> Polled {
        let Source::Files { cert, key, name } = &self.source else {
            return Polled::Unchanged;
        };
        // Bytes, not times or inotify: a kubelet renews by swapping the `..data` symlink above the files. And before
        // the lock, so that a slow volume doesn't hold up `status`.
        let read = Pair::read(cert, key);
        let mut state = self.lock();
        let (seen, error) = match read {
            Err((path, error)) => (
                Seen::Unreadable(path.clone(), error.kind()),
                CertificateError::Unreadable(path, error),
            ),
            Ok(pair) if state.served.as_ref().is_some_and(|(served, _)| *served == pair) => {
                state.refused = None;
                return Polled::Unchanged;
            }
            // Content that was refused before is proven anew: one that was not yet valid may be so by now.
            Ok(pair) => match pair
                .prove(cert, key, name.as_deref(), now)
                .and_then(|proven| Ok((configuration(Some(proven.certified))?, proven.leaf)))
            {
                Err(error) => (Seen::Pair(pair), error),
                Ok((config, leaf)) => {
                    self.tls.reload_from_config(config);
                    let validity = leaf.validity;
                    *state = State {
                        served: Some((pair, leaf)),
                        refused: None,
                    };
                    return Polled::Swapped(validity);
                }
            },
        };
        let reported = state.refused.as_ref().is_some_and(|(before, _)| *before == seen);
        state.refused = Some((seen, error.to_string()));
        if reported {
            Polled::Unchanged
        } else {
            Polled::Refused(error)
        }
    }

    /// What is being served, and why the present content of the files is not, if so. Never waits for a disk.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.lock();
        Status {
            leaf: state.served.as_ref().map(|(_, leaf)| leaf.clone()),
            refusal: state.refused.as_ref().map(|(_, message)| message.clone()),
            ephemeral: self.ephemeral_pem.is_some(),
        }
    }

    /// The ephemeral certificate as PEM, for `curl --cacert`; `None` when the pair comes from files.
    #[must_use]
    pub fn ephemeral_pem(&self) -> Option<&str> {
        self.ephemeral_pem.as_deref()
    }

    /// The state is whole between any two statements that hold the lock, so a poisoned one is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is served now and what was refused last.
struct State {
    served: Option<(Pair, Leaf)>,
    refused: Option<(Seen, String)>,
}

/// What a refusal was about, to report it once.
#[derive(PartialEq)]
enum Seen {
    Pair(Pair),
    Unreadable(PathBuf, io::ErrorKind),
}

/// The certificate that every client gets; without one, no handshake succeeds.
#[derive(Debug)]
struct Served(Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

/// How TLS is served with this certificate.
fn configuration(certified: Option<CertifiedKey>) -> Result<Arc<ServerConfig>, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(CertificateError::Configuration)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Served(certified.map(Arc::new))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A fresh self-signed pair, and its certificate as text. It is a leaf and no CA, because webpki refuses a CA as a
/// server's own certificate, while every client takes a self-signed leaf that it was told to trust.
fn ephemeral(now: i64) -> Result<(String, Pair), rcgen::Error> {
    let mut params = CertificateParams::new(EPHEMERAL_NAMES.map(str::to_owned))?;
    params
        .distinguished_name
        .push(DnType::CommonName, "idp-multicloud ephemeral");
    seconds::valid(&mut params, now - EPHEMERAL_BACKDATE, now + EPHEMERAL_LIFETIME)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let pem = params.self_signed(&key)?.pem();
    let pair = Pair {
        cert: pem.clone().into_bytes(),
        key: key.serialize_pem().into_bytes(),
    };
    Ok((pem, pair))
}

#[cfg(test)]
mod tests;
