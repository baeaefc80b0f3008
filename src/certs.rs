//! Serving certificates: load, prove, swap, keep the last good pair. No logging, no timers and nothing of the rest of
//! the crate in here: the caller decides when to poll and what to say about it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use axum_server::tls_rustls::RustlsConfig;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::{
    InconsistentKeys, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use sha2::{Digest, Sha256};
use x509_parser::{certificate::X509Certificate, prelude::FromDer, time::ASN1Time};

/// The names that the ephemeral certificate is valid for.
const EPHEMERAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// How long before its making the ephemeral certificate begins, for a client whose clock is behind. Seconds.
const EPHEMERAL_BACKDATE: i64 = 60 * 60;
/// How long the ephemeral certificate is good for. Seconds.
const EPHEMERAL_LIFETIME: i64 = 365 * 24 * 60 * 60;
/// 9999-12-31T23:59:59Z, the latest time a certificate can name (RFC 5280, 4.1.2.5).
const LATEST: u64 = 253_402_300_799;

/// Where the serving pair comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Two PEM files that somebody else renews.
    Files {
        /// The chain, leaf first.
        cert: PathBuf,
        /// The unencrypted private key of the leaf.
        key: PathBuf,
    },
    /// A self-signed pair made at the start, in memory only.
    Ephemeral,
}

/// Why a pair can't be served. The messages are whole: the cause is in them, and not a `source` to print again.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("{path}: cannot read: {1}; check the path, the mount and the permissions", path = .0.display())]
    Unreadable(PathBuf, io::Error),
    /// A file holds no bytes.
    #[error("{path}: the file is empty; wait for its issuer to fill it, or fill it", path = .0.display())]
    Empty(PathBuf),
    /// A file has a PEM section that can't be decoded. The reason never quotes the file, which may be a key.
    #[error("{path}: broken PEM: {1}; write the file again, whole", path = .0.display())]
    BrokenPem(PathBuf, &'static str),
    /// The certificate file has no certificate.
    #[error("{path}: no `BEGIN CERTIFICATE` section; give the chain as PEM, leaf first", path = .0.display())]
    NoCertificate(PathBuf),
    /// A certificate of the chain is not X.509.
    #[error("{}: certificate {number} of the chain is not X.509: {reason}; issue it again", path.display())]
    BrokenCertificate {
        /// The file.
        path: PathBuf,
        /// Place in the chain; the leaf is 1.
        number: usize,
        /// What the parser said.
        reason: String,
    },
    /// The leaf is X.509, but none that TLS can serve, such as one of version 1.
    #[error("{path}: TLS cannot serve the leaf certificate: {1}; issue an X.509 version 3 certificate", path = .0.display())]
    UnusableLeaf(PathBuf, rustls::Error),
    /// The key file has no unencrypted key.
    #[error("{path}: no unencrypted private key; give a PKCS#8, PKCS#1 or SEC1 key as PEM, decrypted", path = .0.display())]
    NoKey(PathBuf),
    /// The key is broken, or of a kind that can't sign for TLS.
    #[error("{path}: unusable private key: {1}; use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits or more", path = .0.display())]
    UnusableKey(PathBuf, rustls::Error),
    /// The key is not the one that the leaf was issued for.
    #[error("{}: the key does not belong to the leaf certificate of {}; give the two files of one pair", key.display(), cert.display())]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The leaf begins in the future.
    #[error("{}: valid only from {} and it is {}; check the clock, or issue it again", path.display(), rfc3339(*not_before), rfc3339(*now))]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// First second of validity, in Unix seconds.
        not_before: i64,
        /// The time of the check, in Unix seconds.
        now: i64,
    },
    /// The leaf has ended.
    #[error("{}: expired at {} and it is {}; renew it, or check the clock", path.display(), rfc3339(*not_after), rfc3339(*now))]
    Expired {
        /// The file.
        path: PathBuf,
        /// Last second of validity, in Unix seconds.
        not_after: i64,
        /// The time of the check, in Unix seconds.
        now: i64,
    },
    /// The TLS library refused our own settings.
    #[error("cannot set up TLS: {0}; this is a defect of this build, report it")]
    Configuration(rustls::Error),
    /// The ephemeral pair could not be made.
    #[error("cannot make the ephemeral certificate: {0}; give a certificate and a key as files instead")]
    Ephemeral(rcgen::Error),
}

