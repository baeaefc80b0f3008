//! What probes are told of a process: each check that it makes, in the words of Kubernetes' own `/readyz?verbose`. A leaf.

use std::fmt::Write;

use axum::http::StatusCode;

/// One check: its name, and what there is to say where it is good, or a sentence on why it is not.
pub type Check = (&'static str, Result<String, String>);

/// The only check of whether a process lives: that it answers. A deadlock or a starved runtime is what a restart mends; what is
/// wrong outside the process, it does not.
const LIVES: [Check; 1] = [("ping", Ok(String::new()))];

/// What `/livez` tells.
#[must_use]
pub fn liveness(query: Option<&str>) -> String {
    told(&LIVES, query, "ok")
}

/// What `/readyz` answers.
///
/// # Errors
/// A check fails: the first one is why the process is not ready.
pub fn readiness(checks: &[Check], query: Option<&str>) -> Result<String, (StatusCode, String)> {
    match checks.iter().find_map(|(_, found)| found.as_ref().err()) {
        None => Ok(told(checks, query, "ready")),
        Some(why) => {
            let told = told(checks, query, &format!("not ready: {why}"));
            Err((StatusCode::SERVICE_UNAVAILABLE, told))
        }
    }
}

/// The verdict, behind a line for each check if the query asks for those.
fn told(checks: &[Check], query: Option<&str>, verdict: &str) -> String {
    let mut text = String::new();
    let mut pairs = query.unwrap_or_default().split('&');
    if pairs.any(|pair| pair == "verbose" || pair.starts_with("verbose=")) {
        for (name, found) in checks {
            // Writing to a string cannot fail.
            let _ = match found {
                Ok(more) if more.is_empty() => writeln!(text, "[+]{name} ok"),
                Ok(more) => writeln!(text, "[+]{name} ok: {}", line(more)),
                Err(why) => writeln!(text, "[-]{name} failed: {}", line(why)),
            };
        }
    }
    text.push_str(verdict);
    text.push('\n');
    text
}

/// A check's line is one line.
fn line(text: &str) -> String {
    text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(certificate: Result<&str, &str>) -> [Check; 2] {
        let own = |found: Result<&str, &str>| found.map(str::to_owned).map_err(str::to_owned);
        [("serving", own(Ok(""))), ("certificate", own(certificate))]
    }

    #[test]
    fn each_check_is_told_to_whoever_asks_for_them_and_the_verdict_to_everybody() {
        let (good, bad) = (checks(Ok("expires at 5")), checks(Err("there is none")));
        for (query, lines) in [
            (None, ["", ""]),
            (Some("verbos"), ["", ""]),
            (
                Some("verbose"),
                [
                    "[+]serving ok\n[+]certificate ok: expires at 5\n",
                    "[+]serving ok\n[-]certificate failed: there is none\n",
                ],
            ),
        ] {
            assert_eq!(readiness(&good, query), Ok(format!("{}ready\n", lines[0])));
            let told = format!("{}not ready: there is none\n", lines[1]);
            assert_eq!(readiness(&bad, query), Err((StatusCode::SERVICE_UNAVAILABLE, told)));
        }
    }

    #[test]
    fn a_check_is_one_line_however_many_problems_there_are() {
        let checks = checks(Err("there are 2 problems:\n  - one\n  - two"));
        let (_, told) = readiness(&checks, Some("verbose")).unwrap_err();
        assert!(
            told.contains("\n[-]certificate failed: there are 2 problems: - one - two\n"),
            "{told}"
        );
    }

    #[test]
    fn a_process_that_answers_lives() {
        assert_eq!(liveness(None), "ok\n");
        for query in ["verbose", "verbose=true", "exclude=x&verbose"] {
            assert_eq!(liveness(Some(query)), "[+]ping ok\nok\n", "{query}");
        }
    }
}
