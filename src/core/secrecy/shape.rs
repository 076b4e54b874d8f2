//! Secrets that are known by their shape: keys in PEM, web tokens, tokens of
//! well-known forges and clouds, users of URLs, values that are assigned to a
//! name of a secret. Owns the shapes; the time is linear in the text.

use super::REDACTED;
use super::name::{looks_secret, may_hold_name};
use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Shapes that are replaced whole, or behind what their first group keeps.
/// A pattern that did not compile would hide nothing, so a test compiles all.
const WHOLE: &[(&str, &str)] = &[
    (
        "-----BEGIN",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.)*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    ("eyJ", r"(?-u:\b)eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    ("gh", r"(?-u:\b)gh[pousr]_[A-Za-z0-9]{16,}"),
    ("github_pat_", r"(?-u:\b)github_pat_[A-Za-z0-9_]{20,}"),
    ("gl", r"(?-u:\b)gl[a-z]{2,6}-[A-Za-z0-9_.-]{16,}"),
    ("IA", r"(?-u:\b)A[KS]IA[A-Z0-9]{16}(?-u:\b)"),
    ("xox", r"(?-u:\b)xox[a-z]-[A-Za-z0-9-]{10,}"),
    ("AIza", r"(?-u:\b)AIza[A-Za-z0-9_-]{35}"),
    ("npm_", r"(?-u:\b)npm_[A-Za-z0-9]{30,}"),
    ("hvs.", r"(?-u:\b)hvs\.[A-Za-z0-9_-]{20,}"),
    ("_live_", r"(?-u:\b)[a-z]k_live_[A-Za-z0-9]{16,}"),
    ("dop_v1_", r"(?-u:\b)dop_v1_[a-f0-9]{32,}"),
];

/// Shapes of which the first group stays.
const BEHIND: &[(&str, &str)] = &[
    (
        "uthorization",
        r#"([Aa]uthorization["']?[ \t]*[:=][ \t]*["']?(?:[A-Za-z]+ +)?)([^ \t\r\n"',<]{4,})"#,
    ),
    ("earer", r"(?-u:\b)([Bb]earer +)([A-Za-z0-9._~+/=-]{16,})"),
];

/// What stands before a credential in a header, and is none.
const SCHEMES: &[&str] = &["bearer", "basic", "digest", "token", "negotiate"];

static WHOLE_SHAPES: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| compiled(WHOLE));
static BEHIND_SHAPES: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| compiled(BEHIND));

/// The user part of a URL. A user alone is hidden where it may be a token.
static USERINFO: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z][A-Za-z0-9+.-]*)://([^ \t\r\n/@"'<>`\\]+)@"#).ok());

/// `name=value`, `--name value`: of a shell, an argument, a query, a file.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"([A-Za-z_][A-Za-z0-9_.-]*)(=|["']?[ \t]+=[ \t]+)("[^"\r\n]*"|'[^'\r\n]*'|[^ \t\r\n"'&,;]+)"#,
    )
    .ok()
});

static OPTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(--?[A-Za-z][A-Za-z0-9_.-]*)([ \t]+)("[^"\r\n]*"|'[^'\r\n]*'|[^ \t\r\n"'&;|-][^ \t\r\n"'&;|]*)"#)
        .ok()
});

/// `"name": "value"` within a line, also with its quotes escaped.
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(["'])([A-Za-z_][A-Za-z0-9_.-]*)(\\*["'][ \t]*:[ \t]*\\*["'])((?:[^"'\\\r\n]|\\[^"'\r\n])*)"#,
    )
    .ok()
});

