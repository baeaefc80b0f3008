//! Privileges that are not set belong to nobody.

use idp_multicloud::admission::Settings;
use serde_json::json;

use crate::support::{running, update};

#[test]
fn an_empty_account_or_group_is_nobodys() {
    let new = running().set("/spec/crossplane/resourceRefs", json!([]));
    let lowered = running().with("tier", "C2");
    for user in [json!(null), json!({"username": "", "groups": [""]})] {
        for new in [&new, &lowered] {
            let mut review = update(&running(), new).asking("userInfo", user.clone());
            review.settings = Settings {
                crossplane_account: String::new(),
                operator_group: Some(String::new()),
            };
            assert!(!review.answer().allowed());
        }
    }
}
