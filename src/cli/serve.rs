//! `serve`: everything that has to be good is proven before a port is bound; a certificate that is not is waited for.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail};
use arc_swap::ArcSwapOption;
use clap::builder::BoolishValueParser;
use tokio::sync::Semaphore;

use super::output::harmless;
use super::process::{Address, Logging, address, bind, ended, outlive_full_files, runtime};
use super::{Outcome, Source, cluster};
use crate::admission::{self, Settings};
use crate::api::Api;
use crate::catalog::folder::Folder;
use crate::catalog::followed::Followed;
use crate::catalog::live::Live;
use crate::certs::{self, Certificates};
use crate::server::{self, Changes, Limits, Listeners, Rest, State};
use crate::store::deletion::Disposable;
use crate::store::{Cluster, Embedded, Store};
use crate::telemetry::Metrics;
use crate::telemetry::traces::Traces;

/// A real review, in a clone of the repository.
const REVIEW: &str = "tests/reviews/create.json";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// HTTPS for the API server: POST /mutate, POST /validate; "off" for none
    #[arg(long, env = "IDP_ADMISSION_ADDR", value_name = "ADDR", default_value = "127.0.0.1:8443", value_parser = address)]
    admission_addr: Address,
    /// HTTP for people and programs: REST under /api/, the portal at /web/; "off" for none
    #[arg(long, env = "IDP_API_ADDR", value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    api_addr: Address,
    /// HTTP for operators: GET /livez, /readyz (?verbose tells each check), /metrics; "off" for none
    #[arg(long, env = "IDP_OPS_ADDR", value_name = "ADDR", default_value = "127.0.0.1:8081", value_parser = address)]
    ops_addr: Address,
    /// Where claims live: "embedded", a file on this machine for a first try; or "cluster", where each request needs its
    /// caller's own token
    #[arg(long, env = "IDP_STORE", value_name = "embedded[:FILE]|cluster", default_value = "embedded", value_parser = Place::parse)]
    store: Place,
    /// Serve --api-addr over TLS, by the same certificate as --admission-addr
    #[arg(long, env = "IDP_API_TLS", value_parser = BoolishValueParser::new())]
    api_tls: bool,
    /// Serve --api-addr without TLS beyond this machine, too: TLS ends before it, at an ingress for one
    #[arg(long, env = "IDP_INSECURE_HTTP", value_parser = BoolishValueParser::new(), conflicts_with = "api_tls")]
    insecure_http: bool,
    /// Environments whose claims the REST API deletes without asking back; the same as the chart's disposableEnvironments
    #[arg(
        long,
        env = "IDP_DISPOSABLE_ENVIRONMENTS",
        value_name = "NAME,…",
        default_value = "dev",
        value_delimiter = ','
    )]
    disposable_environments: Vec<String>,
    /// PEM file with the serving certificate and its chain; without one, a self-signed pair is made for this run
    #[arg(long, env = "IDP_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the private key of --tls-cert
    #[arg(long, env = "IDP_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The DNS name that the API server calls, such as idp-multicloud-admission.idp-multicloud.svc: a certificate that is
    /// not valid for it is refused like a broken one
    #[arg(long, env = "IDP_TLS_NAME", value_name = "NAME", requires = "tls_cert", value_parser = not_empty)]
    tls_name: Option<String>,
    /// Where the catalog is: "builtin"; a folder of *.yaml files, which is watched for changes; or "cluster", whose
    /// objects are followed
    #[arg(long, env = "IDP_CATALOG", value_name = "builtin|DIR|cluster", default_value = "builtin", value_parser = Source::parse)]
    catalog: Source,
    /// The group whose members may restore claims, lower tiers and roll out composition revisions; nobody if not given
    #[arg(long, env = "IDP_OPERATOR_GROUP", value_name = "GROUP", value_parser = not_empty)]
    operator_group: Option<String>,
    /// The user name that Crossplane writes with
    #[arg(long, env = "IDP_CROSSPLANE_ACCOUNT", value_name = "USER", value_parser = not_empty,
          default_value = "system:serviceaccount:crossplane-system:crossplane")]
    crossplane_account: String,
    /// The longest that a request may take; the API server's own ?timeout= counts where it is shorter
    #[arg(long, env = "IDP_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = timeout)]
    request_timeout: Duration,
    /// How long to go on serving, not ready any more, after SIGTERM; a second signal ends at once
    #[arg(long, env = "IDP_DRAIN_DELAY", value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    drain_delay: Duration,
    /// The most connections open at a time, for each listener; once all are taken, those that lie idle are closed
    #[arg(long, env = "IDP_MAX_CONNECTIONS", value_name = "N", default_value = "1000")]
    max_connections: NonZeroUsize,
    #[command(flatten)]
    logging: Logging,
}

