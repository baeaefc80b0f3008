//! Lists of claims in a cluster: whose, and page by page.

use serde_json::{Value, json};

use crate::support::cluster::apiserver::User;
use crate::support::cluster::platform::path;
use crate::support::cluster::team::claim;
use crate::support::cluster::writers;
use crate::support::rest::name_of;
use crate::{Case, Site, developer};

pub const CASES: &[Case] = &[
    ("a_list_of_all_namespaces_asks_for_one_where_that_is_not_allowed", lists),
    ("an_administrator_sees_the_claims_of_all_namespaces_page_by_page", all),
    (
        "more_claims_than_the_api_server_is_asked_for_at_a_time_come_once_each",
        chunks,
    ),
];

fn lists(site: &Site) {
    let team = site.team("people-lists");
    let rest = site.account(&team.namespace, "developer", developer());
    let body = rest.get("/api/mysql").problem(403, "forbidden");
    assert!(body["detail"].as_str().unwrap().contains("?namespace=NAME"), "{body}");
    assert_eq!(
        rest.get("/api/mysql?namespace=people-lists").is(200)["claims"],
        json!([])
    );
    let body = rest.get("/api/mysql?namespace=default").problem(403, "forbidden");
    assert!(
        body["detail"].as_str().unwrap().contains("namespace \"default\""),
        "{body}"
    );
}

fn all(site: &Site) {
    let [one, two] = ["people-all-one", "people-all-two"].map(|namespace| site.team(namespace));
    for number in 0..3 {
        one.placed(&format!("db-{number}"), json!({}));
        two.placed(&format!("db-{number}"), json!({"tier": "C2", "ha": false}));
    }
    let rest = site.developer_of_the_platform();
    for query in ["", "&provider=oci"] {
        let listed = rest.pages(&format!("limit=50{query}")).concat();
        let shown = |claim: &Value| format!("{}/{}", claim["namespace"].as_str().unwrap(), name_of(claim));
        let seen: Vec<String> = listed
            .iter()
            .map(shown)
            .filter(|shown| shown.starts_with("people-all-"))
            .collect();
        let namespaces: &[&str] = if query.is_empty() { &["one", "two"] } else { &["two"] };
        let wanted: Vec<String> = namespaces
            .iter()
            .flat_map(|namespace| (0..3).map(move |number| format!("people-all-{namespace}/db-{number}")))
            .collect();
        assert_eq!(seen, wanted);
    }
    // What nobody has said of a page.
    for from in ["0.x", "0...x", "5000...", "x", "0...eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"] {
        rest.get(&format!("/api/mysql?continue={from}"))
            .problem(404, "not-found");
    }
}

fn chunks(site: &Site) {
    const CLAIMS: usize = 1050;
    let team = site.team("lists-chunks");
    let rest = site.account(&team.namespace, "developer", developer());
    let made = |number: usize| {
        let cloud = if number.is_multiple_of(100) {
            json!({"tier": "C2", "ha": false})
        } else {
            json!({})
        };
        claim(&writers::name(number), cloud)
    };
    let sent = writers::send(
        &site.platform,
        8,
        User::Developer,
        &path(&team.namespace, ""),
        made,
        |number| number < CLAIMS,
    );
    assert!(sent.iter().all(|sent| sent.answer.code == 201));
    let mut wanted: Vec<String> = (0..CLAIMS).map(writers::name).collect();
    wanted.sort();
    let pages = |query: &str| {
        let pages = rest.pages(&format!("namespace=lists-chunks&{query}"));
        let seen: Vec<String> = pages.iter().flatten().map(name_of).collect();
        (seen, pages.len())
    };
    for (limit, most) in [(300, 4), (499, 3), (500, 3), (501, 3), (1000, 2)] {
        let (seen, pages) = pages(&format!("limit={limit}"));
        assert!(
            seen == wanted && pages <= most,
            "{limit}: {} claims on {pages} pages",
            seen.len()
        );
    }
    let (seen, pages) = pages("provider=oci&limit=5");
    assert_eq!((seen.len(), pages), (11, 3));
}
