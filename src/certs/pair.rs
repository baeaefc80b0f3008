//! A certificate with its key: the checks before it is served, and why it is not. No clock in here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hex_simd::AsciiCase;
use rustls::InconsistentKeys;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::seconds::rfc3339;

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
    /// The leaf is for other names.
    #[error("{}: not valid for {name}, but for {found}; issue it for that name, or give another with --tls-name", path.display())]
    WrongName {
        /// The file.
        path: PathBuf,
        /// The name that clients ask for.
        name: String,
        /// The names that the leaf has.
        found: String,
    },
    /// The certificate is none of a certificate authority.
    #[error("{path}: is not the certificate of a certificate authority (CA); give one with basicConstraints CA:TRUE and keyCertSign", path = .0.display())]
    NoAuthority(PathBuf),
    /// The key is good for TLS, but nothing can be issued with it.
    #[error("{path}: cannot issue certificates with this key: {1}; give it as PKCS#8 (`openssl pkcs8 -topk8 -nocrypt`)", path = .0.display())]
    UnusableAuthority(PathBuf, rcgen::Error),
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

/// What there is to know of a proven leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// When it is valid.
    pub validity: Validity,
    /// Its SHA-256, in lower-case hex.
    pub fingerprint: String,
}

/// A pair that passed every check, ready to serve.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) certified: CertifiedKey,
    pub(super) leaf: Leaf,
}

/// The bytes of both files. No `Debug`: one of them is a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) cert: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl Pair {
    /// The two files as they are now; the error names the one that can't be read. A swap between the two reads gives
    /// a mismatch, refused like any other, and gone at the next poll.
    pub(super) fn read(cert: &Path, key: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let read = |path: &Path| fs::read(path).map_err(|error| (path.to_owned(), error));
        Ok(Self {
            cert: read(cert)?,
            key: read(key)?,
        })
    }

    /// Every check that comes before serving, `name` being the one that clients ask for, if it is known; the paths are
    /// for the messages.
    pub(super) fn prove(
        &self,
        cert: &Path,
        key: &Path,
        name: Option<&str>,
        now: i64,
    ) -> Result<Proven, CertificateError> {
        for (bytes, path) in [(&self.cert, cert), (&self.key, key)] {
            if bytes.is_empty() {
                return Err(CertificateError::Empty(path.to_owned()));
            }
        }
        let chain = parse_chain(&self.cert, cert)?;
        let leaf = check_chain(&chain, cert, now)?;
        let signing_key = ring::default_provider()
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
        if let Some(name) = name {
            check_name(&certified, cert, name)?;
        }
        Ok(Proven { certified, leaf })
    }
}

/// Whether the leaf is for this name, as a client sees it.
fn check_name(certified: &CertifiedKey, path: &Path, name: &str) -> Result<(), CertificateError> {
    let unusable = |error| CertificateError::UnusableLeaf(path.to_owned(), error);
    let der = certified.end_entity_cert().map_err(unusable)?;
    let parsed = ParsedCertificate::try_from(der).map_err(unusable)?;
    let is_valid = ServerName::try_from(name).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok());
    if is_valid {
        return Ok(());
    }
    Err(CertificateError::WrongName {
        path: path.to_owned(),
        name: name.to_owned(),
        found: names(der),
    })
}

/// The names that a certificate is for, as text.
fn names(der: &[u8]) -> String {
    let parsed = X509Certificate::from_der(der).ok();
    let names = parsed
        .as_ref()
        .and_then(|(_, parsed)| parsed.subject_alternative_name().ok()?);
    let names = names.into_iter().flat_map(|names| &names.value.general_names);
    let names: Vec<String> = names
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            other => other.to_string(),
        })
        .collect();
    if names.is_empty() {
        "no name at all".to_owned()
    } else {
        names.join(", ")
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
            fingerprint: hex_simd::encode_to_string(Sha256::digest(der), AsciiCase::Lower),
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
