//! One trace, from a request to REST through the API server, which passes on what it does not trace itself, to the webhooks.

use serde_json::json;

use crate::support::collector::{Answers, Collector};
use crate::support::rest::{Rest, database};
use crate::support::server::{Server, eventually};
use crate::{Case, Site, command, developer};

pub const ALONE: &[Case] = &[("a_request_and_the_reviews_it_leads_to_are_one_trace", joined)];

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn joined(site: &Site) {
    let team = site.team("traced");
    let collector = Collector::start(Answers::With(200));
    let webhook = Server::run(collector.for_traces_of(site.platform.command()));
    let server = Server::run(collector.for_traces_of(command(&site.platform.api, &site.platform.catalog(), &[])));
    let rest = Rest {
        address: server.api().unwrap(),
        ..site.account(&team.namespace, "developer", developer())
    };
    let asked = database(&team.namespace, "orders-db", json!({})).to_string();
    site.platform.balancer.only(&[webhook.admission().unwrap()]);
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [("Content-Type", "application/json"), ("traceparent", &traceparent)];
    let told = rest.send("POST", "/api/mysql", &headers, asked.as_bytes());
    site.platform.serve_again();
    told.is(201);
    let whole = "POST /api/mysql\n  store\n  store\n    POST /mutate/try-again\n      parse\n      decide\n      patch\n    \
                 POST /validate/try-again\n      parse\n      decide\n      patch\n";
    eventually("every span is there", || {
        collector.tree(TRACE).lines().count() == whole.lines().count()
    });
    assert_eq!(collector.tree(TRACE), whole);
}
