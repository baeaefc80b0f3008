//! What was written, for as long as the cluster has not told of it.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::catalog::Object;

/// Statuses by the object's uid and the version they were judged by. News gathered before a write still show what was
/// there; judged by that, the status would be written once more, as if it had changed again.
#[derive(Debug, Default)]
pub(super) struct Written(HashMap<Key, Value>);

/// An object's uid and resource version.
pub(super) type Key = [String; 2];

/// Which version of which object this is; none where the cluster did not say.
pub(super) fn key(object: &Object) -> Option<Key> {
    let text = |pointer| object.value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    Some([text("/metadata/uid")?, text("/metadata/resourceVersion")?])
}

impl Written {
    /// The status that `object` has.
    pub(super) fn status_of<'a>(&'a self, object: &'a Object) -> &'a Value {
        let written = key(object).and_then(|key| self.0.get(&key));
        written.or_else(|| object.value.get("status")).unwrap_or(&Value::Null)
    }

    /// This status has been written.
    pub(super) fn has(&mut self, key: Option<Key>, status: Value) {
        self.0.extend(key.map(|key| (key, status)));
    }

    /// Forgets what was written to other versions than these, which tell of it or of what came after it.
    pub(super) fn forget_all_but(&mut self, objects: &[Object]) {
        let told: HashSet<Key> = objects.iter().filter_map(key).collect();
        self.0.retain(|key, _| told.contains(key));
    }
}