/// Where claims live.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In this file, or the usual one.
    Embedded(Option<PathBuf>),
    Cluster,
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "cluster" => Ok(Self::Cluster),
            "embedded" => Ok(Self::Embedded(None)),
            _ => match text.strip_prefix("embedded:") {
                Some(file) if !file.is_empty() => Ok(Self::Embedded(Some(file.into()))),
                _ => Err("give embedded, embedded:FILE or cluster".to_owned()),
            },
        }
    }
}

/// Where the embedded store is if nobody says: <https://specifications.freedesktop.org/basedir-spec/latest/>.
fn usual_file() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let state = state.context("there is no home to keep claims in; give a file: --store embedded:FILE")?;
    Ok(state.join("idp-multicloud").join("claims.redb"))
}

fn timeout(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("must be longer than nothing".to_owned()),
        Ok(timeout) => Ok(timeout),
        Err(error) => Err(error.to_string()),
    }
}

fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("must not be empty; leave it out for the default".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    args.logging.start(Traces::of_environment()?)?;
    let source = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => certs::Source::Files {
            cert: cert.clone(),
            key: key.clone(),
            name: args.tls_name.clone(),
        },
        _ => certs::Source::Ephemeral,
    };
    let certificates = Certificates::open(source)?;
    // A cluster is asked once everything serves: it may be away, and it may call us first.
    let catalog = match &args.catalog {
        Source::Cluster => Live::default(),
        source => Live::new(source.load()?.0),
    };
    runtime()?.block_on(serve(args, certificates, catalog))?;
    Ok(Outcome::Done)
}

async fn serve(args: Args, certificates: Certificates, catalog: Live) -> anyhow::Result<()> {
    // Signals count from here on, so that one that comes during the start is not lost.
    let ended = ended()?;
    let catalog = Arc::new(catalog);
    let metrics = Arc::<Metrics>::default();
    let settings = Settings {
        crossplane_account: args.crossplane_account.clone(),
        operator_group: args.operator_group.clone(),
    };
    let (rest, place) = match args.api_addr.0 {
        None => (None, String::new()),
        Some(address) => {
            let (store, place) = open_store(&args, address.ip(), &catalog, &metrics, &settings).await?;
            // None at all, as the chart says it.
            let disposable = args.disposable_environments.iter().map(|name| name.trim());
            let disposable = disposable.filter(|name| !name.is_empty()).map(str::to_owned);
            let api = Api {
                store,
                catalog: Arc::clone(&catalog),
                disposable: Disposable(disposable.collect()),
                timeout: args.request_timeout,
                metrics: Arc::clone(&metrics),
            };
            let rest = bind("--api-addr", args.api_addr)?.map(|listener| Rest {
                api: Arc::new(api),
                listener,
                tls: args.api_tls,
            });
            (rest, place)
        }
    };
    let listeners = Listeners {
        admission: bind("--admission-addr", args.admission_addr)?,
        api: rest,
        ops: bind("--ops-addr", args.ops_addr)?,
    };
    let changes = match &args.catalog {
        Source::Builtin => Changes::None,
        Source::Folder(dir) => Changes::Folder(Folder::new(dir)),
        Source::Cluster => Changes::Cluster(cluster::client().await?),
    };
    let state = State {
        catalog,
        catalog_refusal: ArcSwapOption::empty(),
        followed: (args.catalog == Source::Cluster).then(Followed::new),
        consequences: Semaphore::new(1),
        settings,
        request_timeout: args.request_timeout,
        metrics,
        draining: AtomicBool::new(false),
    };
    admission::expect(&state.metrics);
    state.announce_catalog();
    if listeners.admission.is_some() || listeners.api.as_ref().is_some_and(|rest| rest.tls) {
        state.announce_certificate(&certificates);
        if certificates.status().ephemeral {
            tracing::warn!("no --tls-cert: serving with a self-signed certificate made for this run");
        }
    }
    // Whoever started this may have closed its standard output; that is no reason not to serve.
    let _ = std::io::stdout().write_all(greeting(&args.catalog, &place, &state, &listeners)?.as_bytes());
    let limits = Limits {
        drain_delay: args.drain_delay,
        connections: args.max_connections.get(),
    };
    server::run(
        Arc::new(state),
        listeners,
        Arc::new(certificates),
        changes,
        limits,
        ended,
    )
    .await?;
    Ok(())
}