/// `name: value` as a line of its own: YAML, properties, JSON.
static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?m)^([ \t]*(?:- )?["']?)([A-Za-z_][A-Za-z0-9_.-]*)(["']?[ \t]*:[ \t]+)("[^"\r\n]*"|'[^'\r\n]*'|[^ \t\r\n"'{\[|>&*][^\r\n]*?)(,?)[ \t\r]*$"#,
    )
    .ok()
});

fn compiled(shapes: &[(&'static str, &str)]) -> Vec<(&'static str, Regex)> {
    shapes.iter().filter_map(|(hint, shape)| Some((*hint, Regex::new(shape).ok()?))).collect()
}

/// One of these is in every shape that does not begin with a name. Most texts
/// have none, and are not looked at further.
static HINT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let hints = WHOLE.iter().chain(BEHIND).map(|(hint, _)| *hint).chain(["://"]);
    AhoCorasick::new(hints).ok()
});

/// A text without secrets that are known by their shape.
pub(super) fn without_shapes(text: &str) -> Cow<'_, str> {
    let mut out = Cow::Borrowed(text);
    if HINT.as_ref().is_none_or(|hint| hint.is_match(text)) {
        without_tokens(&mut out);
    }
    if may_hold_name(text) {
        for shape in [ASSIGNED.as_ref(), OPTION.as_ref()].into_iter().flatten() {
            replace(&mut out, "", shape, named);
        }
        if let Some(shape) = QUOTED.as_ref() {
            replace(&mut out, ":", shape, |found| {
                let (name, value) = (part(found, 2), part(found, 4));
                if !looks_secret(name) || harmless(value) {
                    return part(found, 0).to_owned();
                }
                format!("{}{name}{}{REDACTED}", part(found, 1), part(found, 3))
            });
        }
    }
    out
}

/// The shapes that do not begin with a name.
fn without_tokens(out: &mut Cow<'_, str>) {
    for (hint, shape) in WHOLE_SHAPES.iter() {
        replace(out, hint, shape, |_| REDACTED.to_owned());
    }
    for (hint, shape) in BEHIND_SHAPES.iter() {
        replace(out, hint, shape, |found| {
            let scheme = SCHEMES.contains(&part(found, 2).to_lowercase().as_str());
            if scheme { part(found, 0).to_owned() } else { format!("{}{REDACTED}", part(found, 1)) }
        });
    }
    if let Some(shape) = USERINFO.as_ref() {
        replace(out, "://", shape, |found| {
            let (scheme, user) = (part(found, 1), part(found, 2));
            let plain = !user.contains(':') && !scheme.starts_with("http");
            if plain || user == REDACTED || user == "***" {
                return part(found, 0).to_owned();
            }
            format!("{scheme}://{REDACTED}@")
        });
    }
}

/// As [`without_shapes`], and without the values of lines such as
/// `password: x`: for texts that are files, not prose.
pub(super) fn without_lines(text: &str) -> Cow<'_, str> {
    let mut out = without_shapes(text);
    if let (Some(shape), true) = (LINE.as_ref(), may_hold_name(text)) {
        replace(&mut out, ":", shape, |found| {
            let (name, value) = (part(found, 2), part(found, 4));
            if !looks_secret(name) || harmless(value) {
                return part(found, 0).to_owned();
            }
            let (open, colon) = (part(found, 1), part(found, 3));
            format!("{open}{name}{colon}{REDACTED}{}", part(found, 5))
        });
    }
    out
}

fn named(found: &Captures<'_>) -> String {
    let (name, sign, value) = (part(found, 1), part(found, 2), part(found, 3));
    if looks_secret(name) && !harmless(value) {
        return format!("{name}{sign}{REDACTED}");
    }
    // `--set=db.password=x`: a name within the value.
    let mut start = 0;
    for (at, _) in value.match_indices('=') {
        let (inner, rest) = (value.get(start..at), value.get(at + 1..));
        if inner.is_some_and(looks_secret) && !rest.is_some_and(harmless) {
            let before = value.get(..at).unwrap_or_default();
            return format!("{name}{sign}{before}={REDACTED}");
        }
        start = at + 1;
    }
    part(found, 0).to_owned()
}

