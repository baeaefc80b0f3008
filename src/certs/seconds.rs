//! Time as certificates have it: whole seconds since 1970.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use rcgen::CertificateParams;
use x509_parser::time::ASN1Time;

/// 9999-12-31T23:59:59Z, the latest time a certificate can name (RFC 5280, 4.1.2.5).
const LATEST: u64 = 253_402_300_799;

/// The time in Unix seconds.
#[must_use]
pub fn now() -> i64 {
    ASN1Time::now().timestamp()
}

/// Unix seconds as text; times before 1970 come out as 1970.
#[must_use]
pub fn rfc3339(seconds: i64) -> impl Display {
    let seconds = u64::try_from(seconds).unwrap_or(0).min(LATEST);
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Sets when a certificate to be made is valid, both ends included.
pub(super) fn valid(params: &mut CertificateParams, not_before: i64, not_after: i64) -> Result<(), rcgen::Error> {
    let time = |seconds| ASN1Time::from_timestamp(seconds).map_err(|_| rcgen::Error::Time);
    params.not_before = time(not_before)?.to_datetime();
    params.not_after = time(not_after)?.to_datetime();
    Ok(())
}
