//! The portal in front of a cluster: signing in, and what a token buys there.

use libtest_mimic::{Completion, Failed};
use serde_json::json;

use crate::support::browser::Browser;
use crate::{Site, developer};

/// Somebody signs in with a token that is none, then with one for one namespace, asks for a database, and signs out.
pub fn signed_in(site: &Site) -> Result<Completion, Failed> {
    let team = site.team("portal");
    let developer = site.account(&team.namespace, "developer", developer()).token.unwrap();
    let address = site.nobody().address;
    let browser = match Browser::open(&format!("http://{address}")) {
        Ok(browser) => browser,
        Err(missing) => return missing.verdict(),
    };
    browser.says("h1", "Sign in");
    browser.fill("#token", "not-a-token");
    browser.press("Sign in");
    browser.says("[role=alert]", "Your token was not accepted.");
    let held = "return sessionStorage.getItem('portal.token')";
    assert_eq!(browser.run(held, Vec::new()), json!(null));

    browser.fill("#token", &developer);
    browser.press("Sign in");
    // Without a namespace the catalog is for those who may create claims in all of them.
    browser.says("[role=alert]", "You may not do this");
    browser.fill("#ask-namespace", "portal");
    browser.press("Use this namespace");
    browser.says("h1", "Request a database");
    browser.fill("#name", "orders-db");
    browser.choose("#cell", "payments");
    browser.choose("#environment", "dev");
    browser.click("#tier-C1");
    browser.says("section[aria-labelledby=decision]", "On aws-us-east-1.");
    browser.press("Request database");
    browser.says("[role=status]", "Created and placed.");
    assert_eq!(team.claim("orders-db")["spec"]["parameters"]["provider"], "aws");

    // The page is drawn anew only where something has changed that it shows, and what is open and has the focus stays.
    browser.click("main details summary");
    browser.keys("\u{e004}");
    let focus = browser.focus();
    team.kubectl(&["annotate", "mysqlinstanceclaim", "orders-db", "note=x"])
        .ok();
    browser.until(
        "the page has seen the note",
        "return document.querySelector('pre code')?.textContent.includes('note: x')",
    );
    assert_eq!(
        browser.run("return document.querySelector('main details').open", Vec::new()),
        true
    );
    assert_eq!(browser.focus(), focus);

    // Another tab, and another site's page, know nothing of it.
    assert_eq!(browser.run("return localStorage.length", Vec::new()), 0);
    assert_eq!(browser.run("return document.cookie", Vec::new()), "");
    browser.press("Claims");
    browser.says("tbody tr", "orders-db");
    browser.press("Sign out");
    browser.says("h1", "Sign in");
    assert_eq!(browser.run(held, Vec::new()), json!(null));
    assert_eq!(browser.count("tbody tr"), 0);

    // A namespace that is given at once spares the question.
    browser.fill("#token", &developer);
    browser.fill("#sign-in-namespace", "portal");
    browser.press("Sign in");
    browser.says("tbody tr", "orders-db");
    // The token runs out while the page is open.
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/developer", team.namespace);
    site.platform.api.call(crate::User::Admin, "DELETE", &path, None).ok();
    browser.says("h1", "Sign in");
    browser.says("[role=alert]", "Your token was not accepted.");
    assert_eq!(browser.complaints(), [] as [String; 0]);
    Ok(Completion::Completed)
}