/// The store behind REST, and its name for people.
async fn open_store(
    args: &Args,
    address: IpAddr,
    catalog: &Arc<Live>,
    metrics: &Arc<Metrics>,
    settings: &Settings,
) -> anyhow::Result<(Store, String)> {
    match &args.store {
        Place::Embedded(file) => {
            if !address.is_loopback() {
                bail!(
                    "--api-addr {address}: the embedded store asks nobody who they are, so it is for this machine only; give a \
                     loopback address, or --store cluster"
                );
            }
            let file = file.clone().map_or_else(usual_file, Ok)?;
            outlive_full_files()?;
            let store = Embedded::open(&file, Arc::clone(catalog), Arc::clone(metrics), settings.clone())?;
            Ok((
                Store::Embedded(store),
                format!("claims in {}", harmless(&file.display().to_string())),
            ))
        }
        Place::Cluster => {
            if !(address.is_loopback() || args.api_tls || args.insecure_http) {
                bail!(
                    "--api-addr {address}: tokens would go over the network as they are; give --api-tls, or --insecure-http if \
                     TLS ends before this server"
                );
            }
            let store = Cluster::new(cluster::config().await?).context("the cluster's configuration cannot be used")?;
            Ok((Store::Cluster(store), "claims of the cluster".to_owned()))
        }
    }
}

/// What is served where and, where that is a first try, what to do next.
fn greeting(source: &Source, place: &str, state: &State, listeners: &Listeners) -> anyhow::Result<String> {
    let revision = match state.catalog.current() {
        Some(held) => format!("revision {}", held.snapshot().revision().short()),
        None => "ready once it is read".to_owned(),
    };
    let mut text = format!("idp-multicloud {}, {source}, {revision}\n", env!("CARGO_PKG_VERSION"));
    let local = |listener: &Option<TcpListener>| listener.as_ref().map(TcpListener::local_addr).transpose();
    let admission = local(&listeners.admission)?;
    let rest = listeners.api.as_ref();
    let api = rest.map(|rest| rest.listener.local_addr()).transpose()?;
    let scheme = if rest.is_some_and(|rest| rest.tls) {
        "https"
    } else {
        "http"
    };
    for (name, scheme, address, paths) in [
        ("admission", "https", admission, "POST /mutate, /validate"),
        ("api", scheme, api, place),
        ("ops", "http", local(&listeners.ops)?, "GET /livez, /readyz, /metrics"),
    ] {
        let place = address.map_or_else(|| "off".to_owned(), |address| format!("{scheme}://{address}  {paths}"));
        writeln!(text, "  {name:<9}  {place}")?;
    }
    if *source == Source::Builtin {
        let binary = std::env::args().next().unwrap_or_default();
        writeln!(
            text,
            "\nTry, in another terminal:\n  \
             {binary} place --cell payments --tier C1 --environment prod --size medium --storage-gb 50 --ha"
        )?;
        if let Some(admission) = admission.filter(|_| Path::new(REVIEW).exists()) {
            writeln!(text, "  curl -sk https://{admission}/mutate --json @{REVIEW}")?;
        }
        writeln!(text, "Ctrl-C ends it.")?;
    }
    if let Some(api) = api {
        writeln!(text, "\nThe portal: {scheme}://{api}/web/")?;
    }
    Ok(text)
}
