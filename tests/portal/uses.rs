//! What a developer does with it.

use serde_json::{Value, json};

use crate::{Case, Desk};

pub const CASES: &[Case] = &[
    ("a_database_is_requested_placed_listed_and_looked_at", requested),
    ("the_decision_follows_the_form", decision),
    ("a_refusal_stands_at_its_field", refused),
    ("a_claim_that_fits_nowhere_is_not_made_and_says_why", unschedulable),
    ("a_claim_that_is_there_is_shown_with_what_differs", sticky),
    ("everything_is_done_by_keyboard_alone", keyboard),
    ("claims_are_filtered_and_sorted", filtered),
    ("a_list_longer_than_the_screen_is_shown_in_parts", long_list),
    ("a_new_claim_of_somebody_else_appears_by_itself", live),
    ("why_a_claim_is_not_elsewhere_is_told", elsewhere),
    ("a_kept_claim_is_deleted_once_its_name_is_typed", deleted),
    ("what_is_not_there_is_told_in_words", nowhere),
    ("while_the_server_is_away_the_page_says_so", away),
];

/// Fills the form for a database.
fn fill(desk: &Desk, name: &str) {
    let browser = &desk.browser;
    browser.fill("#namespace", "orders");
    browser.fill("#name", name);
    browser.choose("#cell", "payments");
    browser.choose("#environment", "prod");
    browser.click("#tier-C1");
    browser.choose("#size", "medium");
    browser.fill("#storageGB", "50");
    browser.click("#ha");
}

/// Where the decision is told.
const DECISION: &str = "section[aria-labelledby=decision]";

