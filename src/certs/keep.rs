//! What keeping certificates takes: which is to be renewed, and in which order, so that no client ever meets one that it
//! does not trust. No clock, no I/O: one look in, the next write out.
//!
//! There are three places: a Secret with the authority and the whole bundle, the bundle as it is published, and a Secret
//! with the serving pair, which pods take up when they do. A new authority goes into its Secret first, so that it cannot
//! get lost; then the bundle is published, in which the ones before it stay until they expire; only then it issues a pair.
//! So whatever pods still serve is trusted for as long as it is valid.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::authority::{Authority, Lifetime};
use super::bundle::Bundle;
use super::pair::{CertificateError, Pair, Validity};

/// The names of a Secret's fields, as the type `kubernetes.io/tls` has them.
pub const CERT: &str = "tls.crt";
/// The private key.
pub const KEY: &str = "tls.key";
/// The bundle.
pub const BUNDLE: &str = "ca.crt";

/// Why what is still good is renewed.
const OLD: &str = "two thirds of its life are over";

/// What a Secret of ours holds; nothing, where there is none. No `Debug`: it has a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The certificate, as PEM.
    pub cert: Vec<u8>,
    /// Its private key, as PEM.
    pub key: Vec<u8>,
    /// The authorities to trust, as PEM.
    pub bundle: Vec<u8>,
}

/// What one look found.
#[derive(Clone)]
pub struct Seen {
    /// The Secret of the authority.
    pub authority: Held,
    /// The Secret of the serving pair.
    pub serving: Held,
    /// The bundle of each place that refuses claims if it trusts the wrong ones.
    pub published: Vec<Vec<u8>>,
    /// Whether every such place could be read. If not, nothing is made or issued: it might be trusted nowhere.
    pub all: bool,
    /// For how long the published bundles have been as they are.
    pub published_for: Duration,
}

/// What is to be kept.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The DNS names of the serving certificate; clients ask for the first.
    pub names: Vec<String>,
    /// How long it lives.
    pub lifetime: Lifetime,
}

/// The next write into a Secret, and why.
#[derive(Clone)]
pub enum Due {
    /// Into the Secret of the authority.
    Authority(Held, String),
    /// Into the Secret of the serving pair.
    Serving(Held, String),
}

/// How things stand.
#[derive(Clone)]
pub struct Standing {
    /// The authority's validity, if there is a usable one.
    pub authority: Option<Validity>,
    /// The serving certificate's, if it is good.
    pub serving: Option<Validity>,
    /// What is to be published everywhere; `None` while the authority's Secret is to be written first.
    pub bundle: Option<Bundle>,
    /// The next write into a Secret, if there is one.
    pub due: Option<Due>,
}

/// How things stand, and what to do about it.
///
/// # Errors
/// The library cannot make a certificate.
pub fn standing(seen: &Seen, wanted: &Wanted, now: i64) -> Result<Standing, rcgen::Error> {
    let found = Authority::read(
        (Path::new(CERT), &seen.authority.cert),
        (Path::new(KEY), &seen.authority.key),
        now,
    );
    let (stored, mut whole) = Bundle::read(&seen.authority.bundle, now);
    let mut older = Bundle::read(&seen.authority.cert, now).0.and(&stored, now);
    // A second copy, of when it was issued: what pods may still serve is trusted by it.
    older = older.and(&Bundle::read(&seen.serving.bundle, now).0, now);
    whole &= found
        .as_ref()
        .is_ok_and(|authority| stored.has(authority.certificate()));
    if !whole {
        // The Secret does not say any more what pods may still serve: whoever is trusted stays trusted.
        for bundle in &seen.published {
            older = older.and(&Bundle::read(bundle, now).0, now);
        }
    }
    let serving = proven(&seen.serving, wanted, now);
    let mut standing = Standing {
        authority: found.as_ref().ok().map(Authority::validity),
        serving: serving.as_ref().ok().map(|(_, validity)| *validity),
        bundle: None,
        due: None,
    };
    let authority = match found {
        Ok(authority) if !authority.validity().is_due(now) => authority,
        found => {
            if seen.all {
                let why = found.map_or_else(|error| error.to_string(), |_| OLD.to_owned());
                standing.due = Some(made(&older, wanted, why, now)?);
            }
            return Ok(standing);
        }
    };
    let bundle = current(&authority, &older, now);
    if !whole || bundle != stored {
        let held = Held {
            bundle: bundle.pem().into_bytes(),
            ..seen.authority.clone()
        };
        standing.due = seen
            .all
            .then(|| Due::Authority(held, format!("{BUNDLE}: was not whole")));
        return Ok(standing);
    }
    // Whatever else stands at a place: what this authority issues is trusted there.
    let has_it = |published: &Vec<u8>| Bundle::read(published, now).0.has(authority.certificate());
    let known = seen.all && seen.published.iter().all(has_it);
    let settled = seen.published_for >= wanted.lifetime.settled_after();
    let why = why_issue(serving, &authority, &bundle, now);
    if let Some((why, _)) = why.filter(|(_, at_once)| known && (*at_once || settled)) {
        let issued = authority.issue(&wanted.names, wanted.lifetime, now)?;
        let held = Held {
            cert: issued.cert.into_bytes(),
            key: issued.key.into_bytes(),
            bundle: bundle.pem().into_bytes(),
        };
        standing.due = Some(Due::Serving(held, why));
    }
    standing.bundle = Some(bundle);
    Ok(standing)
}

