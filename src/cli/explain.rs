//! A decision as text for people. What it says comes from the decision; nothing is weighed here.

use std::fmt::Write;

use super::output::{listed, table};
use crate::catalog::Candidate;
use crate::placement::{Decision, Excluded, Gate, Points, breakdown};

/// Request, requirements and every candidate, as a few lines and a table.
pub(super) fn decision(decision: &Decision<'_>) -> String {
    let request = &decision.request;
    let ha = if request.ha { ", ha" } else { "" };
    let mut text = format!(
        "  asks for  cell {}, environment {}, size {}, {} GiB{ha}\n",
        request.cell, request.environment, request.size, request.storage_gb
    );
    let tier = decision.tier;
    let _ = writeln!(
        text,
        "  tier {:<4} RTO {} min, RPO {} min\n  requires  {}\n  catalog   {}\n",
        tier.shown(),
        tier.rto_minutes,
        tier.rpo_minutes,
        listed(&decision.required),
        decision.catalog.revision().short()
    );
    text.push_str(&candidates(decision));
    text.push('\n');
    // A refusal begins with the summary, so there it would stand twice.
    if decision.winner().is_some() {
        let _ = writeln!(text, "{}", decision.summary());
    }
    for Excluded {
        candidate, failures, ..
    } in &decision.excluded
    {
        let _ = writeln!(text, "  {}: {}", candidate.name, listed(failures));
    }
    text
}

/// Every candidate: its gates, its score in each dimension and the points that makes, and the total.
fn candidates(decision: &Decision<'_>) -> String {
    let weights = &decision.tier.weights;
    let mut header = vec![String::new(), "CANDIDATE".to_owned(), "GATES".to_owned()];
    header.extend(
        weights
            .iter()
            .map(|(dimension, weight)| format!("{dimension} × {weight}")),
    );
    header.push("TOTAL".to_owned());
    let scored = |candidate: &Candidate| -> Vec<String> {
        breakdown(candidate, decision.tier)
            .map(|(_, score, weight)| format!("{score} → {}", Points::weighed(score, weight)))
            .collect()
    };
    let ranked = decision.ranked.iter().enumerate().map(|(place, ranked)| {
        let mark = if place == 0 { "*" } else { "" };
        let mut row = vec![mark.to_owned(), ranked.candidate.name.clone(), "pass".to_owned()];
        row.extend(scored(ranked.candidate));
        row.push(ranked.score.to_string());
        row
    });
    let excluded = decision.excluded.iter().map(|excluded| {
        let mut row = vec![String::new(), excluded.candidate.name.clone(), fails(excluded)];
        row.extend(scored(excluded.candidate));
        row.push("excluded".to_owned());
        row
    });
    table(header, ranked.chain(excluded))
}

fn fails(excluded: &Excluded<'_>) -> String {
    let failed = |gate: &Gate| excluded.failures.iter().any(|failure| failure.gate == *gate);
    let words = Gate::ALL.iter().filter(|gate| failed(gate)).map(|gate| match gate {
        Gate::Provider => "provider",
        Gate::Region => "region",
        Gate::Candidate => "candidate",
        Gate::Capability => "capability",
        Gate::Policy => "policy",
    });
    format!("fails {}", listed(words))
}
