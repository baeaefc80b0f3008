//! A certificate authority: made, read, and what it issues. No clock, no I/O.

use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::CertificateDer;

use super::bundle::is_authority;
use super::pair::{CertificateError, Pair, Proven, Validity};
use super::seconds::valid;

/// What a client is told that an authority of ours is.
const NAME: &str = "idp-multicloud admission CA";

/// The name in a leaf's subject, which nobody but people reads.
const LEAF: &str = "idp-multicloud admission";

/// The longest that a certificate begins before it is made, for clients whose clock is behind. Seconds.
const MOST_BACKDATED: i64 = 60 * 60;

/// How many leaves' lives an authority lives. It is renewed at two thirds of that, so there is overlap for more than one
/// leaf: none outlives its authority.
const AUTHORITY_LIVES: i64 = 5;

/// The DNS names of a Service; the API server asks for the first.
#[must_use]
pub fn names_of(service: &str, namespace: &str) -> [String; 4] {
    let in_namespace = format!("{service}.{namespace}");
    [
        format!("{in_namespace}.svc"),
        format!("{in_namespace}.svc.cluster.local"),
        in_namespace,
        service.to_owned(),
    ]
}

/// How long a leaf certificate lives; everything else follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(i64);

impl Lifetime {
    /// The shortest that there may be: certificates know whole seconds only.
    pub const SHORTEST: Duration = Duration::from_secs(10);
    /// The longest that there may be, of which an authority's is still one that a certificate can hold.
    pub const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

    /// A leaf's life of that length; `None` when it is too short or too long.
    #[must_use]
    pub fn new(leaf: Duration) -> Option<Self> {
        let seconds = i64::try_from(leaf.as_secs()).ok()?;
        (Self::SHORTEST..=Self::LONGEST)
            .contains(&leaf)
            .then_some(Self(seconds))
    }

    /// How long everybody has to learn of a new bundle before a leaf counts on it, where there is no hurry.
    #[must_use]
    pub fn settled_after(self) -> Duration {
        Duration::from_secs((self.0 / 10).clamp(0, 60).unsigned_abs())
    }
}

/// The validity of a certificate that is made now and lives so many seconds: it begins shortly before, by up to a tenth of
/// that.
fn beginning(now: i64, lives: i64) -> Validity {
    Validity {
        not_before: now - (lives / 10).clamp(0, MOST_BACKDATED),
        not_after: now + lives,
    }
}

impl Validity {
    /// Whether two thirds of it are over, and it is time for the next.
    #[must_use]
    pub fn is_due(self, now: i64) -> bool {
        now >= self.not_before + (self.not_after - self.not_before) / 3 * 2
    }

    /// Whether it is valid.
    #[must_use]
    pub fn holds(self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// A certificate and its key as PEM. No `Debug`: one of them is a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub cert: String,
    /// The private key, PKCS#8.
    pub key: String,
    /// When the certificate is valid.
    pub validity: Validity,
}

/// A certificate authority that can issue. No `Debug`: it has a key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    validity: Validity,
}

impl Authority {
    /// A new one, with its certificate and key to keep.
    ///
    /// # Errors
    /// The library has no randomness, or a time is none that a certificate can hold.
    pub fn make(lifetime: Lifetime, now: i64) -> Result<(Self, Issued), rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, NAME);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let validity = beginning(now, lifetime.0 * AUTHORITY_LIVES);
        valid(&mut params, validity.not_before, validity.not_after)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.self_signed(&key)?;
        let issued = Issued {
            cert: certificate.pem(),
            key: key.serialize_pem(),
            validity,
        };
        let authority = Self {
            issuer: Issuer::new(params, key),
            certificate: certificate.der().clone(),
            validity,
        };
        Ok((authority, issued))
    }

    /// The one in these two texts, the first certificate being its own. The paths are for the messages.
    ///
    /// # Errors
    /// They hold none that can issue now.
    pub fn read(
        (cert_path, cert): (&Path, &[u8]),
        (key_path, key): (&Path, &[u8]),
        now: i64,
    ) -> Result<Self, CertificateError> {
        let pair = Pair {
            cert: cert.to_owned(),
            key: key.to_owned(),
        };
        let Proven { certified, leaf } = pair.prove(cert_path, key_path, None, now)?;
        let certificate = certified.cert.first().filter(|der| is_authority(der));
        let certificate = certificate.ok_or_else(|| CertificateError::NoAuthority(cert_path.to_owned()))?;
        let unusable = |error| CertificateError::UnusableAuthority(key_path.to_owned(), error);
        let key = std::str::from_utf8(key).map_err(|_| unusable(rcgen::Error::CouldNotParseKeyPair))?;
        let key = KeyPair::from_pem(key).map_err(unusable)?;
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(certificate, key).map_err(unusable)?,
            certificate: certificate.clone(),
            validity: leaf.validity,
        })
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// A new serving certificate for these DNS names. It ends with the authority at the latest.
    ///
    /// # Errors
    /// A name is none, or the library has no randomness.
    pub fn issue(&self, names: &[String], lifetime: Lifetime, now: i64) -> Result<Issued, rcgen::Error> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, LEAF);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let validity = beginning(now, lifetime.0.min(self.validity.not_after - now));
        valid(&mut params, validity.not_before, validity.not_after)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Issued {
            cert: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
            validity,
        })
    }
}