/// A new authority.
fn made(older: &Bundle, wanted: &Wanted, why: String, now: i64) -> Result<Due, rcgen::Error> {
    let (authority, issued) = Authority::make(wanted.lifetime, now)?;
    let held = Held {
        cert: issued.cert.into_bytes(),
        key: issued.key.into_bytes(),
        bundle: current(&authority, older, now).pem().into_bytes(),
    };
    Ok(Due::Authority(held, why))
}

/// The bundle with this authority as the current one.
fn current(authority: &Authority, older: &Bundle, now: i64) -> Bundle {
    let mut bundle = Bundle::default();
    bundle.add(authority.certificate().clone(), now);
    bundle.and(older, now)
}

/// Why a new serving certificate is to be issued, if so, and whether that is at once: what cannot be served or is not
/// trusted does not wait.
fn why_issue(
    serving: Result<Served, CertificateError>,
    authority: &Authority,
    bundle: &Bundle,
    now: i64,
) -> Option<(String, bool)> {
    let (chain, validity) = match serving {
        Ok(proven) => proven,
        Err(error) => return Some((error.to_string(), true)),
    };
    if let Err(error) = trusted(bundle, &chain, now) {
        return Some((error, true));
    }
    if validity.is_due(now) {
        return Some((OLD.to_owned(), false));
    }
    let issuer = current(authority, &Bundle::default(), now);
    let of_another = trusted(&issuer, &chain, now).is_err();
    of_another.then(|| ("an earlier authority issued it".to_owned(), false))
}

/// A chain that could be served, and how long.
type Served = (Vec<CertificateDer<'static>>, Validity);

fn proven(serving: &Held, wanted: &Wanted, now: i64) -> Result<Served, CertificateError> {
    let pair = Pair {
        cert: serving.cert.clone(),
        key: serving.key.clone(),
    };
    let name = wanted.names.first().map(String::as_str);
    let proven = pair.prove(Path::new(CERT), Path::new(KEY), name, now)?;
    Ok((proven.certified.cert, proven.leaf.validity))
}

fn trusted(bundle: &Bundle, chain: &[CertificateDer<'_>], now: i64) -> Result<(), String> {
    let trusts = bundle.trusts(chain, now);
    trusts.map_err(|error| format!("{CERT}: clients that trust {BUNDLE} refuse it: {error}"))
}

/// The bundle of a Secret that somebody else keeps, and until when its certificate is good.
///
/// # Errors
/// What is wrong with the Secret, so that the bundle had better stay as it is.
pub fn handed(serving: &Held, wanted: &Wanted, now: i64) -> Result<(Bundle, Validity), String> {
    let (bundle, _) = Bundle::read(&serving.bundle, now);
    if bundle.is_empty() {
        return Err(format!(
            "{BUNDLE}: no certificate of an authority that is valid; give those that clients are to trust"
        ));
    }
    let (chain, validity) = proven(serving, wanted, now).map_err(|error| error.to_string())?;
    trusted(&bundle, &chain, now)?;
    Ok((bundle, validity))
}

#[cfg(test)]
mod tests;