/// When a leaf certificate is valid, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second, in Unix seconds.
    pub not_before: i64,
    /// Last second, in Unix seconds.
    pub not_after: i64,
}

/// What one look at the files found.
#[derive(Debug)]
pub enum Polled {
    /// Nothing to say: the pair being served, or a refusal that was reported before.
    Unchanged,
    /// A new pair was proven and is served from the next handshake on.
    Swapped(Validity),
    /// The files hold something else that can't be served; the last good pair stays.
    Refused(CertificateError),
}

/// What is being served, and what was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Validity of the leaf being served, which may have expired since it was proven.
    pub validity: Validity,
    /// SHA-256 of the leaf being served, in lower-case hex.
    pub fingerprint: String,
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
    /// Loads and proves the pair. Blocking file I/O.
    ///
    /// # Errors
    ///
    /// When no pair can be served; the server must not start, and no port needs to be bound yet.
    pub fn open(source: Source) -> Result<Self, CertificateError> {
        Self::open_at(source, now())
    }

    fn open_at(source: Source, now: i64) -> Result<Self, CertificateError> {
        let (pair, proven, ephemeral_pem) = match &source {
            Source::Files { cert, key } => {
                let pair = Pair::read(cert, key).map_err(|(path, error)| CertificateError::Unreadable(path, error))?;
                let proven = pair.prove(cert, key, now)?;
                (pair, proven, None)
            }
            Source::Ephemeral => {
                let (pem, pair) = ephemeral(now).map_err(CertificateError::Ephemeral)?;
                let name = Path::new("(ephemeral)");
                let proven = pair.prove(name, name, now)?;
                (pair, proven, Some(pem))
            }
        };
        Ok(Self {
            source,
            ephemeral_pem,
            tls: RustlsConfig::from_config(proven.config),
            state: Mutex::new(State {
                pair,
                leaf: proven.leaf,
                refused: None,
            }),
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
        let Source::Files { cert, key } = &self.source else {
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
            Ok(pair) if pair == state.pair => {
                state.refused = None;
                return Polled::Unchanged;
            }
            // Content that was refused before is proven anew: one that was not yet valid may be so by now.
            Ok(pair) => match pair.prove(cert, key, now) {
                Err(error) => (Seen::Pair(pair), error),
                Ok(Proven { config, leaf }) => {
                    self.tls.reload_from_config(config);
                    let validity = leaf.validity;
                    *state = State {
                        pair,
                        leaf,
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
            validity: state.leaf.validity,
            fingerprint: state.leaf.fingerprint.clone(),
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
    pair: Pair,
    leaf: Leaf,
    refused: Option<(Seen, String)>,
}

/// What a refusal was about, to report it once.
#[derive(PartialEq)]
enum Seen {
    Pair(Pair),
    Unreadable(PathBuf, io::ErrorKind),
}

/// What there is to know of a proven leaf.
struct Leaf {
    validity: Validity,
    fingerprint: String,
}

/// A pair that passed every check, ready to serve.
struct Proven {
    config: Arc<ServerConfig>,
    leaf: Leaf,
}

/// The bytes of both files. No `Debug`: one of them is a key.
#[derive(PartialEq)]
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Pair {
    /// The two files as they are now; the error names the one that can't be read. A swap between the two reads gives
    /// a mismatch, refused like any other, and gone at the next poll.
    fn read(cert: &Path, key: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let read = |path: &Path| fs::read(path).map_err(|error| (path.to_owned(), error));
        Ok(Self {
            cert: read(cert)?,
            key: read(key)?,
        })
    }

    /// Every check that comes before serving; the paths are for the messages.
    fn prove(&self, cert: &Path, key: &Path, now: i64) -> Result<Proven, CertificateError> {
        for (bytes, path) in [(&self.cert, cert), (&self.key, key)] {
            if bytes.is_empty() {
                return Err(CertificateError::Empty(path.to_owned()));
            }
        }
        let chain = parse_chain(&self.cert, cert)?;
        let leaf = check_chain(&chain, cert, now)?;
        let provider = Arc::new(ring::default_provider());
        let signing_key = provider
            .key_provider
            .load_private_key(parse_key(&self.key, key)?)
            .map_err(|error| CertificateError::UnusableKey(key.to_owned(), error))?;
        let certified = CertifiedKey::new(chain, signing_key);
        certified.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateError::Mismatch {
                cert: cert.to_owned(),
                key: key.to_owned(),
            },
            error => CertificateError::UnusableLeaf(cert.to_owned(), error),
        })?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(CertificateError::Configuration)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Proven {
            config: Arc::new(config),
            leaf,
        })
    }
}

/// The certificates of a PEM file, in its order.
fn parse_chain(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| broken_pem(&error, path))
}

/// The first private key of a PEM file.
fn parse_key(bytes: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey(path.to_owned()),
        error => broken_pem(&error, path),
    })
}

