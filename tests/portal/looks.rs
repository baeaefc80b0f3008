//! How it looks and reads: to axe-core, light at the narrowest and dark at the widest; and what its files may do.

use serde_json::json;

use crate::support::browser::Theme;
use crate::{Case, Desk};

pub const CASES: &[Case] = &[
    ("nothing_is_loaded_from_elsewhere_and_nothing_inline_runs", strict),
    ("files_are_asked_for_again_and_not_sent_again", files),
];

const VIEWS: &[(&str, &str, &str)] = &[
    ("request", "#/request", "Where it would go"),
    ("claims", "#/claims", "orders-db"),
    (
        "claim",
        "#/claims/orders/orders-db",
        "There is no connection Secret yet",
    ),
    ("missing", "#/claims/orders/nobody", "there is no claim nobody"),
    ("catalog", "#/catalog", "region evacuation"),
    ("nowhere", "#/nothing", "There is no such page"),
];

/// Every view, and what a form and a dialog look like when something is wrong, at every width. `axe` is axe-core's script.
pub fn accessible(desk: &Desk, axe: &str, theme: Theme) {
    let browser = &desk.browser;
    desk.have("orders-db", json!({}));
    desk.have(
        "archive-db",
        json!({"tier": "C2", "ha": false, "cell": "archive", "environment": "dev"}),
    );
    browser.theme(theme);
    // Colours do not depend on the width, nor what fits on the colours: each theme at one end, each width once. Between the
    // ends only whether it fits is asked.
    let widths = match theme {
        Theme::Light => [(360, true), (768, false)],
        Theme::Dark => [(1600, true), (1280, false)],
    };
    for (width, judged) in widths {
        browser.size(width, 900);
        let look = |name: &str| {
            let what = format!("{name}-{width}-{}", theme.word());
            browser.picture(&what);
            browser.assert_fits(&what);
            if judged {
                browser.assert_accessible(axe, &what);
            }
        };
        for (name, view, told) in VIEWS {
            browser.goto(view);
            browser.says("main", told);
            look(name);
        }
        // A form with something wrong in it, and a decision that is none.
        browser.goto("#/request");
        browser.says("main", "Where it would go");
        browser.fill("#namespace", "orders");
        browser.fill("#storageGB", "10");
        browser.says("#storageGB-error", "must be");
        browser.press("Request database");
        browser.says("#name-error", "is required");
        look("refused");
        browser.fill("#storageGB", "50");
        browser.choose("#cell", "archive");
        browser.click("#ha");
        browser.says("main", "Nowhere: no candidate takes it.");
        look("unschedulable");
        // A dialog.
        browser.goto("#/claims/orders/orders-db");
        browser.press("Delete …");
        browser.press("Delete");
        browser.says("dialog", "stands for a database that is kept");
        look("dialog");
    }
}

fn strict(desk: &Desk) {
    let browser = &desk.browser;
    let told = desk.rest.get("/web/");
    let policy = told.response.header("content-security-policy").join(" ");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for (_, view, told) in VIEWS
        .iter()
        .filter(|(name, ..)| *name != "missing" && *name != "claims" && *name != "claim")
    {
        browser.goto(view);
        browser.says("main", told);
    }
    let loaded = browser.run(
        "return performance.getEntriesByType('resource').map((one) => new URL(one.name).origin)",
        Vec::new(),
    );
    let here = format!("http://{}", desk.rest.address);
    assert!(loaded.as_array().unwrap().len() > 5, "{loaded}");
    assert!(
        loaded.as_array().unwrap().iter().all(|origin| *origin == here.as_str()),
        "{loaded}"
    );
    assert_eq!(browser.complaints(), [] as [String; 0]);
    // The policy is in force: what it forbids does not run.
    browser.run(
        "const it = document.createElement('script'); it.textContent = 'window.ran = true'; document.body.append(it)",
        Vec::new(),
    );
    assert_eq!(browser.run("return window.ran === true", Vec::new()), false);
    assert!(
        browser
            .complaints()
            .iter()
            .any(|line| line.contains("Content Security Policy"))
    );
}

fn files(desk: &Desk) {
    let page = desk.rest.get("/web/").response.body;
    let script = desk.rest.get("/web/portal.js");
    assert_eq!(
        script.response.header("content-type"),
        ["text/javascript; charset=utf-8"]
    );
    assert_eq!(script.response.header("cache-control"), ["no-cache"]);
    assert!(page.contains("/web/portal.js"));
    let tag = script.response.header("etag")[0].to_owned();
    let again = desk.rest.send("GET", "/web/portal.js", &[("If-None-Match", &tag)], b"");
    assert_eq!((again.status, again.response.body.as_str()), (304, ""));
    desk.rest.get("/web/nothing.js").problem(404, "not-found");
    desk.rest
        .send("POST", "/web/", &[], b"")
        .problem(405, "method-not-allowed");
}
