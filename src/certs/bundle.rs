//! The authorities that clients trust, as they are published. No clock, no I/O.

use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::pair::Validity;

/// The most certificates of a bundle. Every write of a claim has it checked, so it must not grow for ever.
const MOST: usize = 16;

/// How long a line of PEM is.
const LINE: usize = 64;

/// Certificates of authorities, the current one first; none twice, none expired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle(Vec<CertificateDer<'static>>);

impl Bundle {
    /// What there is to use in a text, and whether there is nothing else in it: what is broken, no
    /// authority's or too much is left out, and so is, without a word, what has expired.
    #[must_use]
    pub fn read(pem: &[u8], now: i64) -> (Self, bool) {
        let text = String::from_utf8_lossy(pem);
        let (mut bundle, mut all) = (Self::default(), Self::default());
        // Section by section: one that is cut short must not take the next with it.
        for section in text.split("-----BEGIN ").skip(1) {
            let certificate = CertificateDer::from_pem_slice(format!("-----BEGIN {section}").as_bytes());
            if let Some(certificate) = certificate.ok().filter(|der| is_authority(der)) {
                all.0.push(certificate.clone());
                bundle.add(certificate, now);
            }
        }
        // However it is laid out.
        let pem = all.pem();
        let whole = pem.split_whitespace().eq(text.split_whitespace());
        (bundle, whole)
    }

    /// Adds one at the end, if it is unexpired, not there yet, and there is room.
    pub fn add(&mut self, certificate: CertificateDer<'static>, now: i64) {
        let unexpired = validity(&certificate).is_some_and(|validity| now <= validity.not_after);
        if unexpired && self.0.len() < MOST && !self.0.contains(&certificate) {
            self.0.push(certificate);
        }
    }

    /// Adds those of another at the end.
    #[must_use]
    pub fn and(mut self, other: &Self, now: i64) -> Self {
        for certificate in &other.0 {
            self.add(certificate.clone(), now);
        }
        self
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn has(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.contains(certificate)
    }

    /// As text.
    #[must_use]
    pub fn pem(&self) -> String {
        let mut text = String::new();
        for certificate in &self.0 {
            let base64 = base64_simd::STANDARD.encode_to_string(certificate);
            text.push_str("-----BEGIN CERTIFICATE-----\n");
            for line in base64.as_bytes().chunks(LINE) {
                text.extend(line.iter().copied().map(char::from));
                text.push('\n');
            }
            text.push_str("-----END CERTIFICATE-----\n");
        }
        text
    }

    /// Whether a client that trusts this bundle takes the chain, whatever the name it asks for.
    ///
    /// # Errors
    /// Why not.
    pub fn trusts(&self, chain: &[CertificateDer<'_>], now: i64) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        // Go holds authorities to their own time, too; webpki does not.
        let valid = |der: &&CertificateDer<'_>| validity(der).is_some_and(|validity| validity.holds(now));
        roots.add_parsable_certificates(self.0.iter().filter(valid).cloned());
        let (leaf, others) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let leaf = ParsedCertificate::try_from(leaf)?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now.max(0).unsigned_abs()));
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_server_cert_signed_by_trust_anchor(&leaf, &roots, others, time, algorithms.all)
    }
}

/// When a certificate is valid, if it is one.
fn validity(der: &[u8]) -> Option<Validity> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Some(Validity {
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
    })
}

/// Whether it is the certificate of an authority, which may sign others.
pub(super) fn is_authority(der: &[u8]) -> bool {
    let Ok((rest, parsed)) = X509Certificate::from_der(der) else {
        return false;
    };
    let signs = match parsed.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
        Err(_) => false,
    };
    rest.is_empty() && parsed.is_ca() && signs
}
