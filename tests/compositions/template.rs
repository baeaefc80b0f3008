//! What the rules for templates say of good and of bad ones.

use std::path::Path;

use crate::Case;
use crate::support::pipeline::{Pipeline, composition, templates};

pub const CASES: &[Case] = &[
    ("a_good_template_has_no_problem", good),
    ("what_is_printed_other_than_as_json_is_found", printed),
    ("more_of_the_claim_than_is_allowed_is_found", claim),
    ("no_detour_to_the_claim_is_missed", detours),
    ("the_whole_request_passed_on_is_found", request),
    ("a_function_that_is_not_the_same_twice_is_found", functions),
    ("a_value_that_is_not_one_by_itself_is_found", places),
    ("a_problem_has_its_line_and_its_define", lines),
];

/// The problem of reading a part of the claim that tenants write.
fn more(part: &str) -> String {
    format!("reads .{part}, which is more of the claim than its name, namespace, uid and parameters")
}

/// Compares the problems of one-line templates.
fn assert_each(pipeline: &Pipeline, table: &[(&str, &str)]) {
    for (template, problem) in table {
        let wanted = format!("line 1: {problem}");
        assert_eq!(pipeline.check(template), [wanted], "in {template}");
    }
}

fn good(pipeline: &Pipeline) {
    let template = r#"
        {{- /* a comment: {{ "}} */}}
        {{- $claim := .observed.composite.resource }}
        {{- $p := $claim.spec.parameters }}
        {{- $known := dict "a" 1 }}{{ $_ := set $known "b" 2 }}
        {{- $password := randAlphaNum 32 }}
        {{- if not (hasKey $known $p.tier) }}{{ fail (printf "unknown: %s" $p.tier) }}{{ end }}
        {{- with .context.settings.problem }}{{ fail . }}{{ end }}
        {{- define "labels" }}
        name: {{ .metadata.name | toJson }}
        tier: {{ index .spec "parameters" "tier" | quote | toJson }}
        {{- end }}
        name: {{ printf "x-%s" $claim.metadata.uid | toJson }}
        one: {{ if $p.ha }}{{ $p.size | toJson }}{{ else }}{{ $p.tier | toJson }}{{ end }} # this: that
        flow: {a: {{ .observed.composite.resource.metadata.namespace | toJson }}, b: [{{ toJson $p.cell }}, 1]}
        networks: [{{ range $key, $value := $p.network }}{{ $value | toJson }}, {{ end }}]
        labels:
          {{- include "labels" $claim | nindent 10 }}
        more: {{ template "labels" $.observed.composite.resource }}
        {{- with $claim }}{{ with .spec.parameters.network }}
        vpc: {{ .vpcId | toJson }}
        {{- end }}{{ end }}
        list:
        - {{ getComposedResource . "instance" | toJson }}
        - {{ range (getExtraResources $ "admin") }}{{ .resource.data | toJson }}{{ end }}
        - {{ range $name, $it := .observed.resources }}{{ $it.connectionDetails | toJson }}{{ end }}
        - {{ .context.settings | toJson }}
    "#;
    assert_eq!(pipeline.check(template), [""; 0]);
    let toy = composition(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compositions/toy.yaml"));
    for (step, template) in templates(&toy) {
        assert_eq!(pipeline.check(template), [""; 0], "toy.yaml, step {step}");
    }
}

fn printed(pipeline: &Pipeline) {
    let without = |action: &str| format!("{{{{{action}}}}} is printed without toJson");
    for (template, action) in [
        ("a: {{ .context.a }}", ".context.a"),
        ("a: {{ .context.a | quote }}", ".context.a | quote"),
        (
            "a: {{ .context.a | toJson | indent 2 }}",
            ".context.a | toJson | indent 2",
        ),
        ("a: {{ toYaml .context.a }}", "toYaml .context.a"),
        ("a: {{ \"text\" }}", "\"text\""),
        ("{{ if .context.a }}a: {{ .context.b }}{{ end }}", ".context.b"),
        (
            "{{ if .context.a }}{{ else }}a: {{ .context.b }}{{ end }}",
            ".context.b",
        ),
        ("{{ range .context.a }}a: {{ . }}{{ end }}", "."),
        ("{{ with .context.a }}a: {{ . }}{{ end }}", "."),
        ("{{ define \"a\" }}a: {{ .context.a }}{{ end }}", ".context.a"),
        (
            "{{ define \"a\" }}1{{ end }}a: {{ include \"a\" . | upper }}",
            "include \"a\" . | upper",
        ),
        ("{{ set .context.a \"b\" 1 }}", "set .context.a \"b\" 1"),
        (
            "a: {{ printf \"%v\" (.context.a | toJson) }}",
            "printf \"%v\" (.context.a | toJson)",
        ),
    ] {
        assert_each(pipeline, &[(template, &without(action))]);
    }
}

fn claim(pipeline: &Pipeline) {
    for part in [
        "observed",
        "observed.composite",
        "observed.composite.connectionDetails",
        "observed.composite.resource",
        "observed.composite.resource.kind",
        "observed.composite.resource.metadata",
        "observed.composite.resource.metadata.labels",
        "observed.composite.resource.metadata.annotations",
        "observed.composite.resource.metadata.generation",
        "observed.composite.resource.spec",
        "observed.composite.resource.spec.crossplane.resourceRefs",
        "observed.composite.resource.status.endpoint",
    ] {
        let problem = more(part);
        for template in [
            format!("a: {{{{ .{part} | toJson }}}}"),
            format!("a: {{{{ toJson $.{part} }}}}"),
            format!("{{{{ if .{part} }}}}1{{{{ end }}}}"),
            format!("{{{{ range .{part} }}}}1{{{{ end }}}}"),
            format!("{{{{ $all := . }}}}a: {{{{ $all.{part} | default dict | toJson }}}}"),
            format!("{{{{ with .{part} }}}}a: {{{{ . | toJson }}}}{{{{ end }}}}"),
            format!("{{{{ define \"a\" }}}}a: {{{{ .{part} | toJson }}}}{{{{ end }}}}{{{{ template \"a\" . }}}}"),
            format!("{{{{ define \"a\" }}}}a: {{{{ . | toJson }}}}{{{{ end }}}}{{{{ template \"a\" .{part} }}}}"),
        ] {
            let found = pipeline.check(&template);
            let wanted = format!("line 1: {problem}");
            assert!(
                found.contains(&wanted),
                "in {template}, wanted {wanted}, saw {found:#?}"
            );
        }
    }
}

fn detours(pipeline: &Pipeline) {
    let resource = "observed.composite.resource";
    for (template, part) in [
        (r"{{ $status := CLAIM.status }}", ".status"),
        (r"{{ with CLAIM.status }}1{{ end }}", ".status"),
        (r"{{ $c := CLAIM }}a: {{ $c.status | toJson }}", ".status"),
        (r"{{ $c := CLAIM }}{{ $c = 1 }}a: {{ $c.status | toJson }}", ".status"),
        (r"{{ $c := 1 }}{{ $c = CLAIM }}", ""),
        (
            r"{{ with .observed.composite }}a: {{ .resource.status | toJson }}{{ end }}",
            ".status",
        ),
        (
            r"{{ with $c := .observed.composite }}a: {{ $c.resource.status | toJson }}{{ end }}",
            ".status",
        ),
        (
            r#"a: {{ index . "observed" "composite" "resource" "status" | toJson }}"#,
            ".status",
        ),
        (
            r#"a: {{ (index .observed "composite").resource.metadata.labels | toJson }}"#,
            ".metadata.labels",
        ),
        (
            r#"a: {{ get (.observed.composite).resource "status" | toJson }}"#,
            ".status",
        ),
        (r#"a: {{ hasKey CLAIM "status" | toJson }}"#, ".status"),
        (r"a: {{ index CLAIM .context.key | toJson }}", ""),
        (r#"{{ $labels := "labels" | index CLAIM.metadata }}"#, ".metadata"),
        (r#"a: {{ getComposedResource CLAIM.status "a" | toJson }}"#, ".status"),
        (
            r#"{{ define "a" }}a: {{ .status | toJson }}{{ end }}{{ template "a" CLAIM }}"#,
            ".status",
        ),
        (
            r#"{{ define "a" }}a: {{ .status | toJson }}{{ end }}{{ include "a" CLAIM }}"#,
            ".status",
        ),
        (
            "{{ define `a` }}a: {{ . | toJson }}{{ end }}{{ template `a` 1 }}\n{{ template `a` CLAIM }}",
            "",
        ),
    ] {
        let template = template.replace("CLAIM", &format!(".{resource}"));
        assert_each(pipeline, &[(&template, &more(&format!("{resource}{part}")))]);
    }
}

fn request(pipeline: &Pipeline) {
    let whole = "the whole request is passed on";
    assert_each(
        pipeline,
        &[
            ("a: {{ . | toJson }}", whole),
            ("a: {{ toJson $ }}", whole),
            ("{{ $d := dict \"root\" . }}", whole),
            ("{{ range . }}1{{ end }}", whole),
            ("{{ if $ }}1{{ end }}", whole),
            ("{{ $a := .context.call . }}", whole),
            ("{{ fail (toJson .) }}", whole),
            ("{{ $all := . }}{{ $l := list $all }}", whole),
            ("{{ $it := getComposedResource (deepCopy .) \"a\" }}", whole),
            ("{{ $it := getComposedResource . . }}", whole),
        ],
    );
}

fn functions(pipeline: &Pipeline) {
    for name in [
        "getCompositeResource",
        "getCredentialData",
        "now",
        "date",
        "dateInZone",
        "date_modify",
        "htmlDate",
        "ago",
        "randAscii",
        "randBytes",
        "randInt",
        "randomChoice",
        "uuidv4",
        "genPrivateKey",
        "genSelfSignedCert",
        "htpasswd",
        "bcrypt",
        "encryptAES",
        "env",
        "expandenv",
        "getHostByName",
        "tpl",
        "lookup",
    ] {
        let problem = format!("{name} is not to be called");
        for template in [
            format!("a: {{{{ {name} | toJson }}}}"),
            format!("{{{{ $a := printf \"%v\" ({name} 1) }}}}"),
            format!("{{{{ $a := list {name} }}}}"),
            format!("{{{{ $a := 1 | {name} }}}}"),
        ] {
            assert_each(pipeline, &[(&template, &problem)]);
        }
    }
    for name in ["randAlphaNum", "randAlpha", "randNumeric", "shuffle"] {
        assert_eq!(
            pipeline.check(&format!("a: {{{{ {name} 8 | toJson }}}}")),
            [""; 0],
            "{name}"
        );
    }
    assert_each(
        pipeline,
        &[
            (
                "a: {{ include .context.a \"\" }}",
                "include is called without the name of a template",
            ),
            ("a: {{ include \"nope\" . }}", "there is no template \"nope\""),
            ("a: {{ template \"nope\" . }}", "there is no template \"nope\""),
        ],
    );
}

fn places(pipeline: &Pipeline) {
    let key = "a value becomes a key";
    let part = |text: &str| format!("a value becomes part of a longer text: {text}");
    assert_each(
        pipeline,
        &[
            ("{{ .context.a | toJson }}: 1", key),
            ("{{ .context.a | toJson }} : 1", key),
            ("\"{{ .context.a | toJson }}\": 1", key),
            ("{{ .context.a | toJson }}-more: 1", key),
            ("{{ .context.a | toJson }}{{ if .context.b }}: 1{{ end }}", key),
            (
                "{{ .context.a | toJson }}{{ if .context.b }}{{ else }}: 1{{ end }}",
                key,
            ),
            ("{{ range .context.a }}{{ . | toJson }}{{ end }}: 1", key),
            ("{ {{ .context.a | toJson }}: 1}", key),
            ("{{ define \"a\" }}a{{ end }}{{ template \"a\" }}: 1", key),
            ("a: \"{{ .context.a | toJson }}\"", &part("a: \"…\"")),
            ("a: x-{{ .context.a | toJson }}", &part("a: x-…")),
            ("a: {{ .context.a | toJson }}-x", &part("a: …-x")),
            ("a:{{ .context.a | toJson }}", &part("a:…")),
            ("? {{ .context.a | toJson }}", &part("? …")),
            ("# {{ .context.a | toJson }}", &part("# …")),
        ],
    );
}

fn lines(pipeline: &Pipeline) {
    let template = "a: 1\n{{ define \"a\" }}\na: {{ .context.a }}\n{{ end }}\n\na: {{ .status }}\nb: {{ now }}\n";
    let wanted = [
        "line 3: {{.context.a}} is printed without toJson",
        "line 6: {{.status}} is printed without toJson",
        "line 7: now is not to be called",
        "line 7: {{now}} is printed without toJson",
    ];
    assert_eq!(pipeline.check(template), wanted);
    let found = pipeline.check("a: 1\nb: {{ if }}\n");
    assert_eq!(found, ["line 2: missing value for if"]);
}
