//! Writes a reason as JSON, or as the content of a JSON string (`ESCAPED`).
//!
//! It is the one document written at every admission, and `serde_json` would look at every byte of every key and format
//! every number as a float, at the price of all the rest of a decision. Names need no look: the catalog's check and the
//! claim's rules let nothing into them that JSON escapes.

use hex_simd::AsciiCase;
use sha2::{Digest, Sha256};

use super::{Count, Exclusion, ROOM, Ranking, Reason, Request, Requirements, Winner};
use crate::catalog::Fraction;
use crate::placement::gate::Cause;
use crate::placement::points::{Points, push_decimal};

type Out = Vec<u8>;

pub(super) fn text<const ESCAPED: bool>(of: &Reason<'_>) -> String {
    let mut out = Vec::with_capacity(ROOM);
    reason::<ESCAPED>(&mut out, of);
    // Only whole strings are written.
    String::from_utf8(out).unwrap_or_default()
}

/// The digest of what was decided. Not of the whole reason: an auditor takes it from four of its members.
pub(super) fn digest(
    winner: Option<&Winner<'_>>,
    request: &Request<'_>,
    requirements: &Requirements<'_>,
    revision: &str,
) -> String {
    let mut out = Vec::with_capacity(ROOM / 2);
    decided::<false>(&mut out, winner, request, requirements);
    name::<false>(&mut out, ",", "catalogRevision", revision);
    push(&mut out, "}");
    hex_simd::encode_to_string(Sha256::digest(out), AsciiCase::Lower)
}

fn reason<const ESCAPED: bool>(out: &mut Out, reason: &Reason<'_>) {
    decided::<ESCAPED>(out, reason.winner.as_ref(), &reason.request, &reason.requirements);
    key::<ESCAPED>(out, ",", "weights");
    let mut before = "{";
    for (dimension, weight) in &reason.weights {
        fraction::<ESCAPED>(out, before, dimension, *weight);
        before = ",";
    }
    push(out, "},");
    key::<ESCAPED>(out, "", "ranking");
    list(out, &reason.ranking, ranking::<ESCAPED>);
    whole::<ESCAPED>(out, ",", "fit", reason.fit as u64);
    whole::<ESCAPED>(out, ",", "candidates", reason.candidates as u64);
    if let Some(excluded) = &reason.excluded {
        key::<ESCAPED>(out, ",", "excluded");
        list(out, excluded, exclusion::<ESCAPED>);
    }
    if let Some(counts) = &reason.excluded_by_cause {
        key::<ESCAPED>(out, ",", "excludedByCause");
        list(out, counts, count::<ESCAPED>);
    }
    name::<ESCAPED>(out, ",", "catalogRevision", &reason.catalog_revision);
    if let Some(digest) = &reason.digest {
        name::<ESCAPED>(out, ",", "digest", digest);
    }
    push(out, "}");
}

/// The beginning of a reason: what was asked for, what that meant, and what came of it.
fn decided<const ESCAPED: bool>(
    out: &mut Out,
    winner: Option<&Winner<'_>>,
    request: &Request<'_>,
    requirements: &Requirements<'_>,
) {
    push(out, "{");
    if let Some(winner) = winner {
        key::<ESCAPED>(out, "", "winner");
        self::winner::<ESCAPED>(out, winner);
        push(out, ",");
    }
    key::<ESCAPED>(out, "", "request");
    name::<ESCAPED>(out, "{", "cell", &request.cell);
    name::<ESCAPED>(out, ",", "tier", &request.tier);
    name::<ESCAPED>(out, ",", "environment", &request.environment);
    name::<ESCAPED>(out, ",", "size", request.size.as_str());
    whole::<ESCAPED>(out, ",", "storageGB", request.storage_gb.into());
    key::<ESCAPED>(out, ",", "ha");
    push(out, if request.ha { "true}," } else { "false}," });
    key::<ESCAPED>(out, "", "requirements");
    whole::<ESCAPED>(out, "{", "rtoMinutes", requirements.rto_minutes.into());
    whole::<ESCAPED>(out, ",", "rpoMinutes", requirements.rpo_minutes.into());
    key::<ESCAPED>(out, ",", "capabilities");
    list(out, &requirements.capabilities, |out, capability| {
        quoted::<ESCAPED>(out, capability);
    });
    push(out, "}");
}

