//! The wall: who may name whom in `src`, what the core may never name, and
//! what every file looks like. Reads the sources, so that a broken arrow is
//! found wherever it is written.

#![expect(clippy::disallowed_methods, reason = "the test reads the sources")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders of `src`, and which of them each may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("core", &["core"]),
    ("report", &["core", "report"]),
    ("port", &["core", "port"]),
    ("engine", &["core", "port", "engine"]),
    ("edge", &["core", "port", "edge"]),
    ("sandbox", &["core", "port", "sandbox"]),
    ("cli", &["core", "port", "engine", "edge", "sandbox", "report", "cli"]),
    ("main.rs", &["cli"]),
    ("lib.rs", &[]),
];

/// Crates and modules that the core may not name outside its tests.
const IMPURE: &[&str] = &[
    "tokio",
    "kube",
    "k8s_openapi",
    "git2",
    "http",
    "hyper_util",
    "tower",
    "tracing",
    "std::fs",
    "std::env",
    "std::process",
    "std::net",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

const MOST_LINES: usize = 700;
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "manager", "misc", "shared"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `dir`, as path and text, in order.
fn files(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The sources by their path below `src`.
fn sources() -> Vec<(String, String)> {
    let src = root().join("src");
    let inside = |path: PathBuf| path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
    let found: Vec<_> = files(&src).into_iter().map(|(p, text)| (inside(p), text)).collect();
    assert!(found.len() > 100, "only {} files: is this the source tree?", found.len());
    found
}

/// The code of a file: comments, strings and characters are blanked.
fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if let Some(end) = string_end(&chars, i) {
            out.push_str("\"\"");
            i = end;
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
            out.push_str("' '");
        } else {
            out.push(c);
            i += 1;
        }
    }
    out
}

/// Where the string that begins at `i` ends, if one begins there.
fn string_end(chars: &[char], start: usize) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word = start > 0 && (at(start - 1).is_alphanumeric() || at(start - 1) == '_');
    let mut i = start;
    if !word && matches!(at(i), 'b' | 'c') && matches!(at(i + 1), '"' | 'r') {
        i += 1;
    }
    if !word && at(i) == 'r' && matches!(at(i + 1), '"' | '#') {
        let hashes = (i + 1..).take_while(|j| at(*j) == '#').count();
        i += 1 + hashes;
        if at(i) != '"' {
            return None;
        }
        let closes = |j: usize| at(j) == '"' && (1..=hashes).all(|n| at(j + n) == '#');
        return (i + 1..chars.len()).find(|j| closes(*j)).map(|j| j + 1 + hashes);
    }
    if at(i) != '"' {
        return None;
    }
    i += 1;
    while i < chars.len() && at(i) != '"' {
        i += if at(i) == '\\' { 2 } else { 1 };
    }
    Some(i + 1)
}

/// Code without the inline module of tests that ends a file.
fn product(code: &str) -> &str {
    let test = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub mod tests {"];
    let end = test.iter().filter_map(|head| code.find(head)).min();
    code.get(..end.unwrap_or(code.len())).unwrap()
}

/// Every path that code names, groups spelled out: `a::{b, c::d}` is `a::b`
/// and `a::c::d`.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut tokens = Vec::new();
    let mut rest = code.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = c.to_string();
            while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(c);
            }
            tokens.push(word);
        } else if c == ':' && rest.next_if(|c| *c == ':').is_some() {
            tokens.push("::".to_owned());
        } else if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    let (mut found, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        i = path(&tokens, i, &[], &mut found);
    }
    found
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads one path and gives the next token's place.
fn path(tokens: &[String], mut i: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let at = |i: usize| tokens.get(i).map_or("", String::as_str);
    let mut names = prefix.to_vec();
    if !is_word(at(i)) {
        return i + 1;
    }
    names.push(at(i).to_owned());
    i += 1;
    while at(i) == "::" && is_word(at(i + 1)) {
        names.push(at(i + 1).to_owned());
        i += 2;
    }
    if at(i) != "::" || at(i + 1) != "{" {
        found.push(names);
        return i;
    }
    i += 2;
    while i < tokens.len() && at(i) != "}" {
        i = path(tokens, i, &names, found);
    }
    i + 1
}