fn requested(desk: &Desk) {
    let browser = &desk.browser;
    browser.says("#tier-C1-is", "Back within 120 min (RTO)");
    browser.says("#tier-C1-is", "Requires PITR, PrivateNetworking");
    fill(desk, "orders-db");
    browser.says(DECISION, "On aws-us-east-1. 2/3 candidates fit: 1 lacks MultiAZ.");
    browser.says("section[aria-labelledby=manifest]", "name: orders-db");
    browser.press("Request database");
    browser.says("[role=status]", "Created and placed.");
    let stored = desk.stored("orders-db").unwrap();
    let parameters = &stored["claim"]["spec"]["parameters"];
    assert_eq!(
        json!([
            parameters["cell"],
            parameters["tier"],
            parameters["environment"],
            parameters["size"],
            parameters["storageGB"],
            parameters["ha"]
        ]),
        json!(["payments", "C1", "prod", "medium", 50, true])
    );
    assert_eq!(browser.text("h1"), "orders/orders-db");
    for told in [
        "us-east-1",
        "aws-use1-prod",
        "placed",
        "0.825",
        "There is no connection Secret yet",
    ] {
        browser.says("main", told);
    }
    browser.press("Claims");
    browser.says("tbody tr", "orders-db");
    browser.says("tbody tr", "placed");
    browser.press("orders-db");
    browser.says("h1", "orders/orders-db");
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

fn decision(desk: &Desk) {
    let browser = &desk.browser;
    fill(desk, "orders-db");
    browser.says(DECISION, "On aws-us-east-1.");
    browser.says(&format!("{DECISION} li.out"), "lacks MultiAZ");
    browser.click("#ha");
    browser.click("#tier-C2");
    browser.says(DECISION, "On oci-us-ashburn-1.");
    browser.choose("#cell", "moving");
    browser.says(DECISION, "Nowhere: no candidate takes it.");
    browser.says(&format!("{DECISION} li.out"), "cordoned (region evacuation)");
    browser.says(
        &format!("{DECISION} li.out"),
        "fails policy data-residency: production data stays in the United States",
    );
    browser.choose("#environment", "dev");
    browser.says(DECISION, "On gcp-europe-west1.");
    browser.says(DECISION, "only gcp-europe-west1 fits this claim");
    assert_eq!(desk.rest.get("/api/mysql").is(200)["claims"], json!([]));
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

fn refused(desk: &Desk) {
    let browser = &desk.browser;
    fill(desk, "Orders_DB");
    browser.fill("#storageGB", "10");
    browser.says("#storageGB-error", "must be a whole number of GiB from 50 to 16384");
    browser.press("Request database");
    browser.says("#name-error", "must be 1 to 63 lower-case letters");
    let invalid = browser.until(
        "both fields are marked",
        "const all = [...document.querySelectorAll('[aria-invalid]')].map((one) => one.id); return all.length === 2 && all",
    );
    assert_eq!(invalid, json!(["name", "storageGB"]));
    browser.until(
        "the focus is on the first",
        "return document.activeElement.id === 'name'",
    );
    // What is corrected is not complained of any more.
    browser.fill("#name", "orders-db");
    browser.until(
        "it is taken back",
        "return !document.querySelector('#name').hasAttribute('aria-invalid')",
    );
    browser.fill("#storageGB", "50");
    browser.press("Request database");
    browser.says("[role=status]", "Created and placed.");
}

fn unschedulable(desk: &Desk) {
    let browser = &desk.browser;
    fill(desk, "orders-db");
    browser.choose("#cell", "archive");
    browser.says(
        DECISION,
        "Nowhere: no candidate takes it. 0/1 candidate fits: 1 lacks MultiAZ.",
    );
    browser.says(DECISION, "What to do: ask for less");
    browser.press("Request database");
    browser.says("[role=alert]", "nothing was created");
    assert_eq!(browser.text("h1"), "Request a database");
    assert_eq!(desk.stored("orders-db"), None);
    // What was typed is still there.
    browser.choose("#cell", "payments");
    browser.press("Request database");
    browser.says("[role=status]", "Created and placed.");
}

fn sticky(desk: &Desk) {
    let browser = &desk.browser;
    desk.have("orders-db", json!({"storageGB": 80}));
    let before = desk.stored("orders-db");
    fill(desk, "orders-db");
    browser.press("Request database");
    browser.says("[role=status]", "It was there already; nothing was changed.");
    browser.says("[role=status] tbody tr", "storageGB\t80\t50");
    assert_eq!(desk.stored("orders-db"), before);
}

/// The keys of the browser's protocol.
const TAB: &str = "\u{e004}";
const DOWN: &str = "\u{e015}";
const SPACE: &str = "\u{e00d}";
const ENTER: &str = "\u{e007}";

/// Moves the focus on by Tab until it is on `wanted`.
fn tab_to(desk: &Desk, wanted: &str) {
    for _ in 0..60 {
        if desk.browser.focus() == wanted {
            return;
        }
        desk.browser.keys(TAB);
    }
    panic!("wanted: the focus on {wanted}; saw: {}", desk.browser.focus());
}

fn keyboard(desk: &Desk) {
    let browser = &desk.browser;
    browser.says(DECISION, "candidate");
    browser.keys(TAB);
    assert_eq!(browser.focus(), "skip");
    browser.keys(ENTER);
    assert_eq!(browser.focus(), "main");
    for (field, keys) in [
        ("namespace", "orders"),
        ("name", "orders-db"),
        ("cell", "p"),
        ("environment", "p"),
    ] {
        tab_to(desk, field);
        browser.keys(keys);
    }
    // The tiers are one stop, and arrows choose.
    tab_to(desk, "tier-C2");
    browser.keys("\u{e013}");
    assert_eq!(browser.focus(), "tier-C1");
    tab_to(desk, "size");
    browser.keys(DOWN);
    tab_to(desk, "ha");
    browser.keys(SPACE);
    browser.says(DECISION, "On aws-us-east-1.");
    tab_to(desk, "BUTTON Request database");
    let ring = "return getComputedStyle(document.activeElement).outlineStyle !== 'none'";
    assert_eq!(browser.run(ring, Vec::new()), true, "the focus cannot be seen");
    browser.keys(ENTER);
    browser.says("[role=status]", "Created and placed.");
    browser.until(
        "the focus is on the heading",
        "return document.activeElement.tagName === 'H1'",
    );
    assert_eq!(
        desk.stored("orders-db").unwrap()["claim"]["spec"]["parameters"]["tier"],
        "C1"
    );

    tab_to(desk, "BUTTON Delete …");
    browser.keys(ENTER);
    browser.until("the dialog is open", "return document.querySelector('dialog').open");
    tab_to(desk, "BUTTON Delete");
    browser.keys(ENTER);
    browser.until("it asks for the name", "return document.activeElement.id === 'confirm'");
    // Escape closes it, and the focus is where it was.
    browser.keys("\u{e00c}");
    browser.until("the dialog is closed", "return !document.querySelector('dialog').open");
    assert_eq!(browser.focus(), "BUTTON Delete …");
    assert!(desk.stored("orders-db").is_some());
}

/// The names in the table, in its order.
fn names(desk: &Desk) -> Value {
    desk.browser.run(
        "return [...document.querySelectorAll('tbody tr a')].map((link) => link.innerText)",
        Vec::new(),
    )
}

fn filtered(desk: &Desk) {
    let browser = &desk.browser;
    desk.have("one", json!({}));
    desk.have("two", json!({"tier": "C2", "ha": false}));
    desk.have(
        "three",
        json!({"tier": "C2", "ha": false, "cell": "archive", "storageGB": 500}),
    );
    browser.goto("#/claims");
    browser.says("tbody tr", "three");
    assert_eq!(names(desk), json!(["one", "three", "two"]));
    browser.choose("#filter-provider", "oci");
    assert_eq!(names(desk), json!(["three", "two"]));
    browser.fill("#filter-text", "tw");
    assert_eq!(names(desk), json!(["two"]));
    browser.fill("#filter-text", "nothing like it");
    browser.says("main", "No claim");
    browser.fill("#filter-text", " ");
    browser.choose("#filter-provider", "");
    browser.press("Name");
    browser.until(
        "it is sorted",
        "return document.querySelector('th[aria-sort=descending]')?.innerText.includes('Name')",
    );
    assert_eq!(names(desk), json!(["two", "three", "one"]));
}

fn long_list(desk: &Desk) {
    let browser = &desk.browser;
    for number in 0..620 {
        desk.have(&format!("db-{number:03}"), json!({}));
    }
    browser.goto("#/claims");
    browser.says("main", "620");
    assert!(browser.count("tbody tr") < 620);
    browser.fill("#filter-text", "db-61");
    browser.until(
        "the last are found",
        "return document.querySelectorAll('tbody tr').length === 10",
    );
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

fn live(desk: &Desk) {
    let browser = &desk.browser;
    browser.goto("#/claims");
    browser.says("main", "There are no claims here yet");
    desk.have("orders-db", json!({}));
    browser.says("tbody tr", "orders-db");
    browser.fill("#filter-text", "orders");
    desk.have("orders-2-db", json!({}));
    browser.says("tbody tr", "orders-2-db");
    assert_eq!(browser.focus(), "filter-text");
    // Somebody else deletes one that is looked at.
    browser.press("orders-db");
    browser.says("h1", "orders/orders-db");
    desk.rest
        .delete("/api/mysql/orders/orders-db?confirm=orders-db")
        .is(204);
    browser.says("main", "It is gone.");
}

fn elsewhere(desk: &Desk) {
    let browser = &desk.browser;
    desk.have("orders-db", json!({}));
    browser.goto("#/claims/orders/orders-db");
    browser.press("Why not gcp-us-central1?");
    browser.says("main", "It would win with cost 0.6901 instead of 0.65.");
    browser.press("Why not oci-us-ashburn-1?");
    browser.says("main", "lacks MultiAZ");
}

fn deleted(desk: &Desk) {
    let browser = &desk.browser;
    desk.have("orders-db", json!({}));
    browser.goto("#/claims/orders/orders-db");
    browser.press("Delete …");
    browser.press("Delete");
    browser.says("dialog", "stands for a database that is kept");
    browser.fill("#confirm", "orders");
    browser.press("Delete");
    browser.says("#confirm-error", "This is not the claim’s name");
    assert!(desk.stored("orders-db").is_some());
    browser.fill("#confirm", "orders-db");
    browser.press("Delete");
    browser.says("[role=status]", "orders/orders-db is gone.");
    assert_eq!(desk.stored("orders-db"), None);
}

fn nowhere(desk: &Desk) {
    let browser = &desk.browser;
    browser.goto("#/nothing");
    browser.says("h1", "There is no such page");
    browser.goto("#/claims/orders/nobody");
    browser.says("[role=alert]", "there is no claim nobody in namespace orders");
    // A name that is markup stays a name.
    browser.goto("#/claims/orders/%3Cimg%20src=x%20onerror=alert(1)%3E");
    browser.says("h1", "<img src=x onerror=alert(1)>");
    assert_eq!(browser.count("main img"), 0);
    assert_eq!(desk.rest.get("/").response.header("location"), ["/web/"]);
}

fn away(desk: &Desk) {
    let browser = &desk.browser;
    desk.have("orders-db", json!({}));
    browser.goto("#/claims");
    browser.says("tbody tr", "orders-db");
    desk.server.signal("KILL");
    browser.says("[role=alert]", "The server cannot be reached");
    // What was known is still to be read, and a view that has nothing else offers to try again.
    browser.says("tbody tr", "orders-db");
    browser.press("Catalog");
    browser.says("[role=alert]", "The server cannot be reached");
    browser.press("Try again");
    browser.says("[role=alert]", "This page tries again in 5 seconds.");
}
