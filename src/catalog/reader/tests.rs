use super::*;

#[test]
fn what_is_shown_of_a_text_is_short_and_harmless() {
    assert_eq!(shown("plain ü"), "plain ü");
    assert_eq!(shown(&"x".repeat(64)), "x".repeat(64));
    assert_eq!(shown(&"ü".repeat(65)), format!("{}…", "ü".repeat(64)));
    assert_eq!(shown("a\n\u{1b}[2J\u{202e}\"\0"), "a\\n\\u{1b}[2J\\u{202e}\\\"\\0");
}

#[test]
fn names_are_listed_up_to_twenty() {
    let names = |count: usize| (0..count).map(|i| i.to_string()).collect::<Vec<_>>();
    assert_eq!(listed(names(0)), "none");
    assert_eq!(listed(names(2)), "0, 1");
    assert_eq!(listed(names(20)), names(20).join(", "));
    assert_eq!(listed(names(21)), format!("{} and 1 more", names(20).join(", ")));
}
