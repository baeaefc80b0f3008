//! `controller`: writes the status of catalog objects.

use std::io::Write as _;

use super::process::{Address, Logging, address, bind, ended, runtime};
use super::{Outcome, cluster};
use crate::{controller, telemetry};

pub(super) const EXAMPLES: &str = "\
Examples:
  idp-multicloud controller
  kubectl get platform
  kubectl wait --for=condition=Accepted cell/payments

The condition Accepted says whether an object is in force, its reason why:
  Accepted    in force
  Incomplete  in force, but something is missing, as its message says
  Unresolved  not in force: an object that it needs is missing or not accepted
  Invalid     not in force: it is wrong itself

Run one of it. It needs to list and watch cells, cloudproviders,
placementpolicies and tiers, and to patch their status.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// HTTP for operators: GET /livez, /readyz, /metrics; "off" for none
    #[arg(long, env = "IDP_OPS_ADDR", value_name = "ADDR", default_value = "127.0.0.1:8081", value_parser = address)]
    ops_addr: Address,
    #[command(flatten)]
    logging: Logging,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    args.logging.start()?;
    let done = runtime()?.block_on(async {
        let ended = ended()?;
        let client = cluster::client().await?;
        let listener = bind("--ops-addr", args.ops_addr)?;
        let ops = match &listener {
            Some(listener) => format!("http://{}  GET /livez, /readyz, /metrics", listener.local_addr()?),
            None => "off".to_owned(),
        };
        let version = env!("CARGO_PKG_VERSION");
        // Whoever started this may have closed its standard output; that is no reason not to work.
        let _ = writeln!(std::io::stdout(), "idp-multicloud {version}, controller\n  ops  {ops}");
        controller::run(client, listener, async {
            let _ = ended.await;
        })
        .await?;
        Ok(Outcome::Done)
    });
    telemetry::flush();
    done
}
