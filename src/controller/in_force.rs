//! Whether what holds claims is in force as it is shipped: the guard, and the webhooks. Nobody would see that one is gone before
//! something is lost that it would have kept.

mod guard;
mod webhooks;

use std::fmt::Debug;
use std::time::Duration;

use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::looks::Looks;
use crate::catalog::cluster::said;
use crate::telemetry::ControllerMetrics;

const LOOKS: Looks = Looks {
    at: "guard and the webhooks",
    every: Duration::from_secs(10),
    patience: Duration::from_secs(30),
};

/// The name of a policy or a webhook, and why it is not in force, if that is so.
type Judged = (&'static str, Option<&'static str>);

/// All of them: a look at which one cannot be read has failed.
struct Seen {
    policies: Vec<Judged>,
    webhooks: Vec<Judged>,
}

/// Looks for ever, and tells the metrics; the log when something changes.
pub(super) async fn watch(client: &Client, metrics: &ControllerMetrics) {
    let mut before = Vec::new();
    let tell = |seen: Option<Seen>| {
        let Some(Seen { policies, webhooks }) = seen else {
            return metrics.in_force_failed();
        };
        for (policy, problem) in &policies {
            metrics.policy_is_in_force(policy, problem.is_none());
        }
        for (webhook, problem) in &webhooks {
            metrics.webhook_is_in_force(webhook, problem.is_none());
        }
        let problems = policies.iter().chain(&webhooks);
        let problems = problems.filter_map(|(name, problem)| problem.map(|problem| format!("{name}: {problem}")));
        let problems: Vec<String> = problems.collect();
        if problems == before {
            return;
        }
        if problems.is_empty() {
            tracing::info!("what holds claims is in force again");
        } else {
            tracing::error!(
                problems = problems.join("; "),
                "what holds claims is not in force: delete what is left of it, and install the same version again"
            );
        }
        before = problems;
    };
    LOOKS.each(|| seen(client), tell).await;
}

async fn seen(client: &Client) -> Result<Seen, String> {
    Ok(Seen {
        policies: guard::seen(client).await?,
        webhooks: webhooks::seen(client).await?,
    })
}

/// The first of these that is so.
fn first<const N: usize>(found: [(bool, &'static str); N]) -> Option<&'static str> {
    found.into_iter().find_map(|(is_so, problem)| is_so.then_some(problem))
}

/// Whether a failure policy refuses what could not be judged. What is not said is Fail.
fn fails_closed(policy: Option<&str>) -> bool {
    policy.is_none_or(|policy| policy == "Fail")
}

async fn found<K>(client: &Client, name: &str) -> Result<Option<K>, String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let found = Api::<K>::all(client.clone()).get_opt(name).await;
    found.map_err(|error| format!("{} {name}: {}", K::kind(&()), said(&error)))
}
