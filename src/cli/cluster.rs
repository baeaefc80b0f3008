//! The cluster that a command is about: that of the kubeconfig, or the one whose pod it runs in.

use anyhow::Context;
use kube::{Client, Config};

use crate::catalog::{Object, cluster};

/// Its configuration.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) async fn config() -> anyhow::Result<Config> {
    // The name is taken already where this runs inside a server.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Config::infer()
        .await
        .context("there is no cluster to ask: set KUBECONFIG")
}

/// A client of it, for the catalog.
///
/// # Errors
/// There is no cluster, or its configuration cannot be used.
pub(super) async fn client() -> anyhow::Result<Client> {
    cluster::client(config().await?).context("the cluster's configuration cannot be used")
}

/// The objects of its catalog.
///
/// # Errors
/// There is no cluster, or it does not tell.
pub(super) fn catalog() -> anyhow::Result<Vec<Object>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { cluster::load(client().await?).await.map_err(anyhow::Error::msg) })
}