/// The parser's own words print bytes as numbers, and might one day print some of a key.
fn broken_pem(error: &pem::Error, path: &Path) -> CertificateError {
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no END line, so the file is cut short",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        pem::Error::Base64Decode(_) => "the text of a section is not base64 (broken, or an encrypted key)",
        _ => "not readable as PEM",
    };
    CertificateError::BrokenPem(path.to_owned(), reason)
}

/// Parses every certificate of the chain, and checks that there is a leaf and that it is valid now.
fn check_chain(chain: &[CertificateDer<'_>], path: &Path, now: i64) -> Result<Leaf, CertificateError> {
    let mut leaf = None;
    for (der, number) in chain.iter().zip(1..) {
        let broken = |reason| CertificateError::BrokenCertificate {
            path: path.to_owned(),
            number,
            reason,
        };
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| broken(error.to_string()))?;
        if !rest.is_empty() {
            return Err(broken("bytes follow its end".to_owned()));
        }
        leaf.get_or_insert_with(|| Leaf {
            validity: Validity {
                not_before: parsed.validity().not_before.timestamp(),
                not_after: parsed.validity().not_after.timestamp(),
            },
            fingerprint: hex(&Sha256::digest(der)),
        });
    }
    let leaf = leaf.ok_or_else(|| CertificateError::NoCertificate(path.to_owned()))?;
    let Validity { not_before, not_after } = leaf.validity;
    if now < not_before {
        return Err(CertificateError::NotYetValid {
            path: path.to_owned(),
            not_before,
            now,
        });
    }
    if now > not_after {
        return Err(CertificateError::Expired {
            path: path.to_owned(),
            not_after,
            now,
        });
    }
    Ok(leaf)
}

/// A fresh self-signed pair, and its certificate as text. It is a leaf and no CA, because webpki refuses a CA as a
/// server's own certificate, while every client takes a self-signed leaf that it was told to trust.
fn ephemeral(now: i64) -> Result<(String, Pair), rcgen::Error> {
    let moment = |seconds| {
        ASN1Time::from_timestamp(seconds)
            .map(|time| time.to_datetime())
            .map_err(|_| rcgen::Error::Time)
    };
    let mut params = CertificateParams::new(EPHEMERAL_NAMES.map(str::to_owned))?;
    params
        .distinguished_name
        .push(DnType::CommonName, "idp-multicloud ephemeral");
    params.not_before = moment(now - EPHEMERAL_BACKDATE)?;
    params.not_after = moment(now + EPHEMERAL_LIFETIME)?;
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

/// Bytes as lower-case hex.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// The time in Unix seconds.
fn now() -> i64 {
    ASN1Time::now().timestamp()
}

/// Unix seconds as text; times before 1970 come out as 1970.
fn rfc3339(seconds: i64) -> impl std::fmt::Display {
    let seconds = u64::try_from(seconds).unwrap_or(0).min(LATEST);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
