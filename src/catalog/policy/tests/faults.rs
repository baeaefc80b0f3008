//! What is not let through, and what is said of it.

use super::faults;

/// Every one of them is among the faults of its expression.
fn are_told(faulty: &[(&str, &str)]) {
    for (source, told) in faulty {
        assert!(
            faults(source).contains(&(*told).to_owned()),
            "{source}: {:#?}",
            faults(source)
        );
    }
}

#[test]
fn names_and_types_that_do_not_fit_are_told_with_their_place() {
    are_told(&[
        ("true && claim.cell", "line 1, column 14: && takes bool, not string"),
        (
            "claim.namespace == 'a'",
            "line 1, column 6: claim has no namespace; it has cell, tier, environment, size, storageGB, ha",
        ),
        (
            "nosuchvar.field == 1",
            "line 1, column 1: there is no variable nosuchvar; there are claim, candidate, namespace and params",
        ),
        ("1 + 'a' == 2", "line 1, column 3: + does not take int and string"),
        (
            "claim.cell == 'ü' && claim.nope",
            "line 1, column 27: claim has no nope; it has cell, tier, environment, size, storageGB, ha",
        ),
        (
            "true &&\n  candidate.price > 1",
            "line 2, column 12: candidate has no price; it has name, provider, region, runtimeCluster, capabilities, scores",
        ),
        (
            "params.nope",
            "line 1, column 7: spec.params has no nope; it has a-b, cap, floor, names, none, strict, team",
        ),
        (
            "params[claim.cell] == 1",
            "line 1, column 13: a param's name is a string in quotes",
        ),
        (
            "claim == claim",
            "line 1, column 1: claim is used by its fields, such as claim.cell",
        ),
        (
            "namespace.labels.a == 'b'",
            "line 1, column 10: string has no fields, so no labels",
        ),
        ("claim.storageGB", "line 1, column 6: is int; must be bool"),
        ("claim.cell", "line 1, column 6: is string; must be bool"),
        ("claim.cell == 1", "line 1, column 12: == does not take string and int"),
        (
            "claim.storageGB < '5'",
            "line 1, column 17: < does not take int and string",
        ),
        (
            "claim.storageGB + 0.5 > 1.0",
            "line 1, column 17: + does not take int and double",
        ),
        (
            "[1] == [1]",
            "line 1, column 5: == does not take list(int) and list(int)",
        ),
        (
            "['a'] + ['b'] == 1",
            "line 1, column 7: + does not take list(string) and list(string)",
        ),
        ("1 in ['a']", "line 1, column 3: in does not take int and list(string)"),
        (
            "1 in candidate.scores",
            "line 1, column 3: in does not take int and map(string, double)",
        ),
        ("!claim.cell", "line 1, column 7: ! takes bool, not string"),
        ("claim.cell && true", "line 1, column 6: && takes bool, not string"),
        (
            "claim.cell ? true : false",
            "line 1, column 6: ? takes bool, not string",
        ),
        (
            "claim.ha ? 'a' : 1",
            "line 1, column 10: ? gives string or int; both must be of one type",
        ),
    ]);
}

#[test]
fn values_and_words_that_are_none_of_ours_are_told_with_their_place() {
    are_told(&[
        ("-claim.cell == 'a'", "line 1, column 1: - does not take string"),
        ("size(1) == 1", "line 1, column 5: size does not take int"),
        ("string([1]) == ''", "line 1, column 7: string does not take list(int)"),
        (
            "[1, 'a'].exists(x, true)",
            "line 1, column 5: is string after int; a list or map has values of one type",
        ),
        (
            "{'a': 1, 'a': 2}.a == 1",
            "line 1, column 10: the key \"a\" is there already",
        ),
        ("{1: 2}[1] == 2", "line 1, column 2: a map's key is a string in quotes"),
        (
            "[claim.storageGB + 1][0] == 1",
            "line 1, column 18: a list or map holds plain values and fields only",
        ),
        (
            "[].exists(x, x)",
            "line 1, column 1: is an empty list; name at least one value",
        ),
        (
            "size({}) == 0",
            "line 1, column 6: is an empty map; give at least one entry",
        ),
        (
            "claim.cell.exists(c, true)",
            "line 1, column 18: only a list or a map has elements, and this is string",
        ),
        ("[1].all(x, x)", "line 1, column 12: this takes bool, not int"),
        (
            "[1].all(x, [2].all(y, x == y))",
            "line 1, column 19: all, exists and exists_one cannot stand inside one another",
        ),
        (
            "[1].map(x, x + 1)[0] == 2",
            "line 1, column 8: map cannot be used here; use all, exists or exists_one",
        ),
        (
            "size([1].filter(x, x > 1)) == 0",
            "line 1, column 16: map cannot be used here; use all, exists or exists_one",
        ),
        (
            "claim.cell.matches('a+')",
            "line 1, column 19: matches cannot be used here; startsWith, endsWith and contains need no regular expression",
        ),
        ("null == null", "line 1, column 1: nothing here is ever null; use has()"),
        (
            "1u == 1u",
            "line 1, column 1: is a uint; numbers here are ints: leave the u out",
        ),
        (
            "b'a' == b'a'",
            "line 1, column 1: is bytes; use a string: leave the b out",
        ),
        ("1e999 > 1.0", "line 1, column 1: is no CEL: invalid double literal"),
        (
            "Point{x: 1} == 1",
            "line 1, column 6: objects cannot be made; use a map",
        ),
        (
            "has(claim.nope)",
            "line 1, column 4: claim has no nope; it has cell, tier, environment, size, storageGB, ha",
        ),
        (
            "has(claim)",
            "line 1, column 5: is no CEL: invalid argument to has() macro",
        ),
        ("claim.cell ==", "line 1, column 14: is no CEL: mismatched input end"),
        ("", "line 1, column 1: is no CEL: mismatched input end"),
        (
            "claim.cell == 'a",
            "line 1, column 15: is no CEL: token recognition error at: ''a'",
        ),
        ("if == 1", "line 1, column 1: is no CEL: reserved identifier: if"),
        ("__nspace_ == 'a'", "line 1, column 1: no name begins with \"__\""),
        (
            "claim.?cell == 'a'",
            "line 1, column 6: is no CEL: unsupported syntax '.?'",
        ),
    ]);
}

#[test]
fn a_function_that_is_not_ours_is_told_whatever_its_arguments() {
    for function in [
        "timestamp('2026-01-01T00:00:00Z') == timestamp('2026-01-01T00:00:00Z')",
        "duration('1s') == duration('1s')",
        "now() == 1",
        "random() == 1",
        "int('1') == 1",
        "type(1) == int",
        "7 % 2 == 1",
        "4 / 2 == 2",
        "dyn(1) == 1",
        "claim.cell.lowerAscii() == 'a'",
        "optional.of(1) == 1",
        "size(1, 2) == 1",
        "[1].size(1) == 1",
    ] {
        assert!(
            faults(function)
                .iter()
                .any(|fault| fault.contains("cannot be used here")),
            "{function}"
        );
    }
}

#[test]
fn faults_are_told_all_at_once_and_each_once() {
    assert_eq!(
        faults("claim.a == 1 && claim.b == 'x' && (1 + 'a' == 2 || nope)"),
        [
            "line 1, column 6: claim has no a; it has cell, tier, environment, size, storageGB, ha",
            "line 1, column 22: claim has no b; it has cell, tier, environment, size, storageGB, ha",
            "line 1, column 38: + does not take int and string",
            "line 1, column 52: there is no variable nope; there are claim, candidate, namespace and params",
        ]
    );
}