/// The folder of `src` that a path leads to, if it leaves its own file.
fn folder(file: &str, path: &[String]) -> Option<String> {
    let name = |i: usize| path.get(i).map_or("", String::as_str);
    let supers = path.iter().take_while(|name| *name == "super").count();
    let depth = file.split('/').count() - usize::from(file.ends_with("/mod.rs"));
    let next = match name(0) {
        "crate" | "tranche" => name(1),
        "super" if supers >= depth => name(supers),
        _ => return None,
    };
    let known = ARROWS.iter().any(|(folder, _)| *folder == next);
    known.then(|| next.to_owned())
}

/// What in one file goes against the wall.
fn faults(file: &str, text: &str) -> Vec<String> {
    let home = file.split('/').next().unwrap();
    let Some((_, allowed)) = ARROWS.iter().find(|(folder, _)| *folder == home) else {
        return vec![format!("{file}: `{home}` has no arrows in tests/architecture.rs")];
    };
    let code = code(text);
    let mut faults = Vec::new();
    for path in paths(&code) {
        if let Some(other) = folder(file, &path)
            && !allowed.contains(&other.as_str())
        {
            faults.push(format!("{file}: {home} may not name {other}: `{}`", path.join("::")));
        }
    }
    let stem = Path::new(file).file_stem().unwrap().to_str().unwrap();
    let test = file.contains("/tests/") || stem == "tests" || stem.ends_with("_tests");
    for path in paths(product(&code)) {
        let spelled = path.join("::");
        let names = |what: &str| spelled == what || spelled.starts_with(&format!("{what}::"));
        if home == "core" && !test && IMPURE.iter().any(|what| names(what)) {
            faults.push(format!("{file}: the core may not name `{spelled}`"));
        }
        let prints = ["std::io::stdout", "std::io::stderr", "io::stdout", "io::stderr"];
        if prints.iter().any(|what| names(what)) && file != "cli/terminal.rs" {
            faults.push(format!("{file}: only cli/terminal.rs may name `{spelled}`"));
        }
        if names("serde_saphyr") && !file.starts_with("core/yaml/") {
            faults.push(format!("{file}: only core/yaml may name `{spelled}`"));
        }
    }
    if text.lines().count() > MOST_LINES {
        faults.push(format!("{file}: {} lines, more than {MOST_LINES}", text.lines().count()));
    }
    if !text.starts_with("//! ") {
        faults.push(format!("{file}: does not begin with `//!` and what it owns"));
    }
    if EMPTY_NAMES.contains(&stem) {
        faults.push(format!("{file}: `{stem}` says nothing; name the noun or the verb"));
    }
    faults
}

