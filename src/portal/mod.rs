//! The web page: plain HTML, CSS and ES modules, held in the binary. It knows what the REST API tells, and nothing else.

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use hex_simd::AsciiCase;
use sha2::{Digest, Sha256};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// What the page may do: load its own files, and ask its own server.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// Every file: its path, its type, its content.
const FILES: [(&str, &str, &str); 19] = [
    ("/web/", HTML, include_str!("index.html")),
    ("/web/portal.css", CSS, include_str!("portal.css")),
    ("/web/icon.svg", SVG, include_str!("icon.svg")),
    ("/web/api.js", JS, include_str!("api.js")),
    ("/web/bars.js", JS, include_str!("bars.js")),
    ("/web/catalog.js", JS, include_str!("catalog.js")),
    ("/web/claim.js", JS, include_str!("claim.js")),
    ("/web/claims.js", JS, include_str!("claims.js")),
    ("/web/deletion.js", JS, include_str!("deletion.js")),
    ("/web/dom.js", JS, include_str!("dom.js")),
    ("/web/elsewhere.js", JS, include_str!("elsewhere.js")),
    ("/web/form.js", JS, include_str!("form.js")),
    ("/web/portal.js", JS, include_str!("portal.js")),
    ("/web/request.js", JS, include_str!("request.js")),
    ("/web/route.js", JS, include_str!("route.js")),
    ("/web/rows.js", JS, include_str!("rows.js")),
    ("/web/signin.js", JS, include_str!("signin.js")),
    ("/web/states.js", JS, include_str!("states.js")),
    ("/web/yaml.js", JS, include_str!("yaml.js")),
];

/// Every file under `/web/`, to which `/` leads.
pub fn router() -> Router {
    let to_page = || async { Redirect::temporary("/web/") };
    let router = Router::new().route("/", get(to_page)).route("/web", get(to_page));
    FILES.into_iter().fold(router, |router, (path, kind, content)| {
        let tag = tag(content);
        let file = move |headers: HeaderMap| async move { file(kind, content, &tag, headers.get(IF_NONE_MATCH)) };
        router.route(path, get(file))
    })
}

/// A browser asks each time whether its copy is still good, so that an upgrade is seen at once.
fn file(kind: &'static str, content: &'static str, tag: &HeaderValue, held: Option<&HeaderValue>) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (ETAG, tag.clone()),
    ];
    if held == Some(tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, kind)], content).into_response()
}

fn tag(content: &str) -> HeaderValue {
    let digits = hex_simd::encode_to_string(Sha256::digest(content), AsciiCase::Lower);
    // Hexadecimal digits in quotes.
    HeaderValue::from_str(&format!("\"{digits}\"")).unwrap_or(HeaderValue::from_static("\"none\""))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn every_file_of_this_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/portal");
        let there = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<String> = there.filter(|name| name != "mod.rs").collect();
        let served = FILES.iter().map(|(path, ..)| path.trim_start_matches("/web/"));
        let served: BTreeSet<String> = served
            .map(|name| if name.is_empty() { "index.html" } else { name }.to_owned())
            .collect();
        assert_eq!(served, there);
    }
}