/// Values that only point to a secret, or are none.
pub(super) fn harmless(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    let reference = (value.starts_with("$(") && value.ends_with(')'))
        || (value.starts_with("${") && value.ends_with('}'))
        || (value.starts_with("{{") && value.ends_with("}}"))
        || (value.starts_with('$')
            && value.chars().skip(1).all(|c| c.is_alphanumeric() || c == '_'));
    value.is_empty()
        || value.starts_with(REDACTED)
        || value.starts_with("<redacted")
        || reference && !value.get(2..).is_some_and(|rest| rest.contains(['(', '{', ' ']))
        || matches!(value, "null" | "~" | "true" | "false")
}

fn part<'t>(found: &Captures<'t>, group: usize) -> &'t str {
    found.get(group).map_or("", |part| part.as_str())
}

/// Replaces in place; a text without `hint` is not looked at further.
fn replace(
    text: &mut Cow<'_, str>,
    hint: &str,
    shape: &Regex,
    by: impl Fn(&Captures<'_>) -> String,
) {
    if !text.contains(hint) {
        return;
    }
    if let Cow::Owned(new) = shape.replace_all(text, by) {
        *text = Cow::Owned(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_compiles() {
        assert_eq!(WHOLE_SHAPES.len(), WHOLE.len());
        assert_eq!(BEHIND_SHAPES.len(), BEHIND.len());
        assert!(USERINFO.is_some() && ASSIGNED.is_some() && OPTION.is_some());
        assert!(QUOTED.is_some() && LINE.is_some());
    }

    #[test]
    fn secrets_are_known_by_their_shape() {
        let hidden = "hunter2hunter2hunter2";
        for text in [
            format!("-----BEGIN RSA PRIVATE KEY-----\n{hidden}\n-----END RSA PRIVATE KEY-----"),
            format!("-----BEGIN PRIVATE KEY-----\\n{hidden}"),
            format!("eyJhbGciOiJI.{hidden}.{hidden}"),
            format!("ghp_{hidden}"),
            format!("glpat-{hidden}"),
            format!("xoxb-{hidden}"),
            format!("https://user:{hidden}@host.test/r.git"),
            format!("https://{hidden}@host.test/r.git"),
            format!("postgres://user:{hidden}@db:5432/x"),
            format!("Authorization: Bearer {hidden}"),
            format!("{{\"authorization\": \"Basic {hidden}\"}}"),
            format!("curl -H 'bearer {hidden}'"),
            format!("run --password={hidden} --x"),
            format!("run --api-key '{hidden}' --x"),
            format!("DB_PASSWORD={hidden} run"),
            format!("helm --set=db.password={hidden} --set a=b,db.token={hidden}"),
            format!("{{\"user\": \"a\", \"password\": \"{hidden}\", \"b\": 1}}"),
            format!("{{\\\"apiKey\\\":\\\"{hidden}\\\"}}"),
            format!("https://host.test/?a=b&access_token={hidden}&c=d"),
        ] {
            let got = without_shapes(&text);
            assert!(!got.contains("hunter2") && got.contains(REDACTED), "{text}: {got}");
            assert_eq!(without_shapes(&got), got, "{text}");
        }
        assert_eq!(without_shapes("A AKIAABCDEFGHIJKLMNOP b"), "A <redacted> b");
        let file = "user: a\npassword: hunter2\n\"apiKey\": \"hunter2\",\nsecretName: b\n";
        let wanted = "user: a\npassword: <redacted>\n\"apiKey\": \"<redacted>\",\nsecretName: b\n";
        assert_eq!(without_lines(file), wanted);
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "ssh://git@host.test/r.git",
            "https://host.test/a@b",
            "image: ghcr.io/org/app@sha256:0123",
            "--token-file=/run/secrets/token --secret-name web",
            "PASSWORD=$(DB_PASSWORD) TOKEN=${TOKEN} TOKEN=$TOKEN",
            "the bearer of this is short",
            "a=b, replicas=3",
            "{\"secretName\": \"web\", \"tokenUrl\": \"x\"}",
            "app -- token",
        ] {
            assert_eq!(without_shapes(text), text);
        }
    }
}
