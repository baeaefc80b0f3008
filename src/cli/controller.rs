//! `controller`: writes the status of catalog objects, looks after the certificates, counts claims, and watches what holds claims.

use std::io::Write as _;

use clap::ValueEnum;

use super::process::{Address, Logging, address, bind, ended, runtime};
use super::{Outcome, cluster};
use crate::certs::authority::Lifetime;
use crate::controller::{Issuer, Settings};
use crate::{controller, telemetry};

pub(super) const EXAMPLES: &str = "\
Examples:
  idp-multicloud controller
  idp-multicloud controller --certificates self-managed
  kubectl get platform
  kubectl wait --for=condition=Accepted cell/payments

The condition Accepted says whether an object is in force, its reason why:
  Accepted    in force
  Incomplete  in force, but something is missing, as its message says
  Unresolved  not in force: an object that it needs is missing or not accepted
  Invalid     not in force: it is wrong itself

Run one of it. It needs to list and watch cells, cloudproviders,
placementpolicies and tiers, and to patch their status; to list
mysqlinstanceclaims, to count those without a placement; and to get the
guard's four admission policies, their bindings, and the webhook
configurations idp-multicloud, by name, to tell in its log and metrics
when one of these is not in force.

With --certificates self-managed it keeps a certificate authority (CA)
in the Secret idp-multicloud-ca, issues the certificate in the Secret
of --tls-secret, and publishes the bundle of CAs to trust as caBundle in
the webhook configurations idp-multicloud and idp-multicloud-catalog.
With --certificates secret somebody else keeps the Secret of
--tls-secret, and it publishes the bundle in its ca.crt. It needs to get
and patch the configurations, and to get the Secret, or to get, create
and patch both Secrets; all by their names.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// HTTP for operators: GET /livez, /readyz, /metrics; "off" for none
    #[arg(long, env = "IDP_OPS_ADDR", value_name = "ADDR", default_value = "127.0.0.1:8081", value_parser = address)]
    ops_addr: Address,
    /// Who issues the serving certificates, so that the webhook configurations are kept to trust them: this controller,
    /// whoever keeps the Secret of --tls-secret, or somebody who also looks after the configurations
    #[arg(long, env = "IDP_CERTIFICATES", value_name = "WHO", default_value = "off")]
    certificates: Certificates,
    /// The namespace of the Service idp-multicloud-admission and of the Secrets
    #[arg(long, env = "IDP_NAMESPACE", value_name = "NAME", default_value = "idp-multicloud")]
    namespace: String,
    /// The Secret with the serving certificate
    #[arg(
        long,
        env = "IDP_TLS_SECRET",
        value_name = "NAME",
        default_value = "idp-multicloud-admission-tls",
        value_parser = serving_secret
    )]
    tls_secret: String,
    /// How long a serving certificate lives that is issued here; it is renewed after two thirds, and the CA lives five
    /// times as long
    #[arg(long, env = "IDP_CERTIFICATE_LIFETIME", value_name = "DURATION", default_value = "90days", value_parser = lifetime)]
    certificate_lifetime: Lifetime,
    #[command(flatten)]
    logging: Logging,
}

/// Who issues the serving certificates.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Certificates {
    /// Not looked after here
    Off,
    /// Issued here
    SelfManaged,
    /// Issued by whoever keeps the Secret
    Secret,
}

/// A Secret that the pods may mount.
fn serving_secret(text: &str) -> Result<String, String> {
    match text {
        "" => Err("must not be empty".to_owned()),
        controller::AUTHORITY => {
            Err("is the Secret of the certificate authority, whose key no server may have".to_owned())
        }
        name => Ok(name.to_owned()),
    }
}

/// A leaf's life.
pub(super) fn lifetime(text: &str) -> Result<Lifetime, String> {
    let parsed = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    Lifetime::new(parsed).ok_or_else(|| "must be from 10s to 100years".to_owned())
}

impl Args {
    fn settings(&self) -> Option<Settings> {
        let issuer = match self.certificates {
            Certificates::Off => return None,
            Certificates::SelfManaged => Issuer::Controller,
            Certificates::Secret => Issuer::Other,
        };
        Some(Settings {
            issuer,
            namespace: self.namespace.clone(),
            secret: self.tls_secret.clone(),
            lifetime: self.certificate_lifetime,
        })
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    args.logging.start(None)?;
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
        controller::run(client, listener, args.settings(), async {
            let _ = ended.await;
        })
        .await?;
        Ok(Outcome::Done)
    });
    telemetry::flush();
    done
}
