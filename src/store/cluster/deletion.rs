//! How a claim is deleted: one that keeps its database only after the annotation that allows it, and all to the end.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};
use tracing::Instrument;

use super::{Cluster, JSON, claim};
use crate::admission::API_FIELD_MANAGER;
use crate::store::deletion::{ALLOW, ALLOWED, annotation};
use crate::store::{Caller, Deleted, Key, StoreError};

const MERGE_PATCH: &str = "application/merge-patch+json";

impl Cluster {
    pub(in crate::store) async fn delete(
        &self,
        caller: &Caller,
        key: &Key,
        found: &Value,
        allow: bool,
    ) -> Result<Deleted, StoreError> {
        let uid = found.pointer("/metadata/uid").cloned().unwrap_or_default();
        if !allow {
            return self.deleted(caller, key, &uid).await;
        }
        // Whoever may not delete it is not to leave it unprotected.
        let (namespace, name) = (Some(key.namespace()), Some(key.name()));
        self.may(caller, "delete", namespace, name).await?;
        // From here on it is done to the end, whether or not somebody still waits for the answer.
        let before = annotation(found).cloned().unwrap_or_default();
        let unsettled = Arc::clone(&self.unsettled).read_owned().await;
        let (cluster, caller, key) = (self.clone(), caller.clone(), key.clone());
        let done = async move {
            let _unsettled = unsettled;
            cluster.allowed_and_deleted(&caller, &key, &uid, &before).await
        };
        let done = tokio::spawn(done.in_current_span());
        match done.await {
            Ok(deleted) => deleted,
            // As if it had happened here, where a panic is counted and answered.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Waits until nothing is half done.
    pub(in crate::store) async fn settled(&self) {
        let _ = self.unsettled.write().await;
    }

    /// Annotates the claim that its deletion is wanted, and deletes it. The annotation of one that is not deleted is as it was
    /// `before`.
    async fn allowed_and_deleted(
        &self,
        caller: &Caller,
        key: &Key,
        uid: &Value,
        before: &Value,
    ) -> Result<Deleted, StoreError> {
        let refused = match self.annotate(caller, key, uid, &ALLOWED.into()).await {
            Ok(()) => match self.deleted(caller, key, uid).await {
                Ok(deleted) => return Ok(deleted),
                Err(refused) => refused,
            },
            // It may have been written all the same.
            Err(away @ StoreError::Unavailable(_)) => away,
            Err(refused) => return Err(refused),
        };
        // A claim that is gone, or another one by now, has nothing of ours.
        let nothing = |error: &StoreError| matches!(error, StoreError::NotFound(_) | StoreError::Changed(_));
        if nothing(&refused) {
            return Err(refused);
        }
        let why = match self.annotate(caller, key, uid, before).await {
            Ok(()) => return Err(refused),
            Err(why) if nothing(&why) => return Err(refused),
            Err(why) => why,
        };
        tracing::error!(
            namespace = key.namespace(),
            name = key.name(),
            "a claim was not deleted, and its annotation {ALLOW} may not be taken back: {why}"
        );
        let told = format!("{refused}; and its annotation {ALLOW} may stand: take it off, or delete the claim again");
        Err(match refused {
            StoreError::Unavailable(_) => StoreError::Unavailable(told),
            StoreError::Forbidden(_) => StoreError::Forbidden(told),
            _ => StoreError::Failed(told),
        })
    }

    /// Writes the annotation of that very claim.
    async fn annotate(&self, caller: &Caller, key: &Key, uid: &Value, value: &Value) -> Result<(), StoreError> {
        let path = format!("{}?fieldManager={API_FIELD_MANAGER}", claim(key));
        let annotated = json!({"metadata": {"uid": uid, "annotations": {ALLOW: value}}});
        let answer = self
            .ask(caller, Method::PATCH, &path, MERGE_PATCH, Some(&annotated))
            .await?;
        // What the API server says of a claim that has another uid.
        if answer.status == 422 {
            let why = format!("{} is another one by now; look at it, and ask again", key.shown());
            return Err(StoreError::Changed(why));
        }
        answer.of_claims().map(drop)
    }

    async fn deleted(&self, caller: &Caller, key: &Key, uid: &Value) -> Result<Deleted, StoreError> {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        let answer = self
            .ask(caller, Method::DELETE, &claim(key), JSON, Some(&options))
            .await?;
        let left = answer.of_claims()?;
        Ok(match left.pointer("/metadata/deletionTimestamp") {
            None => Deleted::Gone,
            Some(_) => Deleted::Going {
                waits_for: finalizers(&left),
            },
        })
    }
}

fn finalizers(claim: &Value) -> Vec<String> {
    let all = claim.pointer("/metadata/finalizers").and_then(Value::as_array);
    let names = all.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}