fn winner<const ESCAPED: bool>(out: &mut Out, winner: &Winner<'_>) {
    name::<ESCAPED>(out, "{", "candidate", &winner.candidate);
    name::<ESCAPED>(out, ",", "provider", &winner.provider);
    name::<ESCAPED>(out, ",", "region", &winner.region);
    name::<ESCAPED>(out, ",", "runtimeCluster", &winner.runtime_cluster);
    key::<ESCAPED>(out, ",", "network");
    push(out, "{");
    let mut before = "";
    for (network_key, value) in winner.network.iter() {
        line::<ESCAPED>(out, before, network_key, value);
        before = ",";
    }
    push(out, "}");
    points::<ESCAPED>(out, ",", "score", winner.score);
    push(out, "}");
}

fn ranking<const ESCAPED: bool>(out: &mut Out, ranking: &Ranking<'_>) {
    name::<ESCAPED>(out, "{", "candidate", &ranking.candidate);
    points::<ESCAPED>(out, ",", "score", ranking.score);
    key::<ESCAPED>(out, ",", "breakdown");
    list(out, &ranking.breakdown, |out, part| {
        name::<ESCAPED>(out, "{", "dimension", &part.dimension);
        fraction::<ESCAPED>(out, ",", "score", part.score);
        fraction::<ESCAPED>(out, ",", "weight", part.weight);
        points::<ESCAPED>(out, ",", "points", part.points);
        push(out, "}");
    });
    push(out, "}");
}

fn exclusion<const ESCAPED: bool>(out: &mut Out, exclusion: &Exclusion<'_>) {
    name::<ESCAPED>(out, "{", "candidate", &exclusion.candidate);
    key::<ESCAPED>(out, ",", "failures");
    list(out, &exclusion.failures, |out, failure| {
        name::<ESCAPED>(out, "{", "gate", failure.gate.as_str());
        line::<ESCAPED>(out, ",", "detail", &failure.detail);
        push(out, "}");
    });
    push(out, "}");
}

fn count<const ESCAPED: bool>(out: &mut Out, count: &Count<'_>) {
    match &count.cause {
        Cause::Lacks(capability) => cause::<ESCAPED>(out, "lacks", capability),
        Cause::Policy(policy) => cause::<ESCAPED>(out, "policy", policy),
        Cause::Cordoned => name::<ESCAPED>(out, "{", "cause", "cordoned"),
        Cause::OtherPolicies => name::<ESCAPED>(out, "{", "cause", "otherPolicies"),
    }
    whole::<ESCAPED>(out, ",", "count", count.count as u64);
    push(out, "}");
}

fn cause<const ESCAPED: bool>(out: &mut Out, what: &str, named: &str) {
    key::<ESCAPED>(out, "{", "cause");
    name::<ESCAPED>(out, "{", what, named);
    push(out, "}");
}

fn list<T>(out: &mut Out, members: &[T], member: impl Fn(&mut Out, &T)) {
    push(out, "[");
    for (i, each) in members.iter().enumerate() {
        if i > 0 {
            push(out, ",");
        }
        member(out, each);
    }
    push(out, "]");
}

fn push(out: &mut Out, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// A text that JSON escapes nothing of.
fn quoted<const ESCAPED: bool>(out: &mut Out, text: &str) {
    let quote = if ESCAPED { "\\\"" } else { "\"" };
    push(out, quote);
    push(out, text);
    push(out, quote);
}

fn key<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str) {
    push(out, before);
    quoted::<ESCAPED>(out, key);
    push(out, ":");
}

/// A member whose value is a name.
fn name<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: &str) {
    self::key::<ESCAPED>(out, before, key);
    quoted::<ESCAPED>(out, value);
}

/// A member whose value is a line of printable text, which may have quotes and backslashes.
fn line<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: &str) {
    if value.bytes().any(|byte| matches!(byte, b'"' | b'\\')) {
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let once = escape(value);
        name::<ESCAPED>(out, before, key, &if ESCAPED { escape(&once) } else { once });
    } else {
        name::<ESCAPED>(out, before, key, value);
    }
}

fn whole<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: u64) {
    self::key::<ESCAPED>(out, before, key);
    push_decimal::<0>(out, value);
}

fn fraction<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: Fraction) {
    self::key::<ESCAPED>(out, before, key);
    push_decimal::<4>(out, value.units().into());
}

fn points<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: Points) {
    self::key::<ESCAPED>(out, before, key);
    push_decimal::<8>(out, value.units());
}