#[test]
fn every_source_keeps_the_wall_and_the_house_rules() {
    let found: Vec<String> = sources().iter().flat_map(|(file, text)| faults(file, text)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_test_file_is_short_and_says_what_it_is_about() {
    for (path, text) in files(&root().join("tests")) {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", path.display());
        assert!(text.starts_with("//! "), "{}: no `//!`", path.display());
    }
}

#[test]
fn a_broken_arrow_is_found_however_it_is_written() {
    let broken = [
        ("core/decide/a.rs", "use crate::engine::Engine;"),
        ("core/decide/a.rs", "use crate::{core::model, port::Clock};"),
        ("core/a.rs", "fn f() { crate::edge::git::x(); }"),
        ("core/decide/mod.rs", "use super::super::engine;"),
        ("core/a.rs", "use std::{fmt, fs::File};"),
        ("core/a.rs", "use std::time::{Duration, Instant};"),
        ("core/a.rs", "async fn f() { tokio::task::yield_now().await }"),
        ("engine/a.rs", "use crate::{\n    core::x,\n    edge::{git, cluster},\n};"),
        ("port/a.rs", "pub use crate::sandbox::Sandbox;"),
        ("sandbox/a.rs", "use crate::edge::git;"),
        ("edge/a.rs", "use crate::cli::args;"),
        ("core/render/a.rs", "use serde_saphyr::from_str;"),
        ("cli/a.rs", "fn f() { let _ = std::io::stdout(); }"),
        ("edge/a.rs", "use std::io::{self, stderr};"),
        ("edge/a.rs", "fn f() { drop(io::stderr()); }"),
        ("main.rs", "fn main() { tranche::engine::run() }"),
        ("helm/a.rs", "use crate::core::x;"),
        ("core/utils.rs", "use crate::core::x;"),
    ];
    for (file, text) in broken {
        let found = faults(file, &format!("//! Owns it.\n{text}\n"));
        assert!(!found.is_empty(), "{file}: {text}");
    }
    assert_eq!(faults("core/a.rs", "fn f() {}\n").len(), 1, "no `//!`");
    assert_eq!(faults("core/a.rs", &"//! x\n".repeat(701)).len(), 1, "too long");
}

#[test]
fn what_only_looks_like_an_arrow_is_none() {
    let fine = [
        ("core/a.rs", "// use crate::engine\n/* crate::edge /* kube */ tokio */"),
        ("core/a.rs", "const A: &str = \"crate::engine \\\" kube::\"; const B: char = '\"';"),
        ("core/a.rs", "const A: &str = r#\"crate::engine \"tokio\"\"#; fn f<'a>(x: &'a str) {}"),
        ("core/a.rs", "use std::time::Duration;\nuse crate::core::{model, yaml};"),
        ("core/a.rs", "#[cfg(test)]\nmod tests { fn f() { std::fs::read(\"x\"); } }"),
        ("core/decide/a.rs", "use super::super::strategy; use super::engine;"),
        ("cli/a.rs", "use crate::{engine, edge, sandbox, core, port};"),
        ("cli/terminal.rs", "fn f() { let _ = std::io::stdout(); }"),
        ("main.rs", "fn main() { tranche::cli::main() }"),
    ];
    for (file, text) in fine {
        let found = faults(file, &format!("//! Owns it.\n{text}\n"));
        assert!(found.is_empty(), "{file}: {text}: {found:?}");
    }
}

/// The dependencies of a section of Cargo.toml.
fn section(manifest: &str, name: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| *line != name).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_dependency_is_used_and_has_its_reason() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let reasons = std::fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let mut used = BTreeMap::new();
    for dir in ["src", "tests"] {
        for (_, text) in files(&root().join(dir)) {
            for path in paths(&code(&text)) {
                *used.entry(path.first().cloned().unwrap_or_default()).or_insert(0) += 1;
            }
        }
    }
    for name in ["[dependencies]", "[dev-dependencies]"] {
        let dependencies = section(&manifest, name);
        assert!(!dependencies.is_empty(), "{name}");
        for dependency in dependencies {
            let row = format!("| `{dependency}` |");
            assert!(reasons.contains(&row), "docs/dependencies.md has no row {row}");
            // Named by nobody: it only chooses what kube is built with.
            let named = used.contains_key(&dependency.replace('-', "_"));
            assert!(named || dependency == "k8s-openapi", "{dependency} is used nowhere");
        }
    }
    for row in reasons.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = row.split('`').next().unwrap();
        let line = format!("\n{name} = ");
        assert!(manifest.contains(&line), "docs/dependencies.md explains {name}, which is gone");
    }
}

/// The tests that a text names, as `tests/…rs::name` or `src/…rs::name`.
fn cited(text: &str) -> Vec<(String, String)> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in text.match_indices(".rs::") {
        let (before, after) = (&text[..at], &text[at + ".rs::".len()..]);
        let begins = before.rfind(|c: char| !word(c) && c != '/').map_or(0, |at| at + 1);
        let name: String = after.chars().take_while(|c| word(*c)).collect();
        let file = format!("{}.rs", &before[begins..]);
        if file.starts_with("tests/") || file.starts_with("src/") {
            found.push((file, name));
        }
    }
    found
}

/// Whether a source has a test of that name.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let opens = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with('#'));
        line.starts_with(&opens) && attributes.into_iter().any(|line| *line == "#[test]")
    })
}

#[test]
fn every_test_that_a_document_names_exists() {
    let (mut named, mut missing) = (0, Vec::new());
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for (file, name) in cited(&std::fs::read_to_string(&path).unwrap()) {
            named += 1;
            let source = std::fs::read_to_string(root().join(&file)).unwrap_or_default();
            if !has_test(&source, &name) {
                missing.push(format!("{}: {file}::{name}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
    assert!(named > 40, "only {named} tests are named: are the tables still there?");
}

#[test]
fn a_test_that_is_not_there_is_found_missing() {
    let row =
        "| a | the same | `tests/product/a.rs::goes`, `src/core/b.rs::comes` and [x](a.rs::y) |";
    let named = |file: &str, name: &str| (file.to_owned(), name.to_owned());
    assert_eq!(cited(row), [named("tests/product/a.rs", "goes"), named("src/core/b.rs", "comes")]);
    assert!(has_test("#[test]\nfn goes() {}\n", "goes"));
    assert!(has_test("    #[test]\n    #[ignore]\n    fn goes(x in 0..3) {}\n", "goes"));
    assert!(!has_test("fn goes() {}\n", "goes"), "it is run by nobody");
    assert!(!has_test("#[test]\nfn goes_on() {}\n", "goes"));
}
